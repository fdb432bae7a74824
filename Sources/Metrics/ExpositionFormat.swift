/// The formats that a scrape can ask for.
package enum ExpositionFormat: Hashable, Sendable {
    /// Prometheus text format 0.0.4.
    case text
    /// OpenMetrics 1.0.
    ///
    /// - Parameter hasCreatedSamples: whether counters and histograms have a `_created` sample.
    case openMetrics(hasCreatedSamples: Bool)
    /// Messages of type io.prometheus.client.MetricFamily (prometheus/client_model, metrics.proto), each behind its
    /// length.
    ///
    /// - Parameter hasNativeHistograms: whether the histograms of calls carry native buckets beside the classic ones.
    case protobuf(hasNativeHistograms: Bool)

    package var contentType: String {
        switch self {
        case .text: "text/plain; version=0.0.4; charset=utf-8"
        case .openMetrics: "application/openmetrics-text; version=1.0.0; charset=utf-8"
        case .protobuf:
            "application/vnd.google.protobuf; proto=io.prometheus.client.MetricFamily; encoding=delimited"
        }
    }
}
