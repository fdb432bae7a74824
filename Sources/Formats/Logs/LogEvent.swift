/// The events of log records that report calls, by their names.
enum LogEvent: String, CaseIterable {
    case claudeCodeRequest = "claude_code.api_request"
    case claudeCodeError = "claude_code.api_error"
    case codexStreamEvent = "codex.sse_event"
    case codexRequest = "codex.api_request"
    case geminiResponse = "gemini_cli.api_response"
    case geminiError = "gemini_cli.api_error"

    /// The longest name of an event that is read or shown.
    static let nameBytes = 64

    private static let names = allCases.map { (name: Array($0.rawValue.utf8), event: $0) }

    init?(name: ArraySlice<UInt8>) {
        guard let event = Self.names.first(where: { name.elementsEqual($0.name) })?.event else { return nil }
        self = event
    }
}
