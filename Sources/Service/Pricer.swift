import Concurrency
import Configuration
import Model
import Pricing

/// Prices the records whose senders report no cost, by the prices in force, and decides which calls a subscription pays
/// for.
///
/// Remembers what it found for the names it met, as a look-up takes longer than all the rest.
final class Pricer: Sendable {
    private let state: Locked<State>

    private struct State: Sendable {
        let rules: PriceRules
        var known: [Names: Found] = [:]
    }

    /// The names by which a price is found.
    private struct Names: Hashable {
        let labels: OfferingLabels
        var responseModel: LabelValue?
    }

    private struct Found {
        /// Whether the look-up has ended.
        let isKnown: Bool
        let prices: [Price]
        let factor: PriceFactor
    }

    /// Names that are remembered; when there are more, all are forgotten, so that strangers cannot fill the memory.
    private static let knownLimit = 20_000

    init(_ rules: PriceRules) {
        state = Locked(State(rules: rules))
    }

    var rules: PriceRules { state.withLock { $0.rules } }

    /// Takes other prices for what comes from now on.
    func use(_ rules: PriceRules) {
        state.withLock { $0 = State(rules: rules) }
    }

    func price(_ events: inout [(index: Int, event: Event)]) {
        let plans = rules.plans
        // Records of one body mostly name one model.
        var last: (names: Names, found: Found)?
        for place in events.indices {
            guard case .end(var record) = events[place].event else { continue }
            let isPlan = plans.pay(for: record)
            guard isPlan || record.cost == nil else { continue }
            record.isPlan = isPlan
            if record.cost == nil {
                let names = Names(labels: record.labels.offering, responseModel: record.details?.responseModel)
                let found = if let last, last.names == names { last.found } else { self.found(names) }
                last = (names, found)
                record.take(Price.cost(of: record, by: found.prices, factor: found.factor))
            }
            events[place].event = .end(record)
        }
    }

    private func found(_ names: Names) -> Found {
        // The names of responses differ more: most are not needed, and must not fill the memory.
        let own = lookedUp(Names(labels: names.labels))
        return own.isKnown || names.responseModel == nil ? own : lookedUp(names)
    }

    private func lookedUp(_ names: Names) -> Found {
        let (known, rules) = state.withLock { ($0.known[names], $0.rules) }
        if let known { return known }
        // Looked up outside the lock: names that have no price take longer, and other requests go on.
        let (provider, model) = (names.labels.provider.text, names.labels.model.text)
        let match = rules.book.match(provider: provider, model: model, responseModel: names.responseModel?.text)
        let found = Found(
            isKnown: match != nil, prices: match?.prices ?? [],
            factor: rules.factors.factor(provider: provider, model: model, billedBy: match))
        state.withLock { state in
            // A reload may have come in between.
            guard state.rules === rules else { return }
            if state.known.count >= Self.knownLimit { state.known = [:] }
            state.known[names] = found
        }
        return found
    }
}

/// The prices of calls by a configuration. A class, because a reload is recognised by identity.
final class PriceRules: Sendable {
    let book: PriceBook
    let plans: Plans
    let factors: PriceFactors

    init(_ configuration: Configuration) {
        book = configuration.prices
        plans = Plans(configuration.planRules, spellings: book.spellings)
        factors = PriceFactors(configuration.priceFactors, spellings: book.spellings)
    }
}

/// Which calls a subscription pays for.
struct Plans: Sendable {
    /// Providers by their canonical names.
    private let rules: [(agentName: LabelValue?, provider: String?, attributes: [String: String])]
    private let namesProviders: Bool
    private let spellings: ProviderSpellings

    init(_ rules: [PlanRule], spellings: ProviderSpellings) {
        self.rules = rules.map { ($0.agentName, $0.provider.map { spellings.canonical($0.text) }, $0.attributes) }
        namesProviders = rules.contains { $0.provider != nil }
        self.spellings = spellings
    }

    /// The record's own statement goes before the rules.
    func pay(for record: CallRecord) -> Bool {
        let details = record.details
        if let billing = details?.billing { return billing == .plan }
        if rules.isEmpty { return false }
        let provider = namesProviders ? spellings.canonical(record.labels.provider.text) : nil
        return rules.contains { rule in
            (rule.agentName == nil || rule.agentName == record.labels.agentName)
                && (rule.provider == nil || rule.provider == provider)
                && rule.attributes.allSatisfy { details?.attributes[$0.key] == $0.value }
        }
    }
}
