/// The changes of a batch of events: each series touched with its new totals, the ids to remember, the calls that begin
/// and end, the reports by which others of the same calls are recognised.
///
/// It is built event by event on a state that does not change meanwhile. On its first touch a series is taken over as
/// it stands, or born with the next number, and records are added right to it. The store writes these very values, and
/// `LedgerState.adopt` makes them part of memory, so the two cannot differ. A rejected event leaves no trace.
package struct Batch: Sendable {
    package let moment: Moment
    package private(set) var agents = TouchedTable<AgentSeries>()
    package private(set) var calls = TouchedTable<CallSeries>()
    package private(set) var endpoints = TouchedTable<EndpointSeries>()
    package private(set) var offerings = TouchedTable<OfferingSeries>()
    package private(set) var accounts = TouchedTable<BudgetAccount>()
    package private(set) var memoryAvailableMegabytes: Double?
    package private(set) var ids = TouchedTable<RememberedID>()
    /// Ids that were remembered before.
    package let rememberedIDs: Int
    /// Calls in flight that end or expire.
    package private(set) var closed = TouchedTable<OpenCall>()
    private var begun = TouchedTable<OpenCall>()
    /// Those of `begun` that ended again.
    private var ended: Set<Digest> = []
    private var targets = TouchedTable<Target>()
    var recent: RecentChanges
    /// Places of the series limit that new sets and agents take.
    private(set) var placesTaken = 0
    /// Records that the series limit folded.
    package private(set) var overflowRecords = 0

    /// An empty batch.
    ///
    /// - Parameter state: that all events are folded onto, and that adopts the batch.
    package init(onto state: LedgerState, at moment: Moment) {
        self.moment = moment
        memoryAvailableMegabytes = state.registry.memoryAvailableMegabytes
        rememberedIDs = state.recentIDs.count
        recent = RecentChanges(onto: state.recentCalls, now: moment.steady)
    }

    /// Whether it changes nothing on disk: all events were duplicates, or rejected.
    package var isEmpty: Bool {
        agents.isEmpty && calls.isEmpty && ids.isEmpty && begun.isEmpty && closed.isEmpty
    }

    /// Calls that begin and do not end within the batch, by number.
    package var opened: [OpenCall] { begun.elements.filter { !ended.contains($0.id) } }

    /// The outcome of an event that was not rejected.
    package enum Folded: Sendable {
        case accepted
        /// Its id is known, with this content: a retry, not counted again.
        case duplicate
        /// Another intake counts it.
        case uncounted
    }

    /// Folds one event in.
    ///
    /// - Throws: `id_reused`, or `total_overflow` if a total would pass its bound; `self` is then unchanged.
    package mutating func fold(
        _ event: Event, from sender: Sender = .unknown, onto state: LedgerState
    ) throws(RecordRejection) -> Folded {
        switch event {
        case .start(let start): open(start, from: sender, onto: state)
        case .end(let record): try count(record, onto: state)
        case .uncounted(let call): end(call, onto: state)
        }
    }

    /// Ends the lease of calls begun before `deadline`.
    package mutating func expireCalls(begunBefore deadline: Instant, onto state: LedgerState) {
        // A call that ended in this batch has lowered the gauge already.
        for call in state.openCalls.begun(before: deadline) where closed.place(of: call.id) == nil {
            expire(call, onto: state)
        }
    }

    /// Ends the lease of calls until no more are in flight than may be: each time the oldest call of the sender that
    /// has the most. A sender that floods the exporter with starts expires its own.
    ///
    /// Called once, after the last event.
    package mutating func expireExcessCalls(onto state: LedgerState) {
        let excess = state.openCalls.count - closed.count + begun.count - ended.count - state.openCalls.limit
        guard excess > 0 else { return }
        let opened = Dictionary(grouping: opened, by: \.sender)
        var counts = state.openCalls.countsBySender
        for call in closed.elements { counts[call.sender, default: 0] -= 1 }
        for (sender, calls) in opened { counts[sender, default: 0] += calls.count }
        let shares = CallExcess(excess, of: counts) { sender, place in
            oldest(place + 1, of: sender, opened, state).last?.number ?? .max
        }
        for (sender, count) in shares.losses {
            for call in oldest(count, of: sender, opened, state) { expire(call, onto: state) }
        }
    }

    /// The oldest calls of a sender that are in flight.
    private func oldest(
        _ count: Int, of sender: Sender, _ opened: [Sender: [OpenCall]], _ state: LedgerState
    ) -> [OpenCall] {
        let standing = Array(
            state.openCalls.oldest(of: sender).lazy.filter { closed.place(of: $0.id) == nil }.prefix(count))
        return standing + opened[sender, default: []].prefix(count - standing.count)
    }

    private mutating func expire(_ call: OpenCall, onto state: LedgerState) {
        if begun.place(of: call.id) != nil { ended.insert(call.id) } else { closed.append(call) }
        agents[place: touchAgent(call.agentName, onto: state)].expireCall()
    }

    func remembered(_ key: Digest, _ state: LedgerState) -> UInt64? {
        ids[key]?.content ?? state.recentIDs.content(of: key, now: moment.steady)
    }

    // MARK: Starts

    private mutating func open(_ start: CallStart, from sender: Sender, onto state: LedgerState) -> Folded {
        if remembered(start.id.start, state) != nil { return .duplicate }
        // A call in flight may outlive the memory of its start; raised twice, the gauge would never come down.
        if state.openCalls[start.id.call] != nil, closed.place(of: start.id.call) == nil { return .duplicate }
        ids.append(RememberedID(key: start.id.start, content: 0))
        // A call that has ended before its start arrives is not in flight: the start changes nothing.
        guard remembered(start.id.end, state) == nil else { return .accepted }
        let agentName = admitted(start.agentName, onto: state)
        begun.append(
            OpenCall(
                number: state.openCalls.nextNumber + Int64(begun.count), id: start.id.call, agentName: agentName,
                sender: sender, begun: moment.steady))
        agents[place: touchAgent(agentName, onto: state)].openCall(at: moment.timeOfDay)
        return .accepted
    }

    /// The name under which an agent's starts are counted.
    private mutating func admitted(_ agentName: LabelValue, onto state: LedgerState) -> LabelValue {
        if ownSets(of: agentName, onto: state) != nil { return agentName }
        guard state.registry.places + placesTaken < state.registry.maxSeries else {
            overflowRecords += 1
            return .other
        }
        placesTaken += 1
        return agentName
    }

    // MARK: Ends

    private mutating func count(_ record: CallRecord, onto state: LedgerState) throws(RecordRejection) -> Folded {
        if let id = record.id, let content = remembered(id.end, state) {
            guard id.content == nil || id.content == content else { throw .reusedID }
            return .duplicate
        }
        try tally(record, .call, onto: state)
        remember(record, onto: state)
        return .accepted
    }

    mutating func remember(_ record: CallRecord, onto state: LedgerState) {
        guard let id = record.id else { return }
        remember(id.end, content: id.content ?? 0)
        close(id.call, onto: state)
    }

    mutating func remember(_ key: Digest, content: UInt64) {
        ids.append(RememberedID(key: key, content: content))
    }

    /// Adds a record to its series.
    mutating func tally(
        _ record: CallRecord, _ kind: Counted, onto state: LedgerState
    ) throws(RecordRejection) {
        let before = mark
        let place = targets.place(of: record.labels) ?? targets.append(newTarget(of: record.labels, onto: state))
        // Copied: the one in the table changes only once nothing can fail.
        var target = targets[place: place]
        if kind == .call { touchEndpoint(of: record, at: &target, onto: state) }
        let sums: Sums
        do throws(RecordRejection) {
            sums = try self.sums(with: record, at: target)
        } catch {
            drop(since: before)
            throw error
        }
        if targets.count > before.targets.count { takePlaces(for: target) }
        targets[place: place].endpoint = target.endpoint
        switch kind {
        case .call: add(record, sums, at: target, bounds: state.registry.bounds)
        case .amounts: addAmounts(of: record, sums, at: target)
        case .firstAmounts:
            addAmounts(of: record, sums, at: target)
            addUnpriced(record, at: target)
        }
    }

    private mutating func end(_ call: UncountedCall, onto state: LedgerState) -> Folded {
        if remembered(call.id.end, state) == nil {
            remember(call.id.end, content: call.id.content ?? 0)
            close(call.id.call, onto: state)
        }
        return .uncounted
    }

    /// Lowers the gauge of a call in flight; does nothing for a call that never began or whose lease has ended.
    private mutating func close(_ id: Digest, onto state: LedgerState) {
        if let call = begun[id], ended.insert(id).inserted {
            agents[place: touchAgent(call.agentName, onto: state)].closeCall()
        } else if let call = state.openCalls[id], closed.place(of: id) == nil {
            closed.append(call)
            agents[place: touchAgent(call.agentName, onto: state)].closeCall()
        }
    }

    // MARK: Totals

    /// The totals that have a bound, with one more record.
    private struct Sums {
        let call: CallTotals.BoundedSums
        let apiLatency: Int64?
        /// Spent of each of the target's budgets; empty for a record that spends nothing.
        let spent: [Money]
    }

    /// - Throws: `total_overflow`.
    private func sums(with record: CallRecord, at target: Target) throws(RecordRejection) -> Sums {
        let call = try calls[place: target.call].totals.sums(with: record)
        var apiLatency: Int64?
        if record.apiLatencyMicroseconds != nil, let endpoint = target.endpoint {
            apiLatency = try endpoints[place: endpoint].sum(with: record)
        }
        var spent: [Money] = []
        if let cost = record.cost, !record.isPlan {
            for account in target.accounts { spent.append(try accounts[place: account].spent(with: cost)) }
        }
        return Sums(call: call, apiLatency: apiLatency, spent: spent)
    }

    /// The one place where a record is added to series. Cannot fail.
    private mutating func add(_ record: CallRecord, _ sums: Sums, at target: Target, bounds: HistogramBounds) {
        calls[place: target.call].totals.add(
            record, sums: sums.call, bounds: bounds, arrival: moment.timeOfDay)
        offerings[place: target.offering].add(record)
        agents[place: target.agent].add(record)
        if let endpoint = target.endpoint, let sum = sums.apiLatency {
            endpoints[place: endpoint].add(record, sum: sum, bounds: bounds)
        }
        // A call that a subscription pays for spends nothing.
        if record.cost == nil, !record.isPlan {
            for account in target.accounts { accounts[place: account].addUnpricedCall() }
        }
        for (account, spent) in zip(target.accounts, sums.spent) { accounts[place: account].spend(to: spent) }
        memoryAvailableMegabytes = record.memoryAvailableMegabytes ?? memoryAvailableMegabytes
        if target.placement.isFolded { overflowRecords += 1 }
    }

    /// Adds what a further report of a counted call knows.
    private mutating func addAmounts(of record: CallRecord, _ sums: Sums, at target: Target) {
        calls[place: target.call].totals.addAmounts(
            of: record, sums: sums.call, arrival: moment.timeOfDay)
        for (account, spent) in zip(target.accounts, sums.spent) { accounts[place: account].spend(to: spent) }
    }

    /// A call that was counted as one without usage may turn out to have no price.
    private mutating func addUnpriced(_ record: CallRecord, at target: Target) {
        guard record.isUnpriced else { return }
        calls[place: target.call].totals.unpricedCalls += 1
        offerings[place: target.offering].addUnpricedCall()
        // Budgets count a call that may have been billed as soon as it has no cost.
        guard !CallRecord.mayBeBilled(record.status) else { return }
        for account in target.accounts { accounts[place: account].addUnpricedCall() }
    }

    // MARK: Targets

    /// The series that count the records of one set of labels, found once a batch: places in the tables of touched
    /// series.
    private struct Target: Keyed {
        /// The labels as they were sent.
        let key: SeriesLabels
        let placement: Placement
        let call: Int
        let offering: Int
        let agent: Int
        /// `nil` until a record reports its latency.
        var endpoint: Int?
        let accounts: [Int]
    }

    /// The set that counts the records of one set of labels.
    private struct Placement {
        let labels: SeriesLabels
        var isNewSet = false
        /// Places that it takes of the series limit.
        var places = 0
        /// Whether the series limit folds the records.
        var isFolded = false
    }

    /// Touches the endpoint's series, if the record reports a latency.
    private mutating func touchEndpoint(of record: CallRecord, at target: inout Target, onto state: LedgerState) {
        guard record.apiLatencyMicroseconds != nil, target.endpoint == nil else { return }
        let labels = target.placement.labels.endpoint
        target.endpoint = endpoints.touch(labels, in: state.registry.endpoints) { number in
            EndpointSeries(
                number: number, labels: labels, latency: Histogram(bounds: state.registry.bounds),
                created: moment.timeOfDay)
        }
    }

    private mutating func newTarget(of labels: SeriesLabels, onto state: LedgerState) -> Target {
        let placement = placement(of: labels, onto: state)
        let counted = placement.labels
        let registry = state.registry
        let accounts = state.budgetIndices(of: labels).map { index in
            let standing = state.budgets[index]
            return self.accounts.place(of: standing.key)
                ?? self.accounts.append(standing.turned(to: moment.timeOfDay))
        }
        return Target(
            key: labels, placement: placement,
            call: calls.touch(counted, in: registry.calls) {
                CallSeries(number: $0, labels: counted, totals: CallTotals(created: moment.timeOfDay))
            },
            offering: offerings.touch(counted.offering, in: registry.offerings) {
                OfferingSeries(number: $0, labels: counted.offering, created: moment.timeOfDay)
            },
            agent: touchAgent(counted.agentName, onto: state), accounts: accounts)
    }

    private mutating func touchAgent(_ name: LabelValue, onto state: LedgerState) -> Int {
        agents.touch(name, in: state.registry.agents) { AgentSeries(number: $0, name: name) }
    }

    private func placement(of labels: SeriesLabels, onto state: LedgerState) -> Placement {
        if calls.place(of: labels) != nil || state.registry.calls.index(of: labels) != nil {
            return Placement(labels: labels)
        }
        let sets = ownSets(of: labels.agentName, onto: state)
        // An agent without a set holds a place already.
        let needed = sets == 0 ? 0 : 1
        if state.registry.places + placesTaken + needed <= state.registry.maxSeries {
            return Placement(labels: labels, isNewSet: true, places: needed)
        }
        return Placement(labels: .folded(agentName: sets == nil ? .other : labels.agentName), isFolded: true)
    }

    /// The agent's sets that are not folded; `nil` for an agent not seen before.
    private func ownSets(of agentName: LabelValue, onto state: LedgerState) -> Int? {
        if let place = agents.place(of: agentName) { return agents[place: place].ownSets }
        return state.registry.agents[agentName]?.ownSets
    }

    private mutating func takePlaces(for target: Target) {
        placesTaken += target.placement.places
        if target.placement.isNewSet { agents[place: target.agent].ownSets += 1 }
    }

    // MARK: Rejections

    /// How far the tables were filled before an event.
    private struct Mark {
        let agents: TouchedTable<AgentSeries>.Mark
        let calls: TouchedTable<CallSeries>.Mark
        let endpoints: TouchedTable<EndpointSeries>.Mark
        let offerings: TouchedTable<OfferingSeries>.Mark
        let accounts: TouchedTable<BudgetAccount>.Mark
        let targets: TouchedTable<Target>.Mark
    }

    private var mark: Mark {
        Mark(
            agents: agents.mark, calls: calls.mark, endpoints: endpoints.mark, offerings: offerings.mark,
            accounts: accounts.mark, targets: targets.mark)
    }

    /// Takes back what a rejected event touched.
    private mutating func drop(since mark: Mark) {
        agents.drop(since: mark.agents)
        calls.drop(since: mark.calls)
        endpoints.drop(since: mark.endpoints)
        offerings.drop(since: mark.offerings)
        accounts.drop(since: mark.accounts)
        targets.drop(since: mark.targets)
    }
}
