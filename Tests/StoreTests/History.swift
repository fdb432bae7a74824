import Model
import Testing

@testable import Store

/// The work of a ledger with its state and its store, without threads: a batch is folded, committed, and then adopted.
struct History {
    private(set) var state: LedgerState
    private(set) var store: Store
    private(set) var now: Instant
    /// Every id ever sent, as a start or as an end.
    private var sent: Set<Digest> = []
    private let folder: StorageFolder
    private let settings: StoreSettings
    private let sender: Sender

    init(
        _ folder: StorageFolder, _ settings: StoreSettings = .example(), now: Instant = dawn,
        from sender: Sender = Sender("user ann")
    ) throws {
        self.sender = sender
        self.folder = folder
        self.settings = settings
        self.now = now
        (store, state) = try Store.open(folder, settings, now: now)
    }

    var ids: [Digest] { sent.sorted { $0.bits < $1.bits } }

    /// All of the state, by which it is compared with another.
    var account: [String] { state.account(of: ids, now: now) }

    /// All of the state that another folder is read to hold.
    func account(of folder: StorageFolder) throws -> [String] {
        try folder.opened(settings, now: now).account(of: ids, now: now)
    }

    mutating func pass(_ time: Duration) {
        now = now.adding(time)
    }

    @discardableResult
    mutating func take(_ events: [Event], expiring lease: Duration? = nil) throws -> [Batch.Folded?] {
        var batch = Batch(onto: state, at: Moment(now))
        if let lease { batch.expireCalls(begunBefore: now.adding(.zero - lease), onto: state) }
        let outcomes = events.map { try? batch.fold($0, from: sender, onto: state) }
        for event in events { remember(event) }
        try require(store.commit(batch))
        state.adopt(batch)
        try store.tidy()
        return outcomes
    }

    @discardableResult
    mutating func take(_ records: CallRecord...) throws -> [Batch.Folded?] { try take(records.map(Event.end)) }

    private mutating func remember(_ event: Event) {
        switch event {
        case .start(let start): sent.insert(start.id.start)
        case .end(let record): if let id = record.id { sent.insert(id.end) }
        case .uncounted(let call): sent.insert(call.id.end)
        }
    }

    mutating func reset() throws {
        var changed = state
        changed.reset(now: now)
        try require(store.replace(with: changed, at: Moment(now)))
        state = changed
    }

    @discardableResult
    mutating func forget(_ selection: SeriesSelection) throws -> ForgottenTotals {
        var changed = state
        let forgotten = changed.forget(selection)
        try require(store.replace(with: changed, at: Moment(now)))
        state = changed
        return forgotten
    }

    private func require(_ outcome: CommitOutcome) throws {
        switch outcome {
        case .committed: return
        case .refused(let error), .undecided(let error): throw error
        }
    }

    /// Closes the store and opens it again.
    mutating func restart() throws {
        store.close()
        (store, state) = try Store.open(folder, settings, now: now)
    }

    func close() { store.close() }
}

extension History {
    /// A budget of all calls, and those of the agents and models that `events` names.
    static let budgets = [
        Budget(name: "all", limit: .max, period: .month),
        Budget(name: "A's \"hour\"", agentName: "A", limit: .zero, period: .hour),
        Budget(
            name: "é", agentName: "é", provider: "p,1", model: "m2", limit: Money(picoUSD: 1_500_000_000_000) ?? .zero,
            period: .week),
    ]

    private static let names: [LabelValue] = [
        "A", "agent \"quoted\" \\", "👩‍🔬🇺🇳", "é", "e\u{301}", "tab-less, with comma 1",
    ]

    /// Records and starts of few agents, so that they meet; a part with ids that came before.
    static func events(_ random: inout Seeded, upTo count: Int) -> [Event] {
        (0..<Int.random(in: 1...count, using: &random)).map { _ in
            let number = Int.random(in: 0..<300, using: &random)
            let agentName = names[number % names.count]
            if Int.random(in: 0..<4, using: &random) == 0 { return .started(agentName, number) }
            // An id always stands for the same record, so that its retries are equal.
            var record = record(number, agentName)
            if Int.random(in: 0..<5, using: &random) == 0 { record.id = nil }
            return .end(record)
        }
    }

    /// The record that has this id.
    private static func record(_ number: Int, _ agentName: LabelValue) -> CallRecord {
        var random = Seeded(UInt64(number))
        func chance(_ random: inout Seeded) -> Bool { Bool.random(using: &random) }
        let model: LabelValue = number.isMultiple(of: 3) ? "m\"1" : "m2"
        var record = CallRecord(
            labels: SeriesLabels(agentName, number.isMultiple(of: 2) ? "p,1" : "ü", model), id: .example(number))
        if chance(&random) {
            let statuses = ["error", "timeout", "rate_limited", "s\(number % 40)"]
            record.status = LabelValue(statuses[number / 40 % statuses.count])
            record.errorType = LabelValue("E.\(number % 40):x-y")
        }
        if chance(&random) {
            record.usage = Usage(
                input: .random(in: 20...1_000_000_000_000, using: &random), output: .random(in: 3...9, using: &random),
                cacheRead: .random(in: 0...10, using: &random), cacheWrite: .random(in: 0...10, using: &random),
                reasoning: 3)
        }
        if chance(&random) { record.usage.total = .random(in: 0...1_000_000, using: &random) }
        if chance(&random) {
            // The largest amount goes in once a set; beside it only what is left.
            let amount = number % 17 == 0 ? Money.max.picoUSD - 5 : Int128.random(in: 0...3, using: &random)
            record.cost = Money(picoUSD: amount)
        }
        if chance(&random) { record.latencyMicroseconds = .random(in: 0...12_000_000, using: &random) }
        if chance(&random) { record.apiLatencyMicroseconds = .random(in: 0...86_400_000_000, using: &random) }
        if chance(&random) {
            record.trace = Trace(
                id: String(repeating: "f", count: 1 + number % 64),
                unixMilliseconds: dawn.unixMilliseconds + Int64(number))
        }
        if chance(&random) { record.memoryRSSMegabytes = [0, -0.0, 0.1, 1e9].randomElement(using: &random) }
        if chance(&random) {
            record.memoryAvailableMegabytes = [0, -0.0, .leastNonzeroMagnitude].randomElement(using: &random)
        }
        return record
    }
}
