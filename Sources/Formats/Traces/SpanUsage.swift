internal import Bodies
internal import Model

/// The tokens that a span reports, as the contract counts them: input includes cached tokens, output includes
/// reasoning.
struct SpanUsage {
    /// A count, or a value that is none and is refused as such.
    enum Count {
        case tokens(Int64)
        case other(AttributeValue)

        var tokens: Int64? {
            if case .tokens(let tokens) = self { tokens } else { nil }
        }
    }

    private(set) var input: Count?
    private(set) var output: Count?
    private(set) var total: Int64?
    private(set) var cacheRead: Count?
    private(set) var cacheWrite: Count?
    private(set) var reasoning: Count?

    /// Most tokens that a record may have.
    fileprivate static let limit: Int64 = 1_000_000_000_000

    static func isReported(by attributes: SpanAttributes) -> Bool {
        attributes.has(SpanAttribute.ofInput) || attributes.has(SpanAttribute.ofOutput)
            || attributes.has(SpanAttribute.ofTotal) || attributes.has(SpanAttribute.ofUsage)
    }

    /// Whether neither input nor output nor a total is known.
    var isMissing: Bool { input == nil && output == nil && total == nil }

    /// Fields that are known.
    var reportedFields: Int {
        [input, output, cacheRead, cacheWrite, reasoning].count { $0 != nil } + (total == nil ? 0 : 1)
    }

    /// - Parameters:
    ///   - excludesCached: whether the sender's input never includes cached tokens.
    ///   - isGemini: whether tokens beyond input and output are thoughts; asked only if there are any.
    ///   - mayBeEmpty: whether 0 input and 0 output can be true, as of a failed call.
    init(_ attributes: SpanAttributes, excludesCached: Bool, isGemini: () -> Bool, mayBeEmpty: Bool) {
        func count(_ names: SpanAttributeList) -> Count? { attributes.first(of: names).map(Count.init) }
        input = count(SpanAttribute.ofInput)
        output = count(SpanAttribute.ofOutput)
        total = count(SpanAttribute.ofTotal)?.tokens
        cacheRead = count(SpanAttribute.ofCacheRead)
        cacheWrite = count(SpanAttribute.ofCacheWrite)
        reasoning = count(SpanAttribute.ofReasoning)
        if let text = attributes.first(of: SpanAttribute.ofUsage)?.text { addDetails(text) }
        addCached(isAlways: excludesCached)
        addExcess(isThoughts: isGemini)
        // Instrumentations write 0 for a stream that reported no usage: a chat that succeeded has input.
        if !mayBeEmpty, isZero(input), isZero(output), total ?? 0 == 0 { self = SpanUsage() }
    }

    private func isZero(_ count: Count?) -> Bool {
        guard let count else { return true }
        return count.tokens == 0
    }

    private init() {}

    /// Input that leaves out cached tokens gets them.
    private mutating func addCached(isAlways: Bool) {
        let cached = (cacheRead?.tokens ?? 0) + (cacheWrite?.tokens ?? 0)
        guard cached > 0, let input = input?.tokens else { return }
        // No provider has more cached tokens than input, whatever total the sender made of them.
        let isExcluded = isAlways || cached > input || total == input + (output?.tokens ?? 0) + cached
        if isExcluded, input + cached <= Self.limit { self.input = .tokens(input + cached) }
    }

    /// A total that says no more than input and output is dropped.
    private mutating func addExcess(isThoughts: () -> Bool) {
        guard let total, let input = input?.tokens, let output = output?.tokens else { return }
        let excess = total - input - output
        if excess <= 0 {
            self.total = nil
        } else if isThoughts() {
            self.total = nil
            self.output = .tokens(output + excess)
            let reported = reasoning?.tokens ?? 0
            // Reasoning above the output is beside it: the excess is the same tokens.
            reasoning = .tokens(reported > output ? max(reported, excess) : reported + excess)
        }
    }
}

// MARK: - Counts in one JSON object

extension SpanUsage {
    /// The paths of counts in the usage objects of OpenAI, Anthropic and LangChain, which senders pass on, and of
    /// Langfuse.
    private enum Detail: Int, CaseIterable {
        case inputTokens, promptTokens, input
        case outputTokens, completionTokens, output
        case totalTokens, total
        case promptCached, inputCached, cacheReadInput, cacheRead
        case cacheCreationInput, cacheCreation
        case shortCacheCreation, longCacheCreation
        case completionReasoning, outputReasoning, reasoning
        case besideInputRead, besideInputCreation, besideInputAudio
        case besideOutputReasoning, besideOutputAudio

