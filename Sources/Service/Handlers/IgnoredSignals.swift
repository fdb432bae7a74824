import Formats
import HTTP

extension Service {
    /// `POST /v1/logs`: accepted and dropped unread, so that a sender with one endpoint for all signals needs no
    /// setting of its own.
    func ignore(_ exchange: borrowing Exchange, _ answer: Answer, _ route: IgnoredRoute) {
        metrics.ignoredRequests[route].add()
        answer.send(OTLPAnswer.success(OTLPEncoding(contentType: exchange.header("Content-Type")) ?? .protobuf))
    }

    /// Counts a request of OpenTelemetry metrics, and logs at most once an hour who sends them and how to stop it.
    func noteMetrics(from answer: Answer) {
        metrics.ignoredRequests[.metrics].add()
        guard metricsNotice.isDue() else { return }
        log.info(
            """
            A client sends OpenTelemetry metrics, which are not counted: they have neither calls nor ids; let it send \
            traces or logs, and set OTEL_METRICS_EXPORTER=none to stop the metrics
            """,
            metadata: answer.origin)
    }
}
