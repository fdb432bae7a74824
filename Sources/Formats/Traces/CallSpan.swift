internal import Model

/// A span that reports an LLM call.
struct CallSpan {
    private let span: Span
    let usage: SpanUsage
    /// Its place in the request.
    let index: Int
    let resource: ResourceAgent
    /// Those of the span and of its resource.
    let kept: KeptAttributes
    let isClaudeCode: Bool
    private let firstToken: SpanFirstToken?
    /// Whether it is the opening of a stream that another span reports.
    private(set) var opensStream = false
    private let scope: UInt64
    private let process: UInt64

    private static let unknown = "unknown"

    /// - Parameters:
    ///   - span: one that reports a call.
    ///   - sender: what is known of its instrumentation scope.
    ///   - index: its place in the request.
    ///   - scope: equal numbers are one scope.
    ///   - process: equal numbers are one process.
    ///   - resource: the agent that its resource names.
    ///   - kept: of its resource.
    init(
        _ span: Span, from sender: SpanSender, index: Int, scope: UInt64, process: UInt64, resource: ResourceAgent,
        kept: KeptAttributes
    ) {
        self.span = span.compact
        self.index = index
        self.scope = scope
        self.process = process
        self.resource = resource
        var own = span.kept
        own.add(kept)
        self.kept = own
        isClaudeCode = sender.isClaudeCode
        firstToken = SpanFirstToken(span, from: sender)
        let attributes = span.attributes
        usage = SpanUsage(
            attributes, excludesCached: sender.excludesCached(span),
            isGemini: { attributes.name(of: SpanAttribute.ofModel).map { SoughtText($0).holds("gemini") } == true },
            mayBeEmpty: span.isFailed || SpanKind.mayHaveNoTokens(attributes))
        isFailed = span.isFailed || span.hasException && usage.isMissing
        opensStream = sender.opensStream(self)
    }

    var id: SpanID? { span.id }
    var parent: SpanID? { span.parent }
    var parentNumber: UInt64 { span.parentNumber }
    /// Nanoseconds since 1970; 0 is unknown.
    var start: UInt64 { span.start }
    var end: UInt64 { span.end }
    /// Whether it says so, or has an exception and no usage: some senders set no status.
    let isFailed: Bool
    var agentName: String? { span.agentName }
    var chosenAgent: ChosenAgent { span.chosenAgent }

    var responseID: String? { span.attributes[.responseID]?.text }
    var model: String? { span.attributes.name(of: SpanAttribute.ofModel) }
    private var provider: String? { span.attributes.name(of: SpanAttribute.ofProvider) }

    /// Whether the call makes an embedding, not an answer.
    var embeds: Bool { SpanKind.embeds(span.attributes) }

    /// How much the span says of the call.
    private var fullness: Int {
        (provider != nil && model != nil ? 32 : 0) + (agentName != nil ? 16 : 0) + usage.reportedFields
            + (cost == nil ? 0 : 1) + (errorTypes.isEmpty ? 0 : 1)
    }

    /// By what another report of the call is recognised.
    var report: CallReport {
        let attributes = span.attributes
        return CallReport(
            span: id, parentNumber: span.parentNumber, process: process, scope: scope, start: start, end: end,
            embeds: embeds,
            models: ModelNames(
                requested: model, answered: attributes.first(of: SpanAttribute.ofResponseModel)?.text?.unquoted),
            responseID: responseID, fullness: fullness,
            requestID: attributes[.requestID]?.text.flatMap(LogIdentity.digest))
    }

    /// Writes the record that the span is.
    func write(to draft: inout RecordDraft, agentName: String) {
        draft.set(.agentName, string: agentName.utf8)
        // A call that fails early may have neither; it is a call all the same.
        draft.set(.provider, string: (provider ?? Self.unknown).utf8)
        draft.set(.model, string: (model ?? Self.unknown).utf8)
        if isFailed { writeFailure(to: &draft) }
        write(usage.input, to: .inputTokens, &draft)
        write(usage.output, to: .outputTokens, &draft)
        if let total = usage.total { draft.set(.totalTokens, number: "\(total)".utf8) }
        write(usage.cacheRead, to: .cacheReadTokens, &draft)
        write(usage.cacheWrite, to: .cacheWriteTokens, &draft)
        write(usage.reasoning, to: .reasoningTokens, &draft)
        usage.rare.write(to: &draft)
        writeBill(to: &draft)
        if let cost { write(cost, to: .costUSD, &draft) }
        // If the end is before the start, the clock was set back: the call is counted without its latency.
        if start != 0, end >= start {
            draft.set(.latencyMilliseconds, number: PlainDecimal.text(Int128(end) - Int128(start), scale: 6).utf8)
        }
        if let firstToken {
            draft.set(
                .timeToFirstTokenMilliseconds, number: PlainDecimal.text(firstToken.nanoseconds, scale: 6).utf8)
        }
        if end != 0, end >= start { draft.set(.timestamp, number: PlainDecimal.text(Int128(end), scale: 9).utf8) }
        if let id {
            draft.set(id: id.text.utf8)
            draft.set(.traceID, string: id.traceText.utf8)
        }
    }

    private func writeBill(to draft: inout RecordDraft) {
        let bill = SpanBill(span.attributes, usage, model: model)
        if let tier = bill.serviceTier { draft.set(.serviceTier, string: tier.utf8) }
        if let searches = bill.webSearches { draft.set(.webSearchRequests, number: "\(searches)".utf8) }
        if let model = bill.responseModel { draft.set(.responseModel, string: model.utf8) }
    }

    private func writeFailure(to draft: inout RecordDraft) {
        let code = span.attributes.all(of: SpanAttribute.ofStatusCode).compactMap { Int64($0.description) }.first
        let errorTypes = errorTypes
        var status = FailureStatus(type: nil, code: code)
        for type in errorTypes.reversed() {
            let named = FailureStatus(type: type, code: code)
            if named != .error { status = named }
        }
        draft.set(.status, string: status.rawValue.utf8)
        let classes = errorTypes.lazy.compactMap(ErrorClass.name)
        if let name = classes.first ?? code.map(String.init) { draft.set(.errorType, string: name.utf8) }
    }

    /// What the span says of its failure.
    private var errorTypes: [String] {
        guard isFailed else { return [] }
        return [
            span.attributes[.errorType]?.description, span.exceptionType, span.attributes[.errorClass]?.description,
        ]
        .compactMap { $0 }
    }

    /// `nil` for 0: instrumentations that do not know the price write it, and free models have a price of 0 in the
    /// price table.
    private var cost: AttributeValue? {
        span.attributes.all(of: SpanAttribute.ofCost).first { cost in
            switch cost {
            case .integer(0), .double(0): false
            case .text(let text): DecimalNumber(text.utf8)?.isZero != true
            default: true
            }
        }
    }

    private func write(_ count: SpanUsage.Count?, to field: Field, _ draft: inout RecordDraft) {
        switch count {
        case nil: break
        case .tokens(let tokens): draft.set(field, number: "\(tokens)".utf8)
        case .other(let value): write(value, to: field, &draft)
        }
    }

    private func write(_ value: AttributeValue, to field: Field, _ draft: inout RecordDraft) {
        switch value {
        case .integer(let number): draft.set(field, number: "\(number)".utf8)
        case .double(let number): draft.set(field, number: "\(number)".utf8)
        case .text(let text) where DecimalNumber(text.utf8) != nil: draft.set(field, number: text.utf8)
        // The wrong type, and refused as such.
        case .text(let text): draft.set(field, string: text.utf8)
        case .boolean(let value): draft.set(field, string: "\(value)".utf8)
        }
    }
}
