// How reports of one call are tied together.
//
// A stronger tie takes the place of a weaker one: a span inside another goes before a sibling, a near sibling before a
// far one. So the order of arrival does not matter, but for the cases in docs/decisions.md ("One call, one count").
extension RecentChanges {
    /// Most reports in one tree, and most parts of a whole; of more, the oldest are closed.
    private static let treeLimit = 512
    private static let partLimit = 128
    /// Most reports of one call.
    private static let callLimit = 8
    /// Most ties tried for a report, and most attempts at one tie as others are cut for it.
    private static let tries = 64
    private static let rounds = 4
    /// Most reports of its trace, the newest, that one is compared with.
    private static let traceCandidates = 64
    /// Most calls, one inside the other.
    static let depthLimit = 16
    /// Ties of spans inside others that a request may still make when its other work is used up.
    private static let certainWork = 20_000

    // MARK: Candidates

    /// Ties a log record and a span that have the same request id.
    mutating func tieRequest(_ number: Int, _ recent: RecentCalls) {
        guard let report = report(number, recent), let key = Self.key(.request, of: report) else { return }
        guard let other = open(head(key, recent), recent), other.report.requestID == report.report.requestID,
            other.report.isLog != report.report.isLog
        else { return }
        link(number, other.content.number, Tie(kind: .requestID), recent)
    }

    /// Ties a report to those that report the same call beside it.
    mutating func match(_ number: Int, _ recent: RecentCalls) {
        guard work > 0, let report = open(number, recent), !report.report.isLog else { return }
        var found: [(other: Int, tie: Tie)] = []
        func look(in chain: Chain, _ key: UInt64) {
            forEach(chain, key, recent) { number, other in
                guard let tie = siblingTie(report.content, other.content) else { return }
                found.append((number, tie))
            }
        }
        if let key = Self.key(.response, of: report) { look(in: .response, key) }
        if report.report.hasInterval {
            let slot = report.report.endSlot
            for slot in max(1, slot) - 1...slot + 1 {
                look(in: .counts, Self.countsKey(of: report.content, end: slot))
            }
        }
        work -= found.count / 8
        found.sort { ($0.tie, $1.other) < ($1.tie, $0.other) }
        for (other, tie) in found.prefix(Self.tries) {
            guard let other = self.report(other, recent), !areInLine(report, other, recent) else { continue }
            link(number, other.content.number, tie, recent)
        }
        matchTrace(number, recent)
    }

    /// The tie of two reports that stand beside each other; `nil` if they are two calls.
    private func siblingTie(_ one: RecentReport.Content, _ other: RecentReport.Content) -> Tie? {
        let (first, second) = (one.report, other.report)
        guard first.process == second.process, first.scope != second.scope, one.isOneCall(with: other) else {
            return nil
        }
        if first.responseID != 0, first.responseID == second.responseID {
            guard first.overlaps(second) else { return nil }
            return Tie(kind: .responseID, distance: first.distance(to: second))
        }
        guard first.contains(second) || second.contains(first),
            one.own.hasSameUsage(as: other.own) || !one.own.hasUsage && !other.own.hasUsage,
            first.models.isCompatible(with: second.models)
        else { return nil }
        return Tie(kind: one.own.hasUsage ? .sibling : .simultaneous, distance: first.distance(to: second))
    }

    /// Ties a report to one that it may be inside, or that may be inside it.
    private mutating func matchTrace(_ number: Int, _ recent: RecentCalls) {
        guard let report = report(number, recent), let key = Self.key(.trace, of: report) else { return }
        var found: [(inner: Int, outer: Int, tie: Tie)] = []
        for other in reports(.trace, key, recent, limit: Self.traceCandidates) where other != number {
            guard let other = self.report(other, recent) else { continue }
            let tie = Tie(kind: .possible, distance: report.report.distance(to: other.report))
            if report.container == nil, mayBeInside(report, other, recent) {
                found.append((number, other.content.number, tie))
            } else if other.container == nil, mayBeInside(other, report, recent) {
                found.append((other.content.number, number, tie))
            }
        }
        found.sort { ($0.tie, $1.inner, $1.outer) < ($1.tie, $0.inner, $0.outer) }
        for (inner, outer, tie) in found.prefix(Self.tries) { link(inner, outer, tie, recent) }
    }

    // MARK: Ties

