import Formats
import HTTP

extension Service {
    /// `POST /v1/metrics` and `/v1/logs`: taken and dropped, so that a sender with one endpoint for all signals need not be
    /// told to keep them.
    func ignore(_ request: borrowing Request, _ reply: Reply) {
        metrics.ignored(reply.route)
        // Whatever the body is, nobody reads it.
        reply.send(OTLPAnswer.success(OTLPEncoding(contentType: request.header("Content-Type")) ?? .protobuf))
    }
}
