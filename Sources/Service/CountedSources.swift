import Model
import Pricing

/// Drops calls that the operator leaves to another intake (`sources` in the configuration).
struct CountedSources: Sendable {
    private let rules: [(agentName: LabelValue?, provider: String?, counted: ReportingIntake)]
    private let spellings: ProviderSpellings

    /// - Parameter spellings: by which providers are compared, as each intake spells them in its own way.
    init(_ rules: [SourceRule], spellings: ProviderSpellings) {
        self.rules = rules.map { ($0.agentName, $0.provider.map { spellings.canonical($0.text) }, $0.counted) }
        self.spellings = spellings
    }

    /// Removes the calls that another intake counts. The end of a call that may have started is kept, so that it leaves
    /// the calls in flight.
    ///
    /// - Returns: how many calls are not counted.
    func removeUncounted(from events: inout [(index: Int, event: Event)], of intake: ReportingIntake) -> Int {
        if rules.isEmpty { return 0 }
        var uncounted = 0
        events = events.compactMap { placed in
            guard case .end(let record) = placed.event, let counted = source(of: record.labels), counted != intake
            else {
                return placed
            }
            uncounted += 1
            // Only records can have a start.
            guard intake == .record, let id = record.id else { return nil }
            return (placed.index, .uncounted(UncountedCall(agentName: record.labels.agentName, id: id)))
        }
        return uncounted
    }

    /// The intake that counts a call; `nil` if no rule matches. The first match applies.
    private func source(of labels: SeriesLabels) -> ReportingIntake? {
        let provider = spellings.canonical(labels.provider.text)
        return rules.first { rule in
            (rule.agentName == nil || rule.agentName == labels.agentName)
                && (rule.provider == nil || rule.provider == provider)
        }?.counted
    }
}
