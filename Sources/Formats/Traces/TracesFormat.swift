package import Bodies
package import HTTP
package import Model

/// Spans of OpenTelemetry, as `POST /v1/traces` takes them.
package struct TracesFormat: Format {
    private let encoding: OTLPEncoding

    package init(_ encoding: OTLPEncoding) {
        self.encoding = encoding
    }

    package var inlineLimitBytes: Int { 32 << 10 }
    package var isSentOnce: Bool { false }

    package func decode(_ body: PaddedBytes, arrival: Instant) throws(MalformedBody) -> DecodedBatch {
        try TraceDecoder(encoding, arrival: arrival).decode(body)
    }

    package func answer(to outcome: Outcome) -> Response {
        guard let (_, first) = outcome.rejections.listed.first else {
            if outcome.warnings.isEmpty { return OTLPAnswer.success(encoding) }
            // No span was rejected and there is a message: a warning (opentelemetry-proto, `ExportTracePartialSuccess`).
            return OTLPAnswer.partialSuccess(
                rejectedSpans: 0, message: outcome.warnings.joined(separator: "; "), encoding)
        }
        return OTLPAnswer.partialSuccess(
            rejectedSpans: outcome.rejections.count,
            message: "spans that report LLM calls were not counted; the first: \(first.message)", encoding)
    }
}
