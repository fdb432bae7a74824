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
    /// Kinds that few calls have.
    private(set) var rare = RareTokens()
    private(set) var webSearches: Int64?
    /// In a JSON object; attributes of its own say more.
    private(set) var serviceTier: String?
    private(set) var isFast = false

    /// Most tokens that a record may have.
    static let limit = Quantity.tokens.bound

    static func isReported(by attributes: SpanAttributes) -> Bool {
        attributes.has(SpanAttribute.ofInput) || attributes.has(SpanAttribute.ofOutput)
            || attributes.has(SpanAttribute.ofTotal) || attributes.has(SpanAttribute.ofUsage)
    }

    /// Whether neither input nor output nor a total is known.
    var isMissing: Bool { input == nil && output == nil && total == nil }

    /// Fields that are known.
    var reportedFields: Int {
        [input, output, cacheRead, cacheWrite, reasoning].count { $0 != nil } + (total == nil ? 0 : 1) + rare.count
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
        var details = attributes.first(of: SpanAttribute.ofUsage)?.text.flatMap(UsageDetails.init)
        if let details { add(details) }
        let isExcluded = excludesCached || details?.excludesCached == true
        // The provider's own object: its input may leave out cached tokens, so only details are taken.
        if details == nil { details = attributes[.rawUsage]?.text.flatMap(UsageDetails.init) }
        addCacheWrite1h(attributes, details)
        addCached(isAlways: isExcluded)
        addExcess(isThoughts: isGemini)
        addRare(attributes, details)
        // Instrumentations write 0 for a stream that reported no usage: a chat that succeeded has input.
        if !mayBeEmpty, isZero(input), isZero(output), total ?? 0 == 0 { self = SpanUsage() }
    }

    private func isZero(_ count: Count?) -> Bool {
        guard let count else { return true }
        return count.tokens == 0
    }

    private init() {}

    /// Adds counts that no attribute of their own has.
    private mutating func add(_ details: UsageDetails) {
        input = input ?? details.input.map(Count.tokens)
        output = output ?? details.output.map(Count.tokens)
        total = total ?? details.total
        cacheRead = cacheRead ?? details.parts[.cacheRead].map(Count.tokens)
        cacheWrite = cacheWrite ?? details.parts[.cacheWrite].map(Count.tokens)
        reasoning = reasoning ?? details.parts[.reasoning].map(Count.tokens)
    }

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

    /// Writes that are kept for an hour are cache writes, also if no other count says so.
    private mutating func addCacheWrite1h(_ attributes: SpanAttributes, _ details: UsageDetails?) {
        guard details != nil || attributes.has(SpanAttribute.ofRare) else { return }
        rare.cacheWrite1h =
            attributes.countAboveZero(of: SpanAttribute.ofCacheWrite1h) ?? details?.parts[.cacheWrite1h] ?? 0
        if rare.cacheWrite1h > 0, cacheWrite?.tokens ?? 0 == 0 { cacheWrite = .tokens(rare.cacheWrite1h) }
    }

    /// Adds the kinds of tokens that few calls have.
    private mutating func addRare(_ attributes: SpanAttributes, _ details: UsageDetails?) {
        guard details != nil || attributes.has(SpanAttribute.ofRare) else { return }
        webSearches = attributes.countAboveZero(of: SpanAttribute.ofWebSearches) ?? details?.webSearches
        serviceTier = details?.serviceTier
        isFast = details?.isFast == true
        func count(_ kind: TokenKind, _ names: SpanAttributeList) -> Int64 {
            attributes.countAboveZero(of: names) ?? details?.parts[kind] ?? 0
        }
        func cached(_ names: SpanAttributeList) -> Int64 { attributes.countAboveZero(of: names) ?? 0 }
        rare.inputAudio = count(.inputAudio, SpanAttribute.ofInputAudio) - cached(SpanAttribute.ofCachedAudio)
        rare.inputImage = count(.inputImage, SpanAttribute.ofInputImage) - cached(SpanAttribute.ofCachedImage)
        rare.outputAudio = count(.outputAudio, SpanAttribute.ofOutputAudio)
        rare.outputImage = count(.outputImage, SpanAttribute.ofOutputImage)
        let written = cacheWrite?.tokens ?? 0
        rare.limit(
            cacheWrite: written, uncached: (input?.tokens ?? 0) - (cacheRead?.tokens ?? 0) - written,
            plain: (output?.tokens ?? 0) - (reasoning?.tokens ?? 0))
    }
}

extension SpanAttributes {
    /// The first count above 0; `nil` without one.
    fileprivate func countAboveZero(of list: SpanAttributeList) -> Int64? {
        all(of: list).lazy.compactMap { SpanUsage.Count($0).tokens }.first { $0 > 0 }
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
