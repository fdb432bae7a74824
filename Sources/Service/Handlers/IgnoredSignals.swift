import Formats
import HTTP

extension Service {
    /// `POST /v1/metrics`: accepted and dropped unread, so that a sender with one endpoint for all
    /// signals needs no setting of its own.
    func ignore(_ exchange: borrowing Exchange, _ answer: Answer, _ route: IgnoredRoute) {
        metrics.ignoredRequests[route].add()
        answer.send(OTLPAnswer.success(OTLPEncoding(contentType: exchange.header("Content-Type")) ?? .protobuf))
    }
}
