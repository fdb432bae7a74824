// What a tree of reports adds up to, and what of it is still to be counted.
//
// The tokens of a whole are, by kind, the greater of what it reports itself and what its parts add up to; its calls are
// those of the scope that reports most parts. Reports only ever make these larger, so that counters need not fall.
extension RecentChanges {
    struct Sum {
        var calls: Int
        var amounts: Amounts
        var countedCalls: Int
        var counted: Amounts
        /// The number of the first report.
        var first: Int
    }

    /// - Parameter certain: whether to leave out what may be parts of other calls.
    func sum(of number: Int, certain: Bool = false, _ recent: RecentCalls) -> Sum {
        guard let report = report(number, recent) else {
            return Sum(calls: 0, amounts: Amounts(), countedCalls: 0, counted: Amounts(), first: number)
        }
        var sum = Sum(
            calls: 1, amounts: report.content.own, countedCalls: report.countsCall ? 1 : 0, counted: report.counted,
            first: number)
        if report.children.isEmpty && report.settled.isEmpty { return sum }
        var parts = report.settled
        for child in report.children {
            guard let report = self.report(child, recent), !certain || report.tie.kind != .possible else { continue }
            let scope = report.report.scope
            let part = self.sum(of: child, certain: certain, recent)
            if let place = parts.firstIndex(where: { $0.scope == scope }) {
                parts[place].add(part)
            } else {
                parts.append(RecentReport.Part(scope: scope, first: part.first))
                parts[parts.count - 1].add(part)
            }
        }
        for part in parts {
            sum.calls = max(sum.calls, part.calls)
            sum.amounts.raise(to: part.amounts, isEarlier: part.first < sum.first)
            sum.countedCalls += part.countedCalls
            sum.counted.add(part.counted)
            sum.first = min(sum.first, part.first)
        }
        return sum
    }

    /// A record to count.
    struct Count {
        /// The number of the report that it is counted for.
        let number: Int
        let record: CallRecord
        let kind: Counted
    }

    /// Returns what the changed trees still have to count, and marks it as counted.
    mutating func settled(onto recent: RecentCalls) -> [Count] {
        matchLoosened(recent)
        checkPossibleTies(of: touchedRoots(recent), recent)
        matchLoosened(recent)
        let roots = touchedRoots(recent)
        touched = []
        var spare = roots.count > 1 ? takeSpare(of: roots, recent) : [:]
        return roots.flatMap { counts(of: $0, &spare, recent) }
    }

    /// In the order of their numbers: what is cut and tied first must not depend on how a set is laid out.
    private func touchedRoots(_ recent: RecentCalls) -> [Int] {
        Set(touched.filter { report($0, recent)?.isClosed == false }.map { root(of: $0, recent) }).sorted()
    }

    /// Calls that are counted alike.
    private struct Kind: Hashable {
        let labels: SeriesLabels
        let isFailed: Bool
        let isPlan: Bool
    }

    /// What was counted for trees that turn out to hold fewer calls. It covers what other trees lack.
    private struct Spare {
        var calls = 0
        var amounts = Amounts()
    }

    private func kind(of root: Int, _ recent: RecentCalls) -> Kind? {
        report(root, recent).map {
            Kind(labels: $0.content.record.labels, isFailed: $0.isFailed, isPlan: $0.content.record.isPlan)
        }
    }

    /// Moves counts from trees that have too many to trees that have too few. A stronger tie can leave two counted
    /// reports in one tree and none in another.
    private mutating func takeSpare(of roots: [Int], _ recent: RecentCalls) -> [Kind: Spare] {
        var lacking: [Kind: Spare] = [:]
        var richer: [(root: Int, kind: Kind, calls: Int, amounts: Amounts)] = []
        for root in roots {
            guard let kind = kind(of: root, recent) else { continue }
            let sum = sum(of: root, recent)
            let excess = sum.counted.rest(beyond: sum.amounts)
            if sum.countedCalls > sum.calls || !excess.isNothing {
                richer.append((root, kind, max(0, sum.countedCalls - sum.calls), excess))
            }
            lacking[kind, default: Spare()].calls += max(0, sum.calls - sum.countedCalls)
            lacking[kind, default: Spare()].amounts.add(sum.amounts.rest(beyond: sum.counted))
        }
        var spare: [Kind: Spare] = [:]
        for (root, kind, calls, excess) in richer {
            guard let wanted = lacking[kind] else { continue }
            let members = members(below: root, recent)
            let taken = Spare(calls: min(calls, wanted.calls), amounts: excess.limited(to: wanted.amounts))
            takeCalls(taken.calls, of: members, recent)
            takeAmounts(taken.amounts, of: members, recent)
            lacking[kind]?.calls -= taken.calls
            lacking[kind]?.amounts = wanted.amounts.without(taken.amounts)
            spare[kind, default: Spare()].calls += taken.calls
            spare[kind, default: Spare()].amounts.add(taken.amounts)
        }
        return spare
    }

    private mutating func takeCalls(_ calls: Int, of members: [Int], _ recent: RecentCalls) {
        let counted = members.reversed().filter { report($0, recent)?.countsCall == true }
        for number in counted.prefix(calls) { change(number, recent) { $0.countsCall = false } }
    }

    private mutating func takeAmounts(_ amounts: Amounts, of members: [Int], _ recent: RecentCalls) {
        var rest = amounts
        for number in members.reversed() where !rest.isNothing {
            guard let counted = report(number, recent)?.counted else { continue }
            let taken = counted.limited(to: rest)
            rest = rest.without(taken)
            change(number, recent) { $0.counted = counted.without(taken) }
        }
    }

