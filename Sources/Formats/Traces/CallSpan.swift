internal import Model

/// A span that reports an LLM call.
struct CallSpan {
    /// Its place in the request.
    let index: Int
    /// `nil` where the sender gave none.
    let id: SpanID?
    let parent: SpanID?
    /// What made the span, and where: equal numbers are equal scopes and processes.
    let scope: Int
    let process: Int
    /// Nanoseconds since 1970; 0 is unknown.
    let start: UInt64
    let end: UInt64
    let isFailed: Bool
    let agentName: String?
    private let exceptionType: String?
    private let attributes: [String: AttributeValue]

    private static let unknown = "unknown"

    /// - Returns: `nil` for a span that reports something else.
    init?(_ span: Span, index: Int, scope: Int, process: Int) {
        guard span.isCall else { return nil }
        self.index = index
        id = span.id
        parent = span.parent
        self.scope = scope
        self.process = process
        start = span.start
        end = span.end
        isFailed = span.isFailed
        agentName = span.agentName
        exceptionType = span.exceptionType
        attributes = span.attributes
    }

    var responseID: String? { attributes[AttributeNames.responseID]?.text }
    var model: String? { name(AttributeNames.model) }

    /// Whether the call embeds, rather than answers.
    var embeds: Bool {
        attributes[AttributeNames.operation]?.text == "embeddings"
            || attributes[AttributeNames.kind]?.text == "EMBEDDING"
    }

    /// Whether the span tells tokens.
    var hasUsage: Bool { value(AttributeNames.input) != nil || value(AttributeNames.output) != nil }

    /// Whether the span tells the labels that every record needs.
    var isNamed: Bool { name(AttributeNames.provider) != nil && model != nil }

    /// How much of the call the span tells: of two reports the fuller is kept.
    var toldFields: Int {
        let names = [
            AttributeNames.input, AttributeNames.output, AttributeNames.cacheRead, AttributeNames.cacheWrite,
            AttributeNames.reasoning, AttributeNames.cost,
        ]
        return (isNamed ? names.count + 1 : 0) + names.count { value($0) != nil } + (errorClass == nil ? 0 : 1)
    }

    /// Writes the record that the span is.
    func write(to draft: inout RecordDraft, agentName: String) {
        draft.set(.agentName, string: agentName.utf8)
        // A call that fails early may tell neither; it is a call all the same.
        draft.set(.provider, string: (name(AttributeNames.provider) ?? Self.unknown).utf8)
        draft.set(.model, string: (model ?? Self.unknown).utf8)
        if isFailed {
            draft.set(.status, string: "error".utf8)
            if let errorClass { draft.set(.errorType, string: errorClass.utf8) }
        }
        copy(AttributeNames.input, to: .inputTokens, &draft)
        copy(AttributeNames.output, to: .outputTokens, &draft)
        copy(AttributeNames.cacheRead, to: .cacheReadTokens, &draft)
        copy(AttributeNames.cacheWrite, to: .cacheWriteTokens, &draft)
        copy(AttributeNames.reasoning, to: .reasoningTokens, &draft)
        // A cost of 0 is what instrumentations write that do not know the price; a model that is free is so by the price table.
        if !isFree { copy(AttributeNames.cost, to: .costUSD, &draft) }
        // An end before the start is that of a clock that was set back: the call is counted without its latency.
        if start != 0, end >= start {
            draft.set(.latencyMilliseconds, number: PlainDecimal.text(Int128(end) - Int128(start), scale: 6).utf8)
            draft.set(.timestamp, number: PlainDecimal.text(Int128(end), scale: 9).utf8)
        }
        if let id {
            draft.set(id: id.text.utf8)
            draft.set(.traceID, string: id.traceText.utf8)
        }
    }

    private var isFree: Bool {
        switch value(AttributeNames.cost) {
        case .integer(0): true
        case .double(let cost): cost == 0
        default: false
        }
    }

    private var errorClass: String? {
        guard isFailed else { return nil }
        let told = [
            attributes[AttributeNames.errorType]?.description, exceptionType,
            attributes[AttributeNames.statusCode]?.description,
        ]
        return told.lazy.compactMap { $0.flatMap(ErrorClass.name) }.first
    }

    private func copy(_ names: [String], to field: Field, _ draft: inout RecordDraft) {
        switch value(names) {
        case nil: break
        case .integer(let number): draft.set(field, number: "\(number)".utf8)
        case .double(let number): draft.set(field, number: "\(number)".utf8)
        // Of the wrong type, and refused as such.
        case .text(let text): draft.set(field, string: text.utf8)
        case .boolean(let value): draft.set(field, string: "\(value)".utf8)
        }
    }

    private func value(_ names: [String]) -> AttributeValue? {
        names.lazy.compactMap { attributes[$0] }.first
    }

    /// The first that may be a label; where none may, the first.
    private func name(_ names: [String]) -> String? {
        let told = names.lazy.compactMap { attributes[$0]?.text }
        return told.first { $0.isName } ?? told.first
    }
}
