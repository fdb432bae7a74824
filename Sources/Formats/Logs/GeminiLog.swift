/// The log records of Gemini CLI (github.com/google-gemini/gemini-cli, packages/core/src/telemetry/types.ts).
enum GeminiLog {
    static func provider(_ record: LogRecord) -> String {
        record.text(.authType)?.elementsEqual("vertex-ai".utf8) == true ? "vertex_ai" : "gemini"
    }

    /// Whether the user signed in with a Google account, whose calls are free or paid for by a subscription.
    static func isPlan(_ record: LogRecord) -> Bool {
        record.text(.authType)?.elementsEqual("oauth-personal".utf8) == true
    }

    static func writeUsage(_ record: LogRecord, to draft: inout RecordDraft) {
        let counts: [LogAttribute] = [.inputTokenCount, .outputTokenCount, .thoughtsTokenCount, .toolTokenCount]
        guard record.reportsTokens(counts) else {
            if record.reportsTokens([.totalTokenCount]) { record.copy(.totalTokenCount, to: .totalTokens, &draft) }
            return
        }
        // Tokens of tool results are beside the input if the total has room for them.
        let sum = counts.compactMap(record.count).reduce(0) { $0 + Int128($1) }
        let hasTools = record.count(.totalTokenCount).map { $0 >= sum } == true
        record.copy(.inputTokenCount, with: hasTools ? [.toolTokenCount] : [], to: .inputTokens, &draft)
        // Its input includes cached tokens, its output excludes thoughts.
        record.copy(.outputTokenCount, with: [.thoughtsTokenCount], to: .outputTokens, &draft)
        record.copy(.cachedContentTokenCount, to: .cacheReadTokens, &draft)
        record.copy(.thoughtsTokenCount, to: .reasoningTokens, &draft)
    }
}
