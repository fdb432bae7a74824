/// What a batch changes in the recent calls. It is built on a state that stays the same meanwhile; adopting the batch
/// applies it.
struct RecentChanges: Sendable {
    let now: Instant
    /// Reports that arrived at this time or earlier are expired.
    private let expiry: Int64
    /// Reports that are new, or that differ from the state.
    private(set) var reports: [Int: RecentReport] = [:]
    /// By the key of a chain, its newest report; -1 is none.
    private(set) var heads: [UInt64: Int] = [:]
    private(set) var addedLinks: [SpanLink] = []
    private var linkPlaces: [SpanID: Int] = [:]
    private(set) var nextNumber: Int
    /// How many of the state's oldest reports are removed.
    private(set) var forgotten = 0

    /// Reports whose trees the present request has changed.
    var touched: Set<Int> = []
    /// Ties that the present request may still try: bounds the work for hostile bodies.
    var work = 0
    /// Reports that a stronger tie has cut off, and that may find another.
    var loosened: [Int] = []

    /// The most reports that one is compared with, newest first: bounds the work for hostile bodies.
    static let candidates = 512
    /// Most spans between a call and one above it.
    static let depth = 64
    /// Most reports, the newest, that are looked at when the span arrives that they wait for.
    private static let waiting = 4096

    init(onto recent: RecentCalls, now: Instant) {
        self.now = now
        expiry = now.unixMilliseconds - RecentCalls.window
        nextNumber = recent.reports.next
    }

    var isEmpty: Bool { reports.isEmpty && addedLinks.isEmpty && forgotten == 0 }

    // MARK: Reports

    /// A report that is kept, open or closed.
    func report(_ number: Int, _ recent: RecentCalls) -> RecentReport? {
        number < recent.reports.first + forgotten ? nil : reports[number] ?? recent.reports[number]
    }

    /// Reads a report in place.
    func read<Result>(
        _ number: Int, _ recent: RecentCalls, _ body: (borrowing RecentReport) -> Result
    ) -> Result? {
        if number < recent.reports.first + forgotten { return nil }
        if let place = reports.index(forKey: number) { return body(reports.values[place]) }
        return recent.reports.read(number, body)
    }

    /// A report whose call can have more reports.
    func open(_ number: Int, _ recent: RecentCalls) -> RecentReport? {
        report(number, recent).flatMap { isOpen($0) ? $0 : nil }
    }

    func isOpen(_ report: borrowing RecentReport) -> Bool {
        !report.isClosed && report.content.arrival.unixMilliseconds > expiry
    }

    mutating func change(_ number: Int, _ recent: RecentCalls, _ body: (inout RecentReport) -> Void) {
        guard var report = reports.removeValue(forKey: number) ?? recent.reports[number] else { return }
        body(&report)
        reports[number] = report
    }

    // MARK: Chains

    static func key(_ chain: Chain, _ name: some Hashable, of process: UInt64 = 0) -> UInt64 {
        var hasher = Hasher()
        hasher.combine(chain)
        hasher.combine(name)
        hasher.combine(process)
        return UInt64(bitPattern: Int64(hasher.finalize()))
    }

    /// The key under which a report is found; `nil` if it has none.
    static func key(_ chain: Chain, of report: RecentReport) -> UInt64? {
        let content = report.report
        switch chain {
        case .span: return content.span.map { key(chain, $0) }
        case .request: return content.requestID.map { key(chain, $0) }
        case .waiting: return report.missing.map { key(chain, $0) }
        case .counts:
            guard !content.isLog, content.hasInterval else { return nil }
            return countsKey(of: report.content, end: content.endSlot)
        case .response:
            guard content.responseID != 0 else { return nil }
            return key(chain, content.responseID, of: content.process)
        case .trace: return content.span.map { key(chain, $0.trace) }
        }
    }

    static func countsKey(of content: RecentReport.Content, end slot: UInt64) -> UInt64 {
        key(.counts, [slot, content.own.hasUsage ? UInt64(content.own.billed) : .max], of: content.report.process)
    }

    func head(_ key: UInt64, _ recent: RecentCalls) -> Int { heads[key] ?? recent.head(of: key) ?? -1 }

    mutating func enter(_ number: Int, into chain: Chain, _ recent: RecentCalls) {
        guard let report = report(number, recent), let key = Self.key(chain, of: report) else { return }
        let next = head(key, recent)
        change(number, recent) { $0.next[chain] = next }
        heads[key] = number
    }

    /// The open reports of a chain, the newest first.
    func reports(_ chain: Chain, _ key: UInt64, _ recent: RecentCalls, limit: Int = candidates) -> [Int] {
        var found: [Int] = []
        forEach(chain, key, recent, limit: limit) { number, _ in found.append(number) }
        return found
    }

    /// Visits the open reports of a chain, the newest first. Two keys can be equal by chance: what decides is compared.
    func forEach(
        _ chain: Chain, _ key: UInt64, _ recent: RecentCalls, limit: Int = candidates,
        _ body: (Int, borrowing RecentReport) -> Void
    ) {
        var number = head(key, recent)
        for _ in 0..<limit {
            let next = read(number, recent) { report in
                if isOpen(report) { body(number, report) }
                return report.next[chain]
            }
            guard let next else { return }
            number = next
        }
    }

