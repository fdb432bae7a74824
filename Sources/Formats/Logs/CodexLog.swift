/// The log records of Codex (github.com/openai/codex, codex-rs/otel).
enum CodexLog {
    /// Log records of calls do not name the provider.
    static let provider = "openai"

    /// Whether it is the end of a stream with its tokens. The same event comes without them just before.
    static func isCompletion(_ record: LogRecord) -> Bool {
        record.text(.eventKind)?.elementsEqual("response.completed".utf8) == true
            && (record.has(.inputTokenCount) || record.has(.outputTokenCount))
    }

    /// Whether it is an attempt that failed. One that succeeds is counted at the end of its stream.
    static func isFailedAttempt(_ record: LogRecord) -> Bool {
        // Listing the models is not a call.
        if record.text(.endpoint)?.elementsEqual("/models".utf8) == true { return false }
        guard let code = record.count(.responseStatusCode) else { return record.has(.errorMessage) }
        return code >= 400
    }

    /// Whether the user signed in with ChatGPT, whose subscription pays.
    static func isPlan(_ record: LogRecord) -> Bool {
        record.string(.authMode)?.lowercased() == "chatgpt"
    }

    static func writeUsage(_ record: LogRecord, to draft: inout RecordDraft) {
        guard record.reportsTokens([.inputTokenCount, .outputTokenCount]) else { return }
        record.copy(.inputTokenCount, to: .inputTokens, &draft)
        record.copy(.outputTokenCount, to: .outputTokens, &draft)
        record.copy(.cachedTokenCount, to: .cacheReadTokens, &draft)
        record.copy(.cacheWriteTokenCount, to: .cacheWriteTokens, &draft)
        record.copy(.reasoningTokenCount, to: .reasoningTokens, &draft)
    }
}
