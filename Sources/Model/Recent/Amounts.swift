/// Tokens and money of one or more calls: as reported, or as counted.
struct Amounts: Equatable, Sendable {
    /// Whether tokens were reported; without it all counts are 0.
    private(set) var hasUsage = false
    /// Includes cached and written tokens.
    private(set) var input: Int64 = 0
    /// Includes reasoning tokens.
    private(set) var output: Int64 = 0
    private(set) var billed: Int64 = 0
    private(set) var cacheRead: Int64 = 0
    private(set) var cacheWrite: Int64 = 0
    private(set) var reasoning: Int64 = 0
    /// `nil` is unknown.
    private(set) var cost: Money?
    private(set) var costIsReported = false

    init() {}

    init(of record: CallRecord) {
        let usage = record.usage
        hasUsage = !usage.isMissing
        billed = usage.billedTokens
        if let kinds = usage.kinds {
            input = kinds.input + kinds.cacheRead + kinds.cacheWrite
            output = kinds.output + kinds.reasoning
            cacheRead = kinds.cacheRead
            cacheWrite = kinds.cacheWrite
            reasoning = kinds.reasoning
        }
        cost = record.cost
        costIsReported = record.costSource == .reported
    }

    /// Whether both report the same tokens.
    func hasSameUsage(as other: Amounts) -> Bool {
        hasUsage && other.hasUsage && input == other.input && output == other.output && billed == other.billed
    }

    /// Adds those of another call. A sum that is too large stays at its largest value.
    mutating func add(_ other: Amounts) {
        hasUsage = hasUsage || other.hasUsage
        combineCounts(with: other) { $0.adding($1) ?? .max }
        guard let added = other.cost else { return }
        // A sum of which a part is reported is closer to the bill than one that is computed.
        costIsReported = cost == nil ? other.costIsReported : costIsReported || other.costIsReported
        cost = (cost ?? .zero).adding(added) ?? .max
    }

    /// Takes the greater of each count, of two reports of the same calls.
    ///
    /// A reported cost goes before a computed one. Of two reported ones the earlier counts. Of two computed ones that
    /// of more tokens counts, or else the earlier.
    mutating func raise(to other: Amounts, isEarlier: Bool) {
        raiseCost(to: other, isEarlier: isEarlier)
        hasUsage = hasUsage || other.hasUsage
        combineCounts(with: other, max)
    }

    private mutating func raiseCost(to other: Amounts, isEarlier: Bool) {
        guard let added = other.cost else { return }
        let isBetter =
            switch (cost == nil, costIsReported, other.costIsReported) {
            case (true, _, _), (_, false, true): true
            case (_, true, false): false
            case (_, true, true): isEarlier
            case (_, false, false):
                (other.billed, other.parts, isEarlier ? 1 : 0) > (billed, parts, 0)
            }
        guard isBetter else { return }
        cost = added
        costIsReported = other.costIsReported
    }

    /// Tokens that have a price of their own within input and output.
    private var parts: Int64 { cacheRead + cacheWrite + reasoning }

    /// What is left to be counted, when `counted` is counted already. Nothing is ever taken back.
    ///
    /// Parts of the input and of the output are added only as far as these themselves grow: what was counted without a
    /// part stays so, or the parts would add up to more than the whole.
    func rest(beyond counted: Amounts) -> Amounts {
        var rest = Amounts()
        rest.hasUsage = hasUsage
        rest.input = max(0, input - counted.input)
        rest.output = max(0, output - counted.output)
        rest.billed = max(0, billed - counted.billed)
        rest.cacheRead = min(rest.input, max(0, cacheRead - counted.cacheRead))
        rest.cacheWrite = min(rest.input - rest.cacheRead, max(0, cacheWrite - counted.cacheWrite))
        rest.reasoning = min(rest.output, max(0, reasoning - counted.reasoning))
        guard let cost else { return rest }
        rest.costIsReported = costIsReported
        rest.cost = Money(picoUSD: max(0, cost.picoUSD - (counted.cost?.picoUSD ?? 0)))
        return rest
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
        return limited == part && rest.cacheRead + rest.cacheWrite <= rest.input
            && rest.reasoning <= rest.output
    }

    /// What remains of it without another.
    func without(_ other: Amounts) -> Amounts {
        var remainder = self
        remainder.combineCounts(with: other) { max(0, $0 - $1) }
        if let cost { remainder.cost = Money(picoUSD: max(0, cost.picoUSD - (other.cost ?? .zero).picoUSD)) }
        return remainder
    }

    private mutating func combineCounts(with other: Amounts, _ operation: (Int64, Int64) -> Int64) {
        input = operation(input, other.input)
        output = operation(output, other.output)
        billed = operation(billed, other.billed)
        cacheRead = operation(cacheRead, other.cacheRead)
        cacheWrite = operation(cacheWrite, other.cacheWrite)
        reasoning = operation(reasoning, other.reasoning)
    }

    /// Whether counting it would change no total.
    var isNothing: Bool {
        input == 0 && output == 0 && billed == 0 && cost ?? .zero == .zero
    }

    /// As a record's usage.
    var usage: Usage {
        guard hasUsage else { return Usage() }
        guard input > 0 || output > 0 || billed == 0 else { return Usage(total: billed) }
        let cacheRead = min(input, cacheRead)
        return Usage(
            input: input, output: output, total: billed == input + output ? nil : billed, cacheRead: cacheRead,
            cacheWrite: min(input - cacheRead, cacheWrite), reasoning: min(output, reasoning))
    }
}
