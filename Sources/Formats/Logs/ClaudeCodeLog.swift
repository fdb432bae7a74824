/// The log records of Claude Code (code.claude.com/docs/en/monitoring-usage).
enum ClaudeCodeLog {
    /// The provider that `anthropic.provider` names, as the price table spells it.
    static func provider(_ record: LogRecord) -> String {
        switch record.string(.anthropicProvider) {
        // Those behind the first serve Anthropic's own API elsewhere.
        case nil, "firstParty", "anthropicAws", "anthropicGoogleCloud", "gateway": "anthropic"
        case "mantle": "bedrock"
        case "vertex": "vertex_ai"
        case "foundry": "azure_ai"
        case let name?: name
        }
    }

    static func writeUsage(_ record: LogRecord, to draft: inout RecordDraft) {
        if record.reportsTokens([.inputTokens, .outputTokens, .cacheReadTokens, .cacheCreationTokens]) {
            // Its input tokens exclude those that a cache gave or took.
            record.copy(.inputTokens, with: [.cacheReadTokens, .cacheCreationTokens], to: .inputTokens, &draft)
            record.copy(.outputTokens, to: .outputTokens, &draft)
            record.copy(.cacheReadTokens, to: .cacheReadTokens, &draft)
            record.copy(.cacheCreationTokens, to: .cacheWriteTokens, &draft)
            record.copy(.cacheCreation1hTokens, to: .cacheWrite1hTokens, &draft)
        }
        if record.text(.speed)?.elementsEqual("fast".utf8) == true { draft.set(.serviceTier, string: "fast".utf8) }
        // A cost of 0 means that the price is not known.
        if record.count(.costUSD) != 0 { record.copy(.costUSD, to: .costUSD, &draft) }
    }
}