    private mutating func counts(of root: Int, _ spare: inout [Kind: Spare], _ recent: RecentCalls) -> [Count] {
        let sum = sum(of: root, recent)
        var rest = sum.amounts.rest(beyond: sum.counted)
        let calls = sum.calls - sum.countedCalls
        guard calls > 0 || !rest.isNothing else { return [] }
        let members = members(below: root, recent)
        var isAlone = members.count == 1 && sum.counted == Amounts()
        // The first report has given the labels.
        let first = members.compactMap { report($0, recent) }.first(where: \.countsCall)?.content.record
        var carriers = share(max(0, calls), rest, of: root, recent).compactMap { report($0, recent)?.content }
        if let kind = kind(of: root, recent), let known = spare[kind] {
            let used = Spare(calls: min(known.calls, carriers.count), amounts: known.amounts.limited(to: rest))
            carriers.removeLast(used.calls)
            rest = rest.without(used.amounts)
            isAlone = isAlone && used.amounts.isNothing
            spare[kind] = Spare(calls: known.calls - used.calls, amounts: known.amounts.without(used.amounts))
            if carriers.isEmpty && rest.isNothing { return [] }
        }
        // One report that says so makes its call one of a plan. Several calls are each what their own reports say.
        let isOne = sum.calls == 1
        if carriers.isEmpty, let whole = report(root, recent)?.content.record {
            let record = (first ?? whole).with(rest, isPlan: isOne ? sum.amounts.isPlan : whole.isPlan)
            return [
                Count(
                    number: members[members.count - 1], record: record,
                    kind: rest.hasUsage && !sum.counted.hasUsage ? .firstAmounts : .amounts)
            ]
        }
        return carriers.enumerated().map { place, carrier in
            let isLast = place + 1 == carriers.count
            var own = isLast ? rest : rest.holds(carrier.own) ? carrier.own : carrier.own.limited(to: Amounts())
            rest = rest.without(own)
            // Nothing is left for it, as the known costs are those of other calls.
            if !isOne, carrier.own.hasUsage, carrier.own.cost == nil, own.cost == .zero { own = own.unpriced }
            let isPlan = isOne ? sum.amounts.isPlan : carrier.record.isPlan
            var record = isAlone ? carrier.record : carrier.record.with(own, isPlan: isPlan)
            if isOne, members.count > 1 {
                record.takeTimeToFirstToken(of: members.compactMap { report($0, recent)?.content.record })
            }
            return Count(number: carrier.number, record: record, kind: .call)
        }
    }

    /// Assigns what is counted to the reports that reported it: a report that moves to another call takes its share
    /// along.
    ///
    /// - Returns: the reports for which calls are counted.
    private mutating func share(
        _ calls: Int, _ amounts: Amounts, of top: Int, _ recent: RecentCalls
    ) -> [Int] {
        var calls = calls
        var rest = amounts
        var carriers: [Int] = []
        var members = [top]
        /// Reports that stand beside others of their call, and so know nothing that those do not.
        var copies: Set<Int> = []
        var place = 0
        while place < members.count {
            for child in report(members[place], recent)?.children ?? [] {
                guard let tie = report(child, recent)?.tie else { continue }
                if tie.kind == .possible {
                    let part = sum(of: child, recent)
                    let ownCalls = min(calls, max(0, part.calls - part.countedCalls))
                    let own = part.amounts.rest(beyond: part.counted).limited(to: rest)
                    carriers += share(ownCalls, own, of: child, recent)
                    calls -= ownCalls
                    rest = rest.without(own)
                } else {
                    let isCopy = tie.isBeside || copies.contains(members[place])
                    if isCopy { copies.insert(child) }
                    members.append(child)
                }
            }
            place += 1
        }
        for member in members where calls > 0 {
            for (place, part) in (report(member, recent)?.settled ?? []).enumerated() {
                let lacking = min(calls, max(0, part.calls - part.countedCalls))
                calls -= lacking
                carriers += repeatElement(member, count: lacking)
                change(member, recent) { $0.settled[place].countedCalls += lacking }
            }
        }
        let reports = members.compactMap { report($0, recent) }
        for report in reports.filter({ !$0.countsCall }).sorted(by: { $0.isFuller(than: $1) }).prefix(calls) {
            change(report.content.number, recent) { $0.countsCall = true }
            carriers.append(report.content.number)
        }
        let order =
            reports.filter { !copies.contains($0.content.number) }
            + reports.filter { copies.contains($0.content.number) }
        note(rest, at: order, recent)
        return carriers
    }

    private mutating func note(_ amounts: Amounts, at reports: [RecentReport], _ recent: RecentCalls) {
        var rest = amounts
        for report in reports where !rest.isNothing {
            let own = report.content.own.rest(beyond: report.counted).limited(to: rest)
            rest = rest.without(own)
            change(report.content.number, recent) { $0.counted.add(own) }
        }
        guard let first = reports.first, !rest.isNothing else { return }
        change(first.content.number, recent) { $0.counted.add(rest) }
    }

    /// The reports of a tree, the oldest first.
    func members(below root: Int, _ recent: RecentCalls) -> [Int] {
        var members = [root]
        var place = 0
        while place < members.count {
            members += report(members[place], recent)?.children ?? []
            place += 1
        }
        return members.sorted()
    }
}

extension RecentReport {
    /// Whether it is counted before another of the same request: it is more complete, or, if equal, it started later
    /// and so is closer to the provider.
    fileprivate func isFuller(than other: RecentReport) -> Bool {
        (report.fullness, report.start, other.content.number) > (
            other.report.fullness, other.report.start, content.number
        )
    }
}

extension RecentReport.Part {
    mutating func add(_ sum: RecentChanges.Sum) {
        calls += sum.calls
        amounts.add(sum.amounts)
        countedCalls += sum.countedCalls
        counted.add(sum.counted)
        first = min(first, sum.first)
    }
}
