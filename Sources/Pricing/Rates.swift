/// The rates of one tier, by the kind of tokens.
package struct Rates: Equatable, Sendable {
    /// At most one of a kind. Most entries have two or three kinds, so the rest take no memory.
    private var listed: [Listed] = []

    private struct Listed: Equatable, Sendable {
        let kind: PriceKind
        let rate: Rate
    }

    package init() {}

    package subscript(kind: PriceKind) -> Rate? {
        get {
            for listed in listed where listed.kind == kind { return listed.rate }
            return nil
        }
        set {
            listed.removeAll { $0.kind == kind }
            if let newValue { listed.append(Listed(kind: kind, rate: newValue)) }
        }
    }

    var isEmpty: Bool { listed.isEmpty }

    /// What a token of a kind costs: the kind's own rate, else that of the kind that it is part of.
    func rate(of kind: PriceKind) -> Rate? {
        self[kind] ?? kind.whole.flatMap { self[$0] }
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
        PriceKind.allCases.allSatisfy { one[$0] == other[$0] }
    }
}
