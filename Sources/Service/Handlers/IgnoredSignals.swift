import Logging

extension Service {
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
