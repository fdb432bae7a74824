/// What is read of a span, whichever encoding it came in.
struct Span {
    /// `nil` where the sender gave none.
    var id: SpanID?
    var parent: SpanID?
    /// Nanoseconds since 1970; 0 is unknown.
    var start: UInt64 = 0
    var end: UInt64 = 0
    var isFailed = false
    /// Those of `AttributeNames.ofSpans`.
    var attributes: [String: AttributeValue] = [:]
    /// What the first event that is an exception names.
    var exceptionType: String?
}

extension Span {
    /// `embeddings` is `EMBEDDING` to OpenInference, all the others are `LLM`.
    private static let operations: Set<String> = ["chat", "text_completion", "generate_content", "embeddings"]
    private static let kinds: Set<String> = ["LLM", "EMBEDDING"]

    /// Whether it reports a call. Others report an agent's run, a workflow, a tool: their tokens are those of the calls
    /// within them.
    var isCall: Bool {
        attributes[AttributeNames.operation]?.text.map(Self.operations.contains) == true
            || attributes[AttributeNames.kind]?.text.map(Self.kinds.contains) == true
    }

    /// Whether it says that it is an agent, a workflow, a tool, or else what may hold several calls; of HTTP requests and
    /// the like nothing is said.
    var holdsCalls: Bool {
        !isCall
            && [AttributeNames.operation, AttributeNames.kind, AttributeNames.holderKind].contains {
                attributes[$0] != nil
            }
    }

    /// `nil` where no agent can be called so.
    var agentName: String? {
        attributes[AttributeNames.agent]?.text.flatMap { $0.isName ? $0 : nil }
    }
}

/// The value of an attribute. Arrays, maps and bytes are not read, and a blank text is none: another name may tell more.
enum AttributeValue {
    case text(String)
    case boolean(Bool)
    case integer(Int64)
    case double(Double)

    /// - Returns: `nil` for a blank text.
    init?(text: String) {
        guard text.utf8.contains(where: { $0 != UInt8(ascii: " ") }) else { return nil }
        self = .text(text)
    }

    var text: String? {
        if case .text(let text) = self { text } else { nil }
    }

    var description: String {
        switch self {
        case .text(let text): text
        case .boolean(let value): "\(value)"
        case .integer(let number): "\(number)"
        case .double(let number): Int64(exactly: number).map { "\($0)" } ?? "\(number)"
        }
    }
}

extension [String: AttributeValue] {
    /// Of several values of one name the first counts.
    mutating func add(_ name: String, _ value: AttributeValue?) {
        if let value, self[name] == nil { self[name] = value }
    }
}