    /// Puts a report inside the one that its span is inside.
    mutating func nest(_ inner: Int, in outer: Int, _ recent: RecentCalls) {
        guard let report = report(inner, recent) else { return }
        if report.container == outer, report.tie.inner == inner {
            change(inner, recent) { $0.tie = Tie(kind: .nested, inner: inner) }
            return
        }
        // What the inner one was tied to is tied to both. A cut can leave it with another tie.
        var former: [(inner: Int, outer: Int, tie: Tie)] = []
        for _ in 0..<Self.rounds {
            guard let report = self.report(inner, recent), let container = report.container else { break }
            if !report.tie.isInside { former.append((report.tie.inner, container, report.tie)) }
            cut(inner, recent)
        }
        if root(of: outer, recent) == root(of: inner, recent),
            let weakest = weakestTie(from: outer, to: inner, recent),
            let tied = self.report(weakest, recent),
            let container = tied.container
        {
            if !tied.tie.isInside { former.append((tied.tie.inner, container, tied.tie)) }
            cut(weakest, recent)
        }
        link(inner, outer, Tie(kind: .nested), recent)
        for (inner, outer, tie) in former { link(inner, outer, tie, recent) }
    }

    /// Joins two trees, unless an equally strong tie prevents it. Weaker ties are cut only if all ties in the way are
    /// weaker: cutting some and then giving up would tie fewer reports.
    private mutating func link(_ inner: Int, _ outer: Int, _ tie: Tie, _ recent: RecentCalls) {
        for _ in 0..<Self.rounds {
            guard work > (tie.isCertain ? -Self.certainWork : 0), root(of: inner, recent) != root(of: outer, recent),
                let obstacles = obstacles(to: tie, inner, outer, recent)
            else { return }
            work -= 1
            if obstacles.isEmpty {
                attach(inner, outer, tie, recent)
                return
            }
            for child in obstacles.sorted() { cut(child, recent) }
        }
    }

    /// The ties that a new tie would contradict. One call has one report of each scope, except that a span can be
    /// inside one of its own scope. All its reports with tokens have the same, unless one span is inside another. If
    /// two spans of one scope are inside a third, they are two calls and the third is the whole.
    ///
    /// - Returns: the ties to cut, by their children; `nil` if one of them is as strong, or if one of the two reports
    ///   cannot be tied to anything.
    private func obstacles(to tie: Tie, _ inner: Int, _ outer: Int, _ recent: RecentCalls) -> Set<Int>? {
        guard let own = callMembers(of: inner, recent), let others = callMembers(of: outer, recent) else { return nil }
        var obstacles: Set<Int> = []
        for one in own {
            guard let first = report(one, recent), !first.report.isLog else { continue }
            for other in others {
                guard let second = report(other, recent), !second.report.isLog,
                    isObstacle(
                        first, second, to: tie,
                        areBeside: standsBeside(one, inner, recent) && standsBeside(other, outer, recent),
                        areEnds: (one, other) == (inner, outer))
                else { continue }
                let ties = [(one, inner), (other, outer)].map {
                    weakestTie(from: $0, to: $1, recent)
                }
                guard let weakest = weaker(of: ties, recent), let weaker = report(weakest, recent)?.tie else {
                    if tie.isCertain { continue }
                    return nil
                }
                guard tie.isCertain || tie < weaker else { return nil }
                obstacles.insert(weakest)
            }
        }
        return obstacles
    }

    /// - Parameters:
    ///   - areBeside: whether both stand beside the ends of the tie, or are these.
    ///   - areEnds: whether the tie is between these two.
    private func isObstacle(
        _ first: RecentReport, _ second: RecentReport, to tie: Tie, areBeside: Bool, areEnds: Bool
    ) -> Bool {
        if tie.isInside, areEnds { return false }
        if first.report.scope == second.report.scope { return true }
        if tie.kind == .nested { return false }
        return first.content.hasOtherResponse(than: second.content)
            || areBeside && first.hasOtherUsage(than: second) && !(areEnds && tie.kind == .responseID)
    }

    /// Whether nothing but ties of reports beside each other is on the way between two reports of a tree. What a report
    /// has inside it can have other tokens.
    private func standsBeside(_ one: Int, _ other: Int, _ recent: RecentCalls) -> Bool {
        between(one, other, recent).allSatisfy { report($0, recent)?.tie.isBeside == true }
    }

    private func weaker(of children: [Int?], _ recent: RecentCalls) -> Int? {
        children.compactMap { $0 }.max {
            guard let left = report($0, recent)?.tie, let right = report($1, recent)?.tie else { return false }
            return left < right
        }
    }

    /// The reports whose ties are on the way between two reports of a tree.
    private func between(_ one: Int, _ other: Int, _ recent: RecentCalls) -> [Int] {
        if one == other { return [] }
        let first = way(up: one, recent)
        let second = way(up: other, recent)
        return first.filter { !second.contains($0) } + second.filter { !first.contains($0) }
    }

    /// The weakest tie on the way between two reports of a tree that can be cut, by its child.
    private func weakestTie(from one: Int, to other: Int, _ recent: RecentCalls) -> Int? {
        let loose = between(one, other, recent).filter { number in
            report(number, recent).map { $0.container != nil && !$0.tie.isCertain } == true
        }
        return weaker(of: loose, recent)
    }

