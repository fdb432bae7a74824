package import Model

/// The rates that hold for one call, by the kind of tokens.
package struct Rates: Equatable, Sendable {
    /// At most one of a kind. Most entries have two or three kinds, so the rest take no memory.
    private var listed: [Listed] = []

    private struct Listed: Equatable, Sendable {
        let kind: TokenKind
        let rate: Rate
    }

    package init() {}

    package subscript(kind: TokenKind) -> Rate? {
        get {
            for listed in listed where listed.kind == kind { return listed.rate }
            return nil
        }
        set {
            listed.removeAll { $0.kind == kind }
            if let newValue { listed.append(Listed(kind: kind, rate: newValue)) }
        }
    }

    package var isEmpty: Bool { listed.isEmpty }

    /// The rate of a token of a kind; `nil` if it is not known.
    func rate(of kind: TokenKind) -> Rate? {
        self[kind] ?? kind.fallback.flatMap { self[$0] }
    }

    /// Whether no token costs anything. An explicit 0 is a price, a missing rate is not.
    var isFree: Bool {
        self[.input] != nil && self[.output] != nil && listed.allSatisfy { $0.rate.units == 0 }
    }

    /// These rates, and those of `other` for the kinds that these lack.
    func or(_ other: Rates) -> Rates {
        var rates = self
        rates.listed += other.listed.filter { self[$0.kind] == nil }
        return rates
    }

    package static func == (one: Rates, other: Rates) -> Bool {
        TokenKind.allCases.allSatisfy { one[$0] == other[$0] }
    }
}

/// The rates of one service tier: those of short calls, and those of long ones.
package struct RatePlan: Equatable, Sendable {
    /// The rates of calls that no step holds for.
    package var base = Rates()
    /// In ascending order of the thresholds.
    package var steps: [Step] = []

    /// The rates of calls with more input tokens than a threshold. They hold for the whole call.
    package struct Step: Equatable, Sendable {
        package let threshold: Int64
        package let rates: Rates
    }

    var isEmpty: Bool { base.isEmpty && steps.isEmpty }
    var isFree: Bool { base.isFree && steps.allSatisfy(\.rates.isFree) }

    /// - Parameter reaches: whether a step holds for calls that reach its threshold, not only for those that exceed it.
    func rates(inputTokens: Int64, reaches: Bool) -> Rates {
        steps.last { reaches ? inputTokens >= $0.threshold : inputTokens > $0.threshold }?.rates ?? base
    }
}
