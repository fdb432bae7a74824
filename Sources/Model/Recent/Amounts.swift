/// Tokens and money of one or more calls: as reported, or as counted.
struct Amounts: Equatable, Sendable {
    /// Whether tokens were reported; without it all counts are 0.
    private(set) var hasUsage = false
    /// Includes all its parts.
    private(set) var input: Int64 = 0
    /// Includes all its parts.
    private(set) var output: Int64 = 0
    private(set) var billed: Int64 = 0
    /// The parts as senders report them: `cacheWrite` includes `cacheWrite1h`; `input` and `output` are not used.
    private var parts = TokenKinds()
    private var webSearches: Int64 = 0
    /// Whether a report says that the call was not served as usual.
    private var isTiered = false
    /// Whether a report says that a subscription pays for the call.
    private(set) var isPlan = false
    /// `nil` is unknown.
    private(set) var cost: Money?
    private(set) var costIsReported = false

    init() {}

    init(of record: CallRecord) {
        let usage = record.usage
        hasUsage = !usage.isMissing
        billed = usage.billedTokens
        if let kinds = usage.kinds {
            input = kinds.allInput
            output = kinds.allOutput
            parts = kinds
            parts[.cacheWrite] += kinds[.cacheWrite1h]
            parts[.input] = 0
            parts[.output] = 0
        }
        webSearches = record.details?.webSearches ?? 0
        isTiered = record.details.map { $0.serviceTier != .standard } ?? false
        isPlan = record.isPlan
        costIsReported = record.costSource == .reported
        // A report without tokens costs 0 only as long as no other has tokens.
        cost = hasUsage || costIsReported ? record.cost : nil
    }

    /// Whether both report the same tokens.
    func hasSameUsage(as other: Amounts) -> Bool {
        hasUsage && other.hasUsage && input == other.input && output == other.output && billed == other.billed
    }

    /// Adds those of another call. A sum that is too large stays at its largest value.
    mutating func add(_ other: Amounts) {
        takeSigns(of: other)
        combineCounts(with: other) { $0.adding($1) ?? .max }
        guard let added = other.cost else { return }
        // A sum of which a part is reported is closer to the bill than one that is computed.
        costIsReported = cost == nil ? other.costIsReported : costIsReported || other.costIsReported
        cost = (cost ?? .zero).adding(added) ?? .max
    }

    /// Takes the greater of each count, of two reports of the same calls.
    ///
    /// A reported cost goes before a computed one. Of two reported ones the earlier counts. Of two computed ones that
    /// of the report with more services counts, then that of more tokens, or else the earlier. The cost is not known if
    /// it lacks a service that only the other report names: it would be a part of the price.
    mutating func raise(to other: Amounts, isEarlier: Bool) {
        raiseCost(to: other, isEarlier: isEarlier)
        takeSigns(of: other)
        combineCounts(with: other, max)
    }

    private mutating func takeSigns(of other: Amounts) {
        hasUsage = hasUsage || other.hasUsage
        isTiered = isTiered || other.isTiered
        isPlan = isPlan || other.isPlan
    }

    private mutating func raiseCost(to other: Amounts, isEarlier: Bool) {
        let lacks = cost != nil && !costIsReported && other.namesMore(than: self)
        let otherLacks = other.cost != nil && !other.costIsReported && namesMore(than: other)
        let isBetter =
            switch (costIsReported, other.costIsReported) {
            case (false, true): true
            case (true, false): false
            case (true, true): isEarlier
            case (false, false):
                if otherLacks {
                    false
                } else if lacks || cost == nil {
                    true
                } else {
                    other.cost != nil && other.knowledge(isEarlier ? 1 : 0) > knowledge(0)
                }
            }
        if isBetter {
            cost = other.cost
            costIsReported = other.costIsReported
        } else if lacks {
            cost = nil
        }
    }

    /// Whether it names a service with a price of its own that another does not.
    private func namesMore(than other: Amounts) -> Bool {
        webSearches > other.webSearches || (isTiered && !other.isTiered)
            || Self.services.contains { parts[$0] > other.parts[$0] }
    }

