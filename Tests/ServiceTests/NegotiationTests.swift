import Bodies
import Metrics
import Testing

@testable import Service

@Suite("Negotiation") struct NegotiationTests {
    static let formats: [ExpositionFormat] = [
        .text, .openMetrics(hasCreatedSamples: false), .protobuf(hasNativeHistograms: true),
    ]

    @Test(
        "OpenMetrics only where Accept prefers it",
        arguments: [
            (nil, ExpositionFormat.text),
            ("*/*", .text),
            ("text/plain", .text),
            ("application/json", .text),
            ("", .text),
            ("application/openmetrics-text", .openMetrics(hasCreatedSamples: false)),
            ("Application/OpenMetrics-Text; Version=\"1.0.0\"", .openMetrics(hasCreatedSamples: false)),
            ("application/openmetrics-text;version=0.0.1", .text),
            ("application/openmetrics-text;q=0, */*", .text),
            ("application/openmetrics-text;q=0.4,text/plain;q=0.5", .text),
            ("text/plain, application/openmetrics-text", .text),
            ("application/openmetrics-text, text/plain", .openMetrics(hasCreatedSamples: false)),
            ("application/openmetrics-text;q=0.5,*/*", .openMetrics(hasCreatedSamples: false)),
            (", application/openmetrics-text ,,text/plain;q=0.5", .openMetrics(hasCreatedSamples: false)),
            ("application/vnd.google.protobuf", .text),
            ("application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily", .text),
            (
                "*/*, application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited;q=0.5",
                .text
            ),
            (
                "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited;q=0.5, application/json, application/openmetrics-text;q=0.4",
                .openMetrics(hasCreatedSamples: false)
            ),
            ("application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited;q=0", .text),
            ("application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=text", .text),
            (
                "application/vnd.google.protobuf; proto=io.prometheus.client.MetricFamily; encoding=delimited",
                .protobuf(hasNativeHistograms: true)
            ),
            (
                "application/vnd.google.protobuf;proto=other;encoding=delimited,application/openmetrics-text;q=0.5",
                .openMetrics(hasCreatedSamples: false)
            ),
            // Prometheus 2.42 with native histograms on.
            (
                "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited,application/openmetrics-text;version=1.0.0;q=0.8,application/openmetrics-text;version=0.0.1;q=0.75,text/plain;version=0.0.4;q=0.5,*/*;q=0.1",
                .protobuf(hasNativeHistograms: true)
            ),
            // Prometheus 3 if it prefers text.
            (
                "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited;q=0.5,text/plain;version=0.0.4;q=0.3,*/*;q=0.2",
                .openMetrics(hasCreatedSamples: false)
            ),
            // What Prometheus 2.42 sends.
            (
                "application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,text/plain;version=0.0.4;q=0.5,*/*;q=0.1",
                .openMetrics(hasCreatedSamples: false)
            ),
        ] as [(String?, ExpositionFormat)])
    func format(accept: String?, format: ExpositionFormat) {
        #expect(Negotiation.format(accept: accept, of: Self.formats) == format)
    }

    @Test(
        "a coding only where it is accepted",
        arguments: [
            (nil, nil), ("", nil), ("identity", nil), ("br", nil), ("gzip", .gzip), ("GZIP;q=0.5", .gzip),
            ("gzip;q=0", nil), ("gzip;q=0, *", .zstd), ("*;q=0", nil), ("gzip, zstd", .zstd),
            (",, gzip ,", .gzip), ("br,gzip", .gzip), ("identity,,zstd;q=0.5", .zstd),
            ("gzip;q=1.0, zstd;q=0.5", .gzip), ("*", .zstd), ("gzip;q=nonsense", nil), ("gzip;q=2", nil),
        ] as [(String?, ContentCoding?)])
    func coding(acceptEncoding: String?, coding: ContentCoding?) {
        #expect(Negotiation.coding(acceptEncoding: acceptEncoding) == coding)
    }
}