        var path: String {
            switch self {
            case .inputTokens: "input_tokens"
            case .promptTokens: "prompt_tokens"
            case .input: "input"
            case .outputTokens: "output_tokens"
            case .completionTokens: "completion_tokens"
            case .output: "output"
            case .totalTokens: "total_tokens"
            case .total: "total"
            case .promptCached: "prompt_tokens_details.cached_tokens"
            case .inputCached: "input_tokens_details.cached_tokens"
            case .cacheReadInput: "cache_read_input_tokens"
            case .cacheRead: "input_token_details.cache_read"
            case .cacheCreationInput: "cache_creation_input_tokens"
            case .cacheCreation: "input_token_details.cache_creation"
            // LangChain writes these, and then 0 for their sum.
            case .shortCacheCreation: "input_token_details.ephemeral_5m_input_tokens"
            case .longCacheCreation: "input_token_details.ephemeral_1h_input_tokens"
            case .completionReasoning: "completion_tokens_details.reasoning_tokens"
            case .outputReasoning: "output_tokens_details.reasoning_tokens"
            case .reasoning: "output_token_details.reasoning"
            // Langfuse takes these from `input` and `output` (langfuse-python, CallbackHandler).
            case .besideInputRead: "input_cache_read"
            case .besideInputCreation: "input_cache_creation"
            case .besideInputAudio: "input_audio"
            case .besideOutputReasoning: "output_reasoning"
            case .besideOutputAudio: "output_audio"
            }
        }
    }

    private static let detailTable = Detail.allCases.map { $0.path + "\n" }.joined()

    /// Adds counts that no attribute of their own has.
    private mutating func addDetails(_ text: String) {
        let bytes = PaddedBytes(text.utf8)
        // Safe: only numbers leave the closure.
        unsafe bytes.withUnsafeBytes { buffer in
            let text = unsafe BorrowedBytes(buffer.assumingMemoryBound(to: UInt8.self))
            var reader = JSONReader(skippingAllBut: Self.detailTable)
            guard (try? reader.open(text)) == .object, let object = try? reader.readObject() else { return }
            // The first above 0: libraries write 0 for what another member has.
            func count(_ details: Detail...) -> Int64? {
                let counts = details.lazy.compactMap { object[place: $0.rawValue].tokens }
                return counts.first { $0 > 0 } ?? counts.first
            }
            func sum(_ details: Detail...) -> Int64 { details.reduce(0) { $0 + (count($1) ?? 0) } }
            let besideInput = sum(.besideInputRead, .besideInputCreation, .besideInputAudio)
            let besideOutput = sum(.besideOutputReasoning, .besideOutputAudio)
            input = input ?? count(.inputTokens, .promptTokens, .input).map { .tokens($0 + besideInput) }
            output = output ?? count(.outputTokens, .completionTokens, .output).map { .tokens($0 + besideOutput) }
            total = total ?? count(.totalTokens, .total)
            cacheRead =
                cacheRead
                ?? count(.promptCached, .inputCached, .cacheReadInput, .cacheRead, .besideInputRead).map(Count.tokens)
            let parts = sum(.shortCacheCreation, .longCacheCreation)
            let written = count(.cacheCreationInput, .cacheCreation, .besideInputCreation)
            cacheWrite = cacheWrite ?? (written ?? 0 > 0 || parts == 0 ? written : parts).map(Count.tokens)
            reasoning =
                reasoning
                ?? count(.completionReasoning, .outputReasoning, .reasoning, .besideOutputReasoning)
                .map(Count.tokens)
        }
    }
}

extension JSONValue {
    /// A count of tokens, also if it is a text; `nil` for anything else, and above the limit of a record.
    fileprivate var tokens: Int64? {
        switch self {
        case .number(let text), .string(let text):
            DecimalNumber(text)?.integer.flatMap { (0...SpanUsage.limit).contains($0) ? $0 : nil }
        default: nil
        }
    }
}

extension SpanUsage.Count {
    /// Counts as text are counts: the sender cannot fix it.
    init(_ value: AttributeValue) {
        let tokens: Int64? =
            switch value {
            case .integer(let number): number
            case .double(let number): Int64(exactly: number)
            case .text(let text): DecimalNumber(text.utf8)?.integer
            case .boolean: nil
            }
        self = tokens.map { (0...SpanUsage.limit).contains($0) ? .tokens($0) : .other(value) } ?? .other(value)
    }
}