    /// Removes and returns the reports that wait for a span.
    mutating func takeWaiting(for id: SpanID, _ recent: RecentCalls) -> [Int] {
        let key = Self.key(.waiting, id)
        guard head(key, recent) != -1 else { return [] }
        defer { heads[key] = -1 }
        return reports(.waiting, key, recent, limit: Self.waiting)
    }

    // MARK: Requests

    /// Adds a report of a call and ties it to others of the same call. `settled` returns what to count, once the whole
    /// request is added.
    ///
    /// - Parameter isCounted: whether the call was counted for a report with its request id, kept or not.
    /// - Returns: the report's number.
    mutating func add(
        _ record: CallRecord, _ report: CallReport, isCounted: Bool, onto recent: RecentCalls
    ) -> Int {
        forget(onto: recent)
        let number = nextNumber
        nextNumber += 1
        reports[number] = RecentReport(
            RecentReport.Content(number: number, arrival: now, record: record, report: report))
        touched.insert(number)
        tieRequest(number, recent)
        if isCounted, self.report(number, recent)?.reason == nil {
            change(number, recent) {
                $0.countsCall = true
                $0.counted = $0.content.own
                $0.reason = .requestID
            }
        }
        for chain in Chain.allCases where chain != .waiting { enter(number, into: chain, recent) }
        if !report.isLog {
            locate(number, recent)
            locateInner(of: number, recent)
            match(number, recent)
        }
        return number
    }

    /// The report that this one was merged into, and why; `nil` if it was not merged.
    func merge(of number: Int, onto recent: RecentCalls) -> MergedReport? {
        guard let report = report(number, recent), let reason = report.reason else { return nil }
        let first = self.report(sum(of: root(of: number, recent), recent).first, recent)
        return MergedReport(reason: reason, span: report.report.span, first: first?.report.span)
    }

    /// Begins a request.
    ///
    /// - Parameter count: the reports of calls in it.
    mutating func begin(reports count: Int) {
        touched = []
        loosened = []
        work = min(20_000, 2000 + 8 * count)
    }

    /// Adds the spans that report no call: they can show whether spans around them are one call or two.
    mutating func add(_ links: [SpanLink], onto recent: RecentCalls) {
        let added = links.filter { link in
            guard self.link(link.id, recent) == nil else { return false }
            linkPlaces[link.id] = addedLinks.count
            addedLinks.append(link)
            return true
        }
        // Only when all are known: each report then finds its place once.
        for link in added { locateWaiting(for: link.id, recent) }
    }

    func link(_ id: SpanID, _ recent: RecentCalls) -> SpanLink? {
        linkPlaces[id].map { addedLinks[$0] } ?? recent.link(id, now: now)
    }

    /// Takes back a report whose call cannot be counted.
    mutating func withdraw(_ number: Int, onto recent: RecentCalls) {
        guard let report = report(number, recent) else { return }
        for child in report.children { cut(child, recent) }
        cut(number, recent)
        loosened = []
        change(number, recent) {
            $0.isClosed = true
            $0.countsCall = false
        }
    }

    // MARK: The end of a report

    /// Most reports forgotten per added report, so that no single one does much work.
    private static let forgetStep = 4

    private mutating func forget(onto recent: RecentCalls) {
        for _ in 0..<Self.forgetStep {
            let oldest = recent.reports.first + forgotten
            guard oldest < recent.reports.next, let report = report(oldest, recent),
                nextNumber - oldest >= recent.limit || report.content.arrival.unixMilliseconds <= expiry
            else { return }
            if !report.isClosed { close(oldest, recent) }
            for chain in Chain.allCases {
                if let key = Self.key(chain, of: report), head(key, recent) == oldest { heads[key] = -1 }
            }
            reports[oldest] = nil
            forgotten += 1
        }
    }

    /// Closes a call and all its reports. If the call is part of a larger one, the larger one stays open.
    private mutating func close(_ number: Int, _ recent: RecentCalls) {
        let top = callTop(of: number, recent)
        if let container = report(top, recent)?.container {
            settle(top, in: container, recent)
        } else {
            closeAll(below: top, recent)
        }
    }

    /// Closes a part of a whole, which keeps its sums.
    mutating func settle(_ part: Int, in whole: Int, _ recent: RecentCalls) {
        guard let report = report(part, recent) else { return }
        let sum = sum(of: part, recent)
        closeAll(below: part, recent)
        change(whole, recent) { whole in
            whole.children.removeAll { $0 == part }
            let place =
                whole.settled.firstIndex { $0.scope == report.report.scope }
                ?? {
                    whole.settled.append(RecentReport.Part(scope: report.report.scope, first: sum.first))
                    return whole.settled.count - 1
                }()
            whole.settled[place].add(sum)
        }
    }

    private mutating func closeAll(below number: Int, _ recent: RecentCalls) {
        var rest = [number]
        while let number = rest.popLast() {
            rest += report(number, recent)?.children ?? []
            change(number, recent) {
                $0.isClosed = true
                $0.children = []
                $0.container = nil
            }
        }
    }
}

extension CallReport {
    /// Whether it says when the call began and ended.
    var hasInterval: Bool { start != 0 && end >= start }

    /// The 4.3 s in which the call ended. Reports of one call end in one such slot, or in two that follow each other.
    var endSlot: UInt64 { end >> 32 }
}
