internal import Model

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
    /// Whether its name is that of Claude Code's calls.
    var isClaudeRequest = false
    private(set) var attributes = SpanAttributes()
    private(set) var chosenAgent = ChosenAgent()
    private(set) var kept = KeptAttributes()
    /// Whether an exception is among its events, and the type of the first that has one.
    var hasException = false
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

    static let claudeRequestName = "claude_code.llm_request"

    /// What it is; a span that does not say it is a call if it names a model and its provider and reports tokens or an
    /// error.
    var kind: SpanKind {
        let kind = SpanKind(attributes, isClaudeRequest: isClaudeRequest)
        guard case .unknown = kind, attributes[.requestModel] != nil,
            attributes.has(SpanAttribute.ofProvider)
        else { return kind }
        let reports = isFailed || hasException || SpanUsage.isReported(by: attributes)
        return reports ? .call : .unknown
    }

    mutating func add(_ name: BorrowedBytes, _ value: BorrowedValue, _ operatorAttributes: OperatorAttributes) {
        attributes.add(name, value)
        chosenAgent.add(name, value, by: operatorAttributes)
        kept.add(name, value, by: operatorAttributes)
    }

    /// `nil` if it names no agent, or one whose name breaks the rules for names.
    var agentName: String? {
        attributes.name(of: SpanAttribute.ofAgent).flatMap { $0.isName ? $0 : nil }
    }

    /// Takes what an event says: of exceptions, the type.
    mutating func add(_ event: SpanEvent) {
        hasException = hasException || event.isException
        if exceptionType == nil { exceptionType = event.exceptionType }
    }
}
