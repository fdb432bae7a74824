/// What a batch of events changes: for each series touched, what to add and what to set, and the ids to remember.
///
/// Folded against a registry, the ids and the open calls that stay as they are meanwhile; what it makes of them, a
/// `Revision`, is merged once it is durable. A rejected event leaves no trace.
package struct Delta: Sendable {
    package private(set) var agents = TouchedTable<LabelValue, AgentChange>()
    package private(set) var calls = TouchedTable<SeriesLabels, CallTotals>()
    package private(set) var endpoints = TouchedTable<EndpointLabels, Histogram>()
    package private(set) var offerings = TouchedTable<OfferingLabels, Int64>()
    package private(set) var memoryAvailableMegabytes: Double?
    /// What the time of day is ahead of the `now` of this batch.
    let skew: Duration
    /// By the labels as they were sent.
    private var targets = TouchedTable<SeriesLabels, Target>()
    /// As they were before, by the account's index.
    private var budgets = TouchedTable<Int, BudgetAccount>()
    /// What was spent of any budget, and of the one with the most before: as long as their sum is in bounds, all are.
    private var spentOfBudgets = Money.zero
    private var mostSpentBefore = Money.zero
    package private(set) var ids = TouchedTable<Digest, UInt64>()
    /// Calls that begin; ended again within the batch, they are in neither list.
    package private(set) var opened: [Digest: OpenCall] = [:]
    /// Calls that began, ended again or not.
    private var begun: Int64 = 0
    /// Calls in flight that end or expire.
    package private(set) var closed: Set<Digest> = []
    /// Places of the series limit that new sets and agents take.
    package private(set) var placesTaken = 0
    /// Records that the series limit folded.
    package private(set) var overflowRecords = 0

    /// - Parameter skew: what the time of day, by which budgets begin anew, is ahead of the `now` that events are folded at.
    package init(skew: Duration = .zero) {
        self.skew = skew
    }

    /// Whether it changes nothing: only duplicates came, or records that were rejected.
    package var isEmpty: Bool {
        agents.entries.isEmpty && calls.entries.isEmpty && ids.entries.isEmpty && opened.isEmpty && closed.isEmpty
    }

    /// What became of an event that was not rejected.
    package enum Outcome: Sendable {
        case accepted
        /// Its id is known, with this content: a retry, not counted again.
        case duplicate
    }

    /// Folds one event in.
    ///
    /// - Throws: `id_reused`, or `total_overflow` where a total would pass its bound; `self` is then unchanged.
    package mutating func fold(_ event: Event, onto state: LedgerState, now: Instant)
        throws(RecordRejection) -> Outcome
    {
        switch event {
        case .start(let start): open(start, onto: state, now: now)
        case .end(let record): try count(record, onto: state, now: now)
        }
    }

    /// Ends the lease of calls begun before `deadline`.
    package mutating func expireCalls(begunBefore deadline: Instant, onto state: LedgerState) {
        for call in state.openCalls.begun(before: deadline) {
            // One that ended in this batch has lowered the gauge already.
            guard closed.insert(call.id).inserted else { continue }
            agents[call.agentName, default: AgentChange()].activeCalls -= 1
            agents[call.agentName, default: AgentChange()].expiredCalls += 1
        }
    }

    /// Whether all of a request's starts find room among the open calls, whatever else is in it.
    package func hasRoomForStarts(
        of events: [(index: Int, event: Event)], onto state: LedgerState, now: Instant
    ) -> Bool {
        var room = OpenCalls.limit - state.openCalls.count + closed.count - opened.count
        let starts = events.compactMap { placed in if case .start(let start) = placed.event { start } else { nil } }
        if starts.count <= room { return true }
        var counted: Set<Digest> = []
        for start in starts
        where remembered(start.id.start, state, now) == nil && remembered(start.id.end, state, now) == nil
            && counted.insert(start.id.call).inserted
        {
            room -= 1
        }
        return room >= 0
    }

    // MARK: Starts

    private mutating func open(_ start: CallStart, onto state: LedgerState, now: Instant) -> Outcome {
        if remembered(start.id.start, state, now) != nil { return .duplicate }
        // A call in flight may outlive the memory of its start; raised twice, the gauge would never come down.
        if state.openCalls[start.id.call] != nil, !closed.contains(start.id.call) { return .duplicate }
        ids[start.id.start, default: 0] = 0
        // A call that has ended before its start arrives is not in flight: the start changes nothing.
        guard remembered(start.id.end, state, now) == nil else { return .accepted }
        let agentName = place(agentName: start.agentName, onto: state)
        agents[agentName, default: AgentChange()].reportsActiveCalls = true
        opened[start.id.call] = OpenCall(
            number: state.openCalls.nextNumber + begun, id: start.id.call, agentName: agentName, begun: now)
        begun += 1
        agents[agentName, default: AgentChange()].activeCalls += 1
        return .accepted
    }

    // MARK: Ends

    private mutating func count(_ record: CallRecord, onto state: LedgerState, now: Instant)
        throws(RecordRejection) -> Outcome
    {
        if let id = record.id, let content = remembered(id.end, state, now) {
            guard content == id.content else {
                throw RecordRejection(
                    field: "id", code: .idReused,
                    message: "this id was sent before with other content; "
                        + "a retry repeats the record unchanged, a new call needs a new id")
            }
            return .duplicate
        }

        let known = targets.place(of: record.labels)
        var target: Target
        if let known {
            target = targets[place: known]
            try check(
                record, call: target.call, base: target.base, endpoint: target.endpoint,
                endpointBase: target.endpointBase, of: state)
            if let cost = record.cost, !target.budgets.isEmpty,
                mostSpentBefore.adding(spentOfBudgets)?.adding(cost) == nil
            {
                for place in target.budgets { try check(cost, on: budgets[place: place], at: place) }
            }
        } else {
            let placement = placement(of: record.labels, onto: state)
            let labels = placement.labels
            let base = state.registry.calls.index(of: labels)
            let endpointBase = state.registry.endpoints.index(of: labels.endpoint)
            try check(
                record, call: calls.place(of: labels), base: base, endpoint: endpoints.place(of: labels.endpoint),
                endpointBase: endpointBase, of: state)
            let accounts = state.budgetIndices(of: record.labels).map { index in
                (index: index, before: state.budgets[index].turned(to: now.adding(skew)))
            }
            if let cost = record.cost {
                let most = accounts.map(\.before.spent).max() ?? .zero
                if max(most, mostSpentBefore).adding(spentOfBudgets)?.adding(cost) == nil {
                    for account in accounts {
                        try check(cost, on: account.before, at: budgets.place(of: account.index))
                    }
                }
            }
            target = Target(
                call: calls.touch(labels, initial: CallTotals()),
                offering: offerings.touch(labels.offering, initial: 0),
                agent: agents.touch(labels.agentName, initial: AgentChange()),
                endpoint: endpoints.place(of: labels.endpoint), base: base, endpointBase: endpointBase,
                isOverflow: placement.isOverflow,
                budgets: accounts.map { budgets.touch($0.index, initial: $0.before) })
            mostSpentBefore = accounts.map(\.before.spent).max().map { max($0, mostSpentBefore) } ?? mostSpentBefore
            agents[place: target.agent].ownSets += placement.isNewSet ? 1 : 0
            placesTaken += placement.places
        }
        // Nothing below can fail, and before the target nothing has been changed.
        add(record, to: &target, onto: state)
        if let known {
            targets[place: known].endpoint = target.endpoint
            targets[place: known].spent = target.spent
            targets[place: known].unpricedCalls = target.unpricedCalls
        } else {
            _ = targets.touch(record.labels, initial: target)
        }
        if let id = record.id {
            ids[id.end, default: id.content] = id.content
            close(id.call, onto: state)
        }
        return .accepted
    }

    /// Sees whether a record keeps every total in bounds.
    ///
    /// - Parameters: the places of what it will be added to, where they exist.
    /// - Throws: `total_overflow`.
    private func check(
        _ record: CallRecord, call: Int?, base: Int?, endpoint: Int?, endpointBase: Int?, of state: LedgerState
    ) throws(RecordRejection) {
        try CallTotals.check(
            record, touched: call.map { calls[place: $0].bounded },
            base: base.map { state.registry.calls[$0].totals.bounded })
        if let latency = record.apiLatencyMicroseconds {
            try Histogram.checkSum(
                of: endpoint.map { endpoints[place: $0].sumMicroseconds },
                and: endpointBase.map { state.registry.endpoints[$0].latency.sumMicroseconds }, adding: latency,
                family: "llm_api_latency_seconds", field: "api_latency_ms")
        }
    }

    private mutating func add(_ record: CallRecord, to target: inout Target, onto state: LedgerState) {
        var status = record.status
        var errorType = record.errorType
        // Success has its place kept, and no type of error.
        if !record.isSuccess {
            let base = target.base.map { state.registry.calls[$0].totals }
            let touched = calls[place: target.call]
            status = Self.named(
                status, among: [base?.calls, touched.calls], limit: NameLimits.statuses,
                reserved: NameLimits.reservedStatuses)
            errorType = errorType.map {
                Self.named($0, among: [base?.errors, touched.errors], limit: NameLimits.errorTypes, reserved: [])
            }
        }
        calls[place: target.call].fold(
            record, status: status, errorType: errorType, bounds: state.registry.bounds)
        if record.costSource == .unpriced { offerings[place: target.offering] += 1 }
        if !target.budgets.isEmpty {
            if let cost = record.cost {
                target.spent = target.spent + cost
                // Past the bound it only says that each is to be looked at.
                spentOfBudgets = spentOfBudgets.adding(cost) ?? .max
            } else {
                target.unpricedCalls += 1
            }
        }
        if let latency = record.apiLatencyMicroseconds {
            let bounds = state.registry.bounds
            let place =
                target.endpoint
                ?? endpoints.touch(calls.entries[target.call].key.endpoint, initial: Histogram(bounds: bounds))
            target.endpoint = place
            endpoints[place: place].observe(latency, bounds: bounds, trace: record.trace)
        }
        if let memory = record.memoryRSSMegabytes { agents[place: target.agent].memoryRSSMegabytes = memory }
        overflowRecords += target.isOverflow ? 1 : 0
        memoryAvailableMegabytes = record.memoryAvailableMegabytes ?? memoryAvailableMegabytes
    }

    /// Where the records of one set of labels are counted, found once a batch.
    private struct Target {
        /// Places in the tables of this delta.
        let call: Int
        let offering: Int
        let agent: Int
        /// `nil` until a record tells its latency.
        var endpoint: Int?
        /// Indices in the registry, where the series exist.
        let base: Int?
        let endpointBase: Int?
        /// Whether the series limit folds them.
        let isOverflow: Bool
        /// Places of the budgets that they count for.
        let budgets: [Int]
        /// What was spent of each of them.
        var spent = Money.zero
        var unpricedCalls: Int64 = 0
    }

    /// - Parameter place: where the account is among the touched ones; `nil` where it is not.
    /// - Throws: `total_overflow` where a budget's spending would pass its bound.
    private func check(_ cost: Money, on before: BudgetAccount, at place: Int?) throws(RecordRejection) {
        var spent: Money? = before.spent.adding(cost)
        for target in targets.entries where place.map(target.value.budgets.contains) == true {
            spent = spent?.adding(target.value.spent)
        }
        if spent == nil { throw .overflow(of: "llm_budget_spent_usd", field: "cost_usd") }
    }

    /// The budgets that are spent of, after this batch.
    package var accounts: [BudgetAccount] {
        // Once a batch: a large one has many more records than sets, and there may be many budgets.
        var accounts = budgets.entries.map(\.value)
        for target in targets.entries.map(\.value) {
            for place in target.budgets { accounts[place].add(target.spent, unpricedCalls: target.unpricedCalls) }
        }
        return accounts
    }

    /// Lowers the gauge of a call in flight; does nothing for a call that never began or whose lease has ended.
    private mutating func close(_ call: Digest, onto state: LedgerState) {
        if let open = opened.removeValue(forKey: call) {
            agents[open.agentName, default: AgentChange()].activeCalls -= 1
        } else if let open = state.openCalls[call], closed.insert(call).inserted {
            agents[open.agentName, default: AgentChange()].activeCalls -= 1
        }
    }

    private func remembered(_ key: Digest, _ state: LedgerState, _ now: Instant) -> UInt64? {
        if let content = ids[key] { return content }
        return state.recentIDs.content(of: key, now: now)
    }

    // MARK: Limits

    /// Where a record is counted.
    private struct Placement {
        let labels: SeriesLabels
        var isNewSet = false
        var places = 0
        var isOverflow = false
    }

    private func placement(of labels: SeriesLabels, onto state: LedgerState) -> Placement {
        if calls[labels] != nil || state.registry.calls.index(of: labels) != nil { return Placement(labels: labels) }
        let sets = ownSets(of: labels.agentName, onto: state)
        // An agent without a set holds a place already.
        let needed = sets == 0 ? 0 : 1
        if state.registry.places + placesTaken + needed <= state.registry.maxSeries {
            return Placement(labels: labels, isNewSet: true, places: needed)
        }
        return Placement(labels: .folded(agentName: sets == nil ? .other : labels.agentName), isOverflow: true)
    }

    /// The agent's sets that are not folded, this batch's included; `nil` for an agent not seen before.
    private func ownSets(of agentName: LabelValue, onto state: LedgerState) -> Int? {
        let base = state.registry.agents[agentName]?.ownSets
        guard let change = agents[agentName] else { return base }
        return (base ?? 0) + change.ownSets
    }

    private mutating func place(agentName: LabelValue, onto state: LedgerState) -> LabelValue {
        if ownSets(of: agentName, onto: state) != nil { return agentName }
        guard state.registry.places + placesTaken < state.registry.maxSeries else {
            overflowRecords += 1
            return .other
        }
        placesTaken += 1
        return agentName
    }

    /// `name`, or `_other` where the set has as many names as it may have.
    private static func named(
        _ name: LabelValue, among tallies: [Tally?], limit: Int, reserved: [LabelValue]
    ) -> LabelValue {
        if reserved.contains(name) || tallies.contains(where: { $0?.contains(name) == true }) { return name }
        var names = Set(reserved)
        for tally in tallies {
            for entry in tally?.entries ?? [] where entry.name != .other { names.insert(entry.name) }
        }
        return names.count < limit ? name : .other
    }
}

/// How many names one set may have (docs/metrics.md).
package enum NameLimits {
    package static let statuses = 16
    package static let errorTypes = 32
    /// Statuses whose place is kept free for them.
    package static let reservedStatuses = ["success", "error", "timeout", "cancelled", "rate_limited"].map(
        LabelValue.init)
}
