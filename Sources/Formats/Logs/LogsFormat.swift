package import Bodies
package import HTTP
package import Model

/// Log records of OpenTelemetry, as `POST /v1/logs` takes them: those that report LLM calls become records.
///
/// Bodies hold prompts and answers. They are never kept.
package struct LogsFormat: Format {
    private let encoding: OTLPEncoding
    private let operatorAttributes: OperatorAttributes

    /// - Parameter operatorAttributes: those that the configuration names.
    package init(_ encoding: OTLPEncoding, operatorAttributes: OperatorAttributes = .none) {
        self.encoding = encoding
        self.operatorAttributes = operatorAttributes
    }

    package var intake: ReportingIntake? { .logs }
    package var inlineLimitBytes: Int { 32 << 10 }
    package var isSentOnce: Bool { false }

    /// - Throws: if the body is not an `ExportLogsServiceRequest` (an empty body is one in protobuf, not in JSON). A
    ///   log record that breaks a rule is among the rejections instead, by its place among all log records of the
    ///   request.
    package func decode(_ body: PaddedBytes, arrival: Instant) throws(MalformedBody) -> DecodedBatch {
        var logs = RequestLogs(arrival: arrival, operatorAttributes)
        switch encoding {
        case .protobuf: try ProtobufLogs.read(body, into: &logs)
        case .json: try JSONLogs.read(body, into: &logs)
        }
        return logs.batch
    }

    package func answer(to outcome: Outcome) -> Response { OTLPAnswer.counted(outcome, of: .logs, encoding) }
}
