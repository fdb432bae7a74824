package import Bodies
package import HTTP
package import Model

/// Spans of OpenTelemetry, as `POST /v1/traces` takes them: those that report LLM calls become records.
package struct TracesFormat: Format {
    private let encoding: OTLPEncoding
    private let operatorAttributes: OperatorAttributes

    /// - Parameter operatorAttributes: those that the configuration names.
    package init(_ encoding: OTLPEncoding, operatorAttributes: OperatorAttributes = .none) {
        self.encoding = encoding
        self.operatorAttributes = operatorAttributes
    }

    package var intake: ReportingIntake? { .traces }
    package var inlineLimitBytes: Int { 32 << 10 }
    package var isSentOnce: Bool { false }

    /// - Throws: if the body is not an `ExportTraceServiceRequest` (an empty body is one in protobuf, not in JSON). A
    ///   span that breaks a rule is among the rejections instead, by its place among all spans of the request.
    package func decode(_ body: PaddedBytes, arrival: Instant) throws(MalformedBody) -> DecodedBatch {
        var spans = RequestSpans(operatorAttributes)
        switch encoding {
        case .protobuf: try ProtobufSpans.read(body, into: &spans)
        case .json: try JSONSpans.read(body, into: &spans)
        }
        return spans.batch(arrival: arrival)
    }

    package func answer(to outcome: Outcome) -> Response { OTLPAnswer.counted(outcome, of: .traces, encoding) }
}
