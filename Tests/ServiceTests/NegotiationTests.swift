import Bodies
import Metrics
import Testing

@testable import Service

@Suite("Negotiation") struct NegotiationTests {
    @Test(
        "OpenMetrics only where Accept prefers it",
        arguments: [
            (nil, ExpositionFormat.text),
            ("*/*", .text),
            ("text/plain", .text),
            ("application/json", .text),
            ("", .text),
            ("application/openmetrics-text", .openMetrics),
            ("Application/OpenMetrics-Text; Version=\"1.0.0\"", .openMetrics),
            ("application/openmetrics-text;version=0.0.1", .text),
            ("application/openmetrics-text;q=0, */*", .text),
            ("application/openmetrics-text;q=0.4,text/plain;q=0.5", .text),
            ("text/plain, application/openmetrics-text", .text),
            ("application/openmetrics-text, text/plain", .openMetrics),
            ("application/openmetrics-text;q=0.5,*/*", .openMetrics),
            (", application/openmetrics-text ,,text/plain;q=0.5", .openMetrics),
            // What Prometheus 2.42 sends.
            (
                "application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,text/plain;version=0.0.4;q=0.5,*/*;q=0.1",
                .openMetrics
            ),
        ] as [(String?, ExpositionFormat)])
    func format(accept: String?, format: ExpositionFormat) {
        #expect(Negotiation.format(accept: accept) == format)
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
