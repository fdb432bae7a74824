internal import Model

/// A span that reports an LLM call.
struct CallSpan {
    private let span: Span
    /// Its place in the request.
    let index: Int
    /// Equal numbers are equal scopes, and equal processes.
    let scope: Int
    let process: Int
    /// The agent that its resource names.
    let resourceAgent: String

    private static let unknown = "unknown"

    /// - Parameter span: one that reports a call.
    init(_ span: Span, index: Int, scope: Int, process: Int, resourceAgent: String) {
        self.span = span.compact
        self.index = index
        self.scope = scope
        self.process = process
        self.resourceAgent = resourceAgent
    }

    var id: SpanID? { span.id }
    var parent: SpanID? { span.parent }
    /// Nanoseconds since 1970; 0 is unknown.
    var start: UInt64 { span.start }
    var end: UInt64 { span.end }
    var isFailed: Bool { span.isFailed }
    var agentName: String? { span.agentName }

    var responseID: String? { span.attributes[.responseID]?.text }
    var model: String? { name(SpanAttribute.ofModel) }

    /// Whether the call makes an embedding, not an answer.
    var embeds: Bool {
        span.attributes[.operation]?.text == "embeddings" || span.attributes[.kind]?.text == "EMBEDDING"
    }

    /// Whether the span reports tokens.
    var hasUsage: Bool { value(SpanAttribute.ofInput) != nil || value(SpanAttribute.ofOutput) != nil }

    /// Whether the span has the labels that every record needs.
    var isNamed: Bool { name(SpanAttribute.ofProvider) != nil && model != nil }

    /// How much the span says about the call: of two reports the fuller is kept.
    var reportedFields: Int {
        let names = [
            SpanAttribute.ofInput, SpanAttribute.ofOutput, SpanAttribute.ofCacheRead, SpanAttribute.ofCacheWrite,
            SpanAttribute.ofReasoning, SpanAttribute.ofCost,
        ]
        return (isNamed ? names.count + 1 : 0) + names.count { value($0) != nil } + (errorClass == nil ? 0 : 1)
    }

    /// Writes the record that the span is.
    func write(to draft: inout RecordDraft, agentName: String) {
        draft.set(.agentName, string: agentName.utf8)
        // A call that fails early may have neither; it is a call all the same.
        draft.set(.provider, string: (name(SpanAttribute.ofProvider) ?? Self.unknown).utf8)
        draft.set(.model, string: (model ?? Self.unknown).utf8)
        if isFailed {
            draft.set(.status, string: "error".utf8)
            if let errorClass { draft.set(.errorType, string: errorClass.utf8) }
        }
        copy(SpanAttribute.ofInput, to: .inputTokens, &draft)
        copy(SpanAttribute.ofOutput, to: .outputTokens, &draft)
        copy(SpanAttribute.ofCacheRead, to: .cacheReadTokens, &draft)
        copy(SpanAttribute.ofCacheWrite, to: .cacheWriteTokens, &draft)
        copy(SpanAttribute.ofReasoning, to: .reasoningTokens, &draft)
        // Instrumentations that do not know the price write a cost of 0; free models have a price of 0 in the price
        // table.
        if !isFree { copy(SpanAttribute.ofCost, to: .costUSD, &draft) }
        // If the end is before the start, the clock was set back: the call is counted without its latency.
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
        switch value(SpanAttribute.ofCost) {
        case .integer(0): true
        case .double(let cost): cost == 0
        default: false
        }
    }

    private var errorClass: String? {
        guard isFailed else { return nil }
        let reported = [
            span.attributes[.errorType]?.description, span.exceptionType, span.attributes[.statusCode]?.description,
        ]
        return reported.lazy.compactMap { $0.flatMap(ErrorClass.name) }.first
    }

    private func copy(_ names: [SpanAttribute], to field: Field, _ draft: inout RecordDraft) {
        switch value(names) {
        case nil: break
        case .integer(let number): draft.set(field, number: "\(number)".utf8)
        case .double(let number): draft.set(field, number: "\(number)".utf8)
        // The wrong type, and refused as such.
        case .text(let text): draft.set(field, string: text.utf8)
        case .boolean(let value): draft.set(field, string: "\(value)".utf8)
        }
    }

    private func value(_ names: [SpanAttribute]) -> AttributeValue? {
        span.attributes.first(of: names)
    }

    /// The first value that may be a label; if none may, the first.
    private func name(_ names: [SpanAttribute]) -> String? {
        let texts = names.lazy.compactMap { span.attributes[$0]?.text }
        return texts.first { $0.isName } ?? texts.first
    }
}
