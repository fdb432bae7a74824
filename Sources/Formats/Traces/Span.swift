/// A span, as far as it is read, in either encoding.
struct Span {
    /// 0 if the sender gave none.
    var trace: UInt128 = 0
    /// Its number in the trace, and that of the span above it; 0 if there is none.
    var number: UInt64 = 0
    var parentNumber: UInt64 = 0
    /// Nanoseconds since 1970; 0 is unknown.
    var start: UInt64 = 0
    var end: UInt64 = 0
    var isFailed = false
    var attributes = SpanAttributes()
    /// The type of the first exception among its events that has one.
    var exceptionType: String?
}

extension Span {
    /// Begins another span; memory is kept.
    mutating func removeAll() {
        var attributes = attributes
        self.attributes = SpanAttributes()
        attributes.removeAll()
        self = Span(attributes: attributes)
    }

    /// A copy of it, to be kept.
    var compact: Span {
        var copy = self
        copy.attributes = attributes.compact
        return copy
    }

    var id: SpanID? { SpanID(trace: trace, span: number) }
    var parent: SpanID? { SpanID(trace: trace, span: parentNumber) }

    /// `embeddings` is `EMBEDDING` to OpenInference, all the others are `LLM`.
    private static let operations: Set<String> = ["chat", "text_completion", "generate_content", "embeddings"]
    private static let kinds: Set<String> = ["LLM", "EMBEDDING"]

    /// Whether it reports a call. Others report an agent's run, a workflow, a tool: their tokens are those of the calls
    /// within them.
    var isCall: Bool {
        attributes[.operation]?.text.map(Self.operations.contains) == true
            || attributes[.kind]?.text.map(Self.kinds.contains) == true
    }

    /// Whether it says that it is an agent, a workflow, a tool, or another span that may hold several calls. HTTP
    /// requests and the like say nothing.
    var holdsCalls: Bool {
        !isCall && (attributes[.operation] != nil || attributes[.kind] != nil || attributes[.holderKind] != nil)
    }

    /// `nil` if it names no agent, or one whose name breaks the rules for names.
    var agentName: String? {
        attributes[.agent]?.text.flatMap { $0.isName ? $0 : nil }
    }

    /// Takes what an event says: of exceptions, the type.
    mutating func add(_ event: SpanEvent) {
        if exceptionType == nil { exceptionType = event.exceptionType }
    }
}