    private static let services: [TokenKind] = [.cacheWrite1h, .inputAudio, .inputImage, .outputAudio, .outputImage]

    /// How much of the tokens is known: the more, the better a computed cost.
    private func knowledge(_ last: Int64) -> (Int64, Int64, Int64) {
        (billed, parts.partsOfInput + parts.partsOfOutput, last)
    }

    /// What is left to be counted, when `counted` is counted already. Nothing is ever taken back.
    ///
    /// Parts of the input and of the output are added only as far as these themselves grow: what was counted without a
    /// part stays so, or the parts would add up to more than the whole.
    func rest(beyond counted: Amounts) -> Amounts {
        var rest = Amounts()
        rest.hasUsage = hasUsage
        rest.isPlan = isPlan
        rest.input = max(0, input - counted.input)
        rest.output = max(0, output - counted.output)
        rest.billed = max(0, billed - counted.billed)
        rest.webSearches = max(0, webSearches - counted.webSearches)
        rest.parts = parts
        rest.parts.combine(with: counted.parts) { max(0, $0 - $1) }
        rest.limitParts()
        guard let cost else { return rest }
        rest.costIsReported = costIsReported
        rest.cost = Money(picoUSD: max(0, cost.picoUSD - (counted.cost?.picoUSD ?? 0)))
        return rest
    }

    /// Limits the parts to what they are parts of.
    private mutating func limitParts() {
        for (whole, kinds) in [(input, TokenKind.partsOfInput), (output, TokenKind.partsOfOutput)] {
            var room = whole
            for kind in kinds {
                parts[kind] = min(room, parts[kind])
                room -= parts[kind]
            }
        }
        parts[.cacheWrite1h] = min(parts[.cacheWrite], parts[.cacheWrite1h])
    }

    /// Each amount, at most that of another.
    func limited(to other: Amounts) -> Amounts {
        var limited = self
        limited.combineCounts(with: other, min)
        if let cost { limited.cost = min(cost, other.cost ?? .zero) }
        return limited
    }

    /// Whether another is part of it, and the remainder is valid for a record.
    func holds(_ part: Amounts) -> Bool {
        let rest = without(part)
        var limited = part.limited(to: self)
        limited.cost = part.cost
        return limited == part && rest.parts.partsOfInput <= rest.input
            && rest.parts.partsOfOutput <= rest.output
            && rest.parts[.cacheWrite1h] <= rest.parts[.cacheWrite]
    }

    /// What remains of it without another.
    func without(_ other: Amounts) -> Amounts {
        var remainder = self
        remainder.combineCounts(with: other) { max(0, $0 - $1) }
        if let cost { remainder.cost = Money(picoUSD: max(0, cost.picoUSD - (other.cost ?? .zero).picoUSD)) }
        return remainder
    }

    // Inlined, so that the operation is.
    @inline(__always) private mutating func combineCounts(with other: Amounts, _ operation: (Int64, Int64) -> Int64) {
        input = operation(input, other.input)
        output = operation(output, other.output)
        billed = operation(billed, other.billed)
        webSearches = operation(webSearches, other.webSearches)
        parts.combine(with: other.parts, operation)
    }

    /// Whether counting it would change no total.
    var isNothing: Bool {
        input == 0 && output == 0 && billed == 0 && webSearches == 0 && cost ?? .zero == .zero
    }

    /// Without its cost.
    var unpriced: Amounts {
        var unpriced = self
        unpriced.cost = nil
        unpriced.costIsReported = false
        return unpriced
    }

    /// As a record's usage.
    var usage: Usage {
        guard hasUsage else { return Usage() }
        guard input > 0 || output > 0 || billed == 0 else { return Usage(total: billed) }
        var limited = self
        limited.limitParts()
        var usage = Usage(input: input, output: output, total: billed == input + output ? nil : billed)
        for kind in TokenKind.partsOfInput + TokenKind.partsOfOutput + [.cacheWrite1h] where limited.parts[kind] > 0 {
            usage[kind] = limited.parts[kind]
        }
        return usage
    }

    /// `nil` if there were none.
    var reportedWebSearches: Int64? { webSearches > 0 ? webSearches : nil }
}
