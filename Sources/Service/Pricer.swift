import Concurrency
import Model
import Pricing

/// Prices the records whose senders did not tell their cost, by the prices in force.
///
/// Remembers what it found for the labels it met, as a look-up takes longer than all the rest.
final class Pricer: Sendable {
    private let state: Locked<State>

    private struct State: Sendable {
        var book: PriceBook
        var known: [OfferingLabels: Price?] = [:]
    }

    /// Labels that are remembered; when there are more, all are forgotten, so that strangers cannot fill the memory.
    private static let knownLimit = 20_000

    init(_ book: PriceBook) {
        state = Locked(State(book: book))
    }

    var book: PriceBook { state.withLock { $0.book } }

    /// Takes other prices for what comes from now on.
    func use(_ book: PriceBook) {
        state.withLock { $0 = State(book: book) }
    }

    func price(_ events: inout [(index: Int, event: Event)]) {
        // Records of one body mostly name one model.
        var last: (labels: OfferingLabels, price: Price?)?
        for place in events.indices {
            guard case .end(var record) = events[place].event, record.cost == nil else { continue }
            let labels = record.labels.offering
            if last?.labels != labels { last = (labels, price(of: labels)) }
            record.take(Price.cost(of: record, by: last?.price))
            events[place].event = .end(record)
        }
    }

    private func price(of labels: OfferingLabels) -> Price? {
        state.withLock { state in
            if let known = state.known[labels] { return known }
            let price = state.book.price(provider: labels.provider.text, model: labels.model.text)
            if state.known.count >= Self.knownLimit { state.known = [:] }
            state.known[labels] = .some(price)
            return price
        }
    }
}