    private mutating func attach(_ inner: Int, _ outer: Int, _ tie: Tie, _ recent: RecentCalls) {
        let innerRoot = root(of: inner, recent)
        let outerRoot = root(of: outer, recent)
        guard way(up: outer, recent).count <= Self.depthLimit else { return }
        let innerSize = size(below: innerRoot, recent)
        if tie.isInside { closeParts(of: outer, room: innerSize, below: outerRoot, recent) }
        let size = innerSize + size(below: outerRoot, recent)
        guard size <= Self.treeLimit else { return }
        work -= size / 32
        // A tree of several calls can hold others, but is no part of one call.
        let child: Int
        let container: Int
        var tie = tie
        // What is inside a report takes all below it along, and nothing that it hangs by.
        if tie.isInside, innerRoot != inner { return }
        if tie.kind == .nested || sum(of: innerRoot, recent).calls == 1 {
            (child, container, tie.inner) = (innerRoot, outer, inner)
        } else if tie.kind != .possible, sum(of: outerRoot, recent).calls == 1 {
            (child, container, tie.inner) = (outerRoot, inner, outer)
        } else {
            return
        }
        change(child, recent) {
            $0.container = container
            $0.tie = tie
        }
        change(container, recent) { $0.children.append(child) }
        touched.insert(child)
        for end in [inner, outer] { change(end, recent) { $0.reason = $0.reason ?? tie.reason } }
    }

    /// Closes the oldest parts of a whole that has many, so that there is room for another.
    private mutating func closeParts(of whole: Int, room: Int, below root: Int, _ recent: RecentCalls) {
        while let parts = report(whole, recent)?.children, let oldest = parts.first,
            parts.count >= Self.partLimit || room + size(below: root, recent) > Self.treeLimit
        {
            settle(oldest, in: whole, recent)
        }
    }

    /// Cuts a report, with all below it, from its container. If the rest of the tree hung from a tie of that report,
    /// the tie moves with it.
    mutating func cut(_ child: Int, _ recent: RecentCalls) {
        guard let report = report(child, recent), let container = report.container else { return }
        change(child, recent) { $0.container = nil }
        change(container, recent) { $0.children.removeAll { $0 == child } }
        touched.formUnion([child, container])
        loosened += [report.tie.inner, container]
        for above in way(up: container, recent) {
            guard let hung = self.report(above, recent), let outer = hung.container, hung.tie.inner != above,
                root(of: hung.tie.inner, recent) == root(of: child, recent)
            else { continue }
            cut(above, recent)
            if !hung.tie.isInside { link(hung.tie.inner, outer, hung.tie, recent) }
            return
        }
    }

    /// Looks for new ties for the reports that were cut off. Each tie replaces only weaker ones, so this ends; the
    /// bound is for hostile bodies.
    mutating func matchLoosened(_ recent: RecentCalls) {
        for _ in 0..<(64 + 8 * touched.count) {
            guard let number = loosened.popLast() else { return }
            match(number, recent)
        }
        loosened = []
    }

    // MARK: Trees

    func root(of number: Int, _ recent: RecentCalls) -> Int { way(up: number, recent).last ?? number }

    /// A report and those that it hangs below, up to the root.
    func way(up number: Int, _ recent: RecentCalls) -> [Int] {
        var way = [number]
        while way.count < Self.treeLimit, let container = report(way[way.count - 1], recent)?.container {
            way.append(container)
        }
        return way
    }

    /// The topmost report of a call: the root, unless the tree holds several calls. A report that only may be part of
    /// another call is not included.
    func callTop(of number: Int, _ recent: RecentCalls) -> Int {
        var top = number
        while let report = report(top, recent), let container = report.container, report.tie.kind != .possible,
            sum(of: container, certain: true, recent).calls == 1
        {
            top = container
        }
        return top
    }

    /// The reports of the call of a report; `nil` if it is closed, or has too many.
    private func callMembers(of number: Int, _ recent: RecentCalls) -> [Int]? {
        let top = callTop(of: number, recent)
        // What a whole of several calls has within it is no report of the whole.
        let isWhole = sum(of: top, certain: true, recent).calls > 1
        var members = [top]
        var place = 0
        while place < members.count {
            guard let report = report(members[place], recent), isOpen(report), members.count <= Self.callLimit else {
                return nil
            }
            members += report.children.filter { child in
                guard let kind = self.report(child, recent)?.tie.kind, kind != .possible else { return false }
                return place > 0 || !isWhole || kind != .nested
            }
            place += 1
        }
        return members
    }

    private func size(below number: Int, _ recent: RecentCalls) -> Int {
        var rest = [number]
        var count = 0
        while let number = rest.popLast(), count <= Self.treeLimit {
            count += 1
            rest += report(number, recent)?.children ?? []
        }
        return count
    }
}
