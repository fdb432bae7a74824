internal import Model

/// A log record that reports a call.
struct CallLog {
    let record: LogRecord
    let event: LogEvent

    private static let unknown = "unknown"

    /// - Returns: `nil` for log records that report no call.
    init?(_ record: LogRecord) {
        guard let event = record.event else { return nil }
        switch event {
        case .codexStreamEvent: guard CodexLog.isCompletion(record) else { return nil }
        case .codexRequest: guard CodexLog.isFailedAttempt(record) else { return nil }
        case .claudeCodeRequest, .claudeCodeError, .geminiResponse, .geminiError: break
        }
        self.record = record
        self.event = event
    }

    private var isFailed: Bool {
        switch event {
        case .claudeCodeError, .codexRequest, .geminiError: true
        case .claudeCodeRequest, .codexStreamEvent, .geminiResponse: false
        }
    }

    /// Writes the record that the log record is, but for its id.
    func write(to draft: inout RecordDraft, _ resource: Resource) {
        draft.set(.agentName, string: agentName(resource).utf8)
        draft.set(.provider, string: provider.utf8)
        // A call that fails early may have none; it is a call all the same.
        draft.set(.model, string: (record.string(.model) ?? Self.unknown).utf8)
        if isFailed { writeFailure(to: &draft) }
        writeUsage(to: &draft)
        if isPlan { draft.set(.billing, string: Billing.plan.rawValue.utf8) }
        // In Codex' stream events it is the time since the event before.
        if event != .codexStreamEvent {
            record.copy(.durationMilliseconds, to: .latencyMilliseconds, &draft)
        }
        record.copy(.firstTokenMilliseconds, to: .timeToFirstTokenMilliseconds, &draft)
        let time = record.time == 0 ? record.observedTime : record.time
        if time != 0 { draft.set(.timestamp, number: PlainDecimal.text(Int128(time), scale: 9).utf8) }
        if let span = SpanID(trace: record.trace, span: record.span) {
            draft.set(.traceID, string: span.traceText.utf8)
        }
    }

    private func agentName(_ resource: Resource) -> String {
        let resource = resource.agent
        var chosen = record.chosenAgent
        chosen.add(resource.chosen)
        if let name = chosen.name { return name }
        switch event {
        case .claudeCodeRequest, .claudeCodeError:
            // Claude Code names a subagent in the record; an operator who named the agent meant all of them.
            return resource.explicit ?? name(of: [.agent]) ?? resource.name
        case .codexStreamEvent, .codexRequest, .geminiResponse, .geminiError:
            return name(of: [.genAIAgentName, .agent, .agentName]) ?? resource.name
        }
    }

    /// The first value that an agent may have as its name.
    private func name(of attributes: [LogAttribute]) -> String? {
        attributes.lazy.compactMap { record.string($0) }.first { $0.isName }
    }

    private var provider: String {
        switch event {
        case .claudeCodeRequest, .claudeCodeError: ClaudeCodeLog.provider(record)
        case .codexStreamEvent, .codexRequest: CodexLog.provider
        case .geminiResponse, .geminiError: GeminiLog.provider(record)
        }
    }

    private var isPlan: Bool {
        switch event {
        case .codexStreamEvent, .codexRequest: CodexLog.isPlan(record)
        case .geminiResponse, .geminiError: GeminiLog.isPlan(record)
        // Claude Code does not say.
        case .claudeCodeRequest, .claudeCodeError: false
        }
    }

    private func writeUsage(to draft: inout RecordDraft) {
        switch event {
        case .claudeCodeRequest: ClaudeCodeLog.writeUsage(record, to: &draft)
        case .codexStreamEvent: CodexLog.writeUsage(record, to: &draft)
        case .geminiResponse: GeminiLog.writeUsage(record, to: &draft)
        case .claudeCodeError, .codexRequest, .geminiError: break
        }
    }

    private func writeFailure(to draft: inout RecordDraft) {
        let code = record.count(.statusCode) ?? record.count(.responseStatusCode)
        let type = [LogAttribute.errorType, .errorTypeName].lazy.compactMap { record.string($0) }
            .compactMap { ErrorClass.name(in: $0) }.first
        // The text of an error may hold a part of a prompt: it decides the status at most.
        let texts = code == nil ? [LogAttribute.statusCode, .error, .errorMessage].map { record.string($0) } : []
        let words = ([type] + texts).compactMap { $0 }.joined(separator: " ").filter { $0 != " " }
        draft.set(.status, string: FailureStatus(type: words.isEmpty ? nil : words, code: code).rawValue.utf8)
        if let type = type ?? code.map({ "\($0)" }) { draft.set(.errorType, string: type.utf8) }
    }
}
