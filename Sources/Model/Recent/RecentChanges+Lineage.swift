// Which calls are within others: by the ids of the spans above them.
extension RecentChanges {
    /// What is known of the spans above a call.
    private struct Ancestry {
        /// The nearest that reports the same call, with no agent, workflow or tool between.
        var enclosing: Int?
        /// The first ancestor that is not known, if it may be a call.
        var missing: SpanID?
    }

    private func ancestry(of number: Int, _ recent: RecentCalls) -> Ancestry {
        guard let report = report(number, recent) else { return Ancestry() }
        var next = report.report.parent
        for _ in 0..<Self.depth {
            guard let id = next, id != report.report.span else { return Ancestry() }
            if let above = call(id, recent) {
                guard isOpen(above) else { return Ancestry() }
                if isInside(report, above) { return Ancestry(enclosing: above.content.number) }
                next = above.report.parent
            } else if let link = link(id, recent) {
                if link.holdsCalls { return Ancestry() }
                next = link.parent
            } else {
                return Ancestry(missing: id)
            }
        }
        return Ancestry()
    }

    /// The report of a span.
    private func call(_ id: SpanID, _ recent: RecentCalls) -> RecentReport? {
        let number = head(Self.key(.span, id), recent)
        return report(number, recent).flatMap { $0.report.span == id ? $0 : nil }
    }

    /// Whether two spans, one inside the other, are one call.
    private func isInside(_ inner: RecentReport, _ outer: RecentReport) -> Bool {
        inner.content.isOneCall(with: outer.content)
            && (inner.report.models.isCompatible(with: outer.report.models)
                || inner.content.own.hasSameUsage(as: outer.content.own))
    }

    /// Whether a span, known or not, is above a report.
    private func isAbove(_ id: SpanID, _ report: RecentReport, _ recent: RecentCalls) -> Bool {
        var next = report.report.parent
        for _ in 0..<Self.depth {
            guard let place = next else { return false }
            if place == id { return true }
            next = call(place, recent)?.report.parent ?? link(place, recent)?.parent
        }
        return false
    }

    /// Whether one of two spans of a trace is above the other. Such spans are not beside each other: they are one call
    /// only if no agent, workflow or tool stands between.
    func areInLine(_ one: RecentReport, _ other: RecentReport, _ recent: RecentCalls) -> Bool {
        guard let first = one.report.span, let second = other.report.span, first.trace == second.trace else {
            return false
        }
        return isAbove(first, other, recent) || isAbove(second, one, recent)
    }

    /// Finds the place of a report among the spans that are known.
    mutating func locate(_ number: Int, _ recent: RecentCalls) {
        let ancestry = ancestry(of: number, recent)
        change(number, recent) { $0.missing = ancestry.missing }
        enter(number, into: .waiting, recent)
        if let enclosing = ancestry.enclosing {
            nest(number, in: enclosing, recent)
        } else {
            checkTies(of: number, recent)
        }
    }

    /// Places the reports that a new one may be above: those that waited for it, and those already nested in a span
    /// above it.
    mutating func locateInner(of number: Int, _ recent: RecentCalls) {
        guard let report = report(number, recent), let id = report.report.span else { return }
        locateWaiting(for: id, recent)
        var next = report.report.parent
        for _ in 0..<Self.depthLimit {
            guard let place = next, place != id else { return }
            let above = call(place, recent)
            for child in above?.children ?? [] where child != number {
                guard let inner = self.report(child, recent), inner.tie.kind == .nested, isAbove(id, inner, recent)
                else { continue }
                locate(child, recent)
            }
            next = above?.report.parent ?? link(place, recent)?.parent
        }
    }

    /// Cuts ties between reports that may be inside each other, as far as spans that have come since rule them out.
    mutating func checkPossibleTies(of roots: [Int], _ recent: RecentCalls) {
        for root in roots {
            for number in members(below: root, recent) where report(number, recent)?.tie.kind == .possible {
                checkTie(of: number, recent)
            }
        }
    }

    /// Finds the places of the reports that waited for a span.
    mutating func locateWaiting(for id: SpanID, _ recent: RecentCalls) {
        let waiting = takeWaiting(for: id, recent)
        touched.formUnion(waiting)
        for number in waiting { locate(number, recent) }
    }

    /// Cuts ties that are ruled out by what is now known of the spans above a report.
    private mutating func checkTies(of number: Int, _ recent: RecentCalls) {
        guard let report = report(number, recent) else { return }
        for child in report.children { checkTie(of: child, recent) }
        checkTie(of: number, recent)
    }

    private mutating func checkTie(of child: Int, _ recent: RecentCalls) {
        guard let tie = report(child, recent)?.tie, let container = report(child, recent)?.container,
            let inner = report(tie.inner, recent), let outer = report(container, recent)
        else { return }
        let holds =
            switch tie.kind {
            case .nested, .requestID: true
            case .possible: mayBeInside(inner, outer, recent)
            case .sibling, .simultaneous, .responseID: !areInLine(inner, outer, recent)
            }
        if !holds { cut(child, recent) }
    }

    // MARK: Spans that are not known yet

    /// Whether a span may be inside another of its trace while some spans above it are unknown.
    func mayBeInside(_ inner: RecentReport, _ outer: RecentReport, _ recent: RecentCalls) -> Bool {
        guard let missing = inner.missing, inner.report.scope != outer.report.scope, let outerID = outer.report.span,
            missing.trace == outerID.trace, isInside(inner, outer), !inner.hasOtherUsage(than: outer),
            outer.report.contains(inner.report)
        else { return false }
        // Spans that have one above them in common stand side by side.
        return !isAbove(missing, outer, recent)
    }
}

extension RecentReport.Content {
    /// Whether two reports agree on outcome, kind and response id. Models are not compared.
    func isOneCall(with other: RecentReport.Content) -> Bool {
        isFailed == other.isFailed && report.embeds == other.report.embeds && !hasOtherResponse(than: other)
    }

    func hasOtherResponse(than other: RecentReport.Content) -> Bool {
        let ids = (report.responseID, other.report.responseID)
        return ids.0 != 0 && ids.1 != 0 && ids.0 != ids.1
    }
}

extension RecentReport {
    /// Whether both report tokens, and not the same.
    func hasOtherUsage(than other: RecentReport) -> Bool {
        content.own.hasUsage && other.content.own.hasUsage && !content.own.hasSameUsage(as: other.content.own)
    }
}

extension CallReport {
    /// Clocks are read at slightly different times within one call.
    private static let tolerance: UInt64 = 1_000_000

    /// Whether a report's interval lies within this one's.
    func contains(_ inner: CallReport) -> Bool {
        hasInterval && inner.hasInterval && inner.start.addingTolerance(Self.tolerance) >= start
            && end.addingTolerance(Self.tolerance) >= inner.end
    }

    /// Whether there is a time in both intervals. If one begins as the other ends, they do not overlap.
    func overlaps(_ other: CallReport) -> Bool {
        guard hasInterval && other.hasInterval else { return false }
        return start == other.start || end == other.end || start < other.end && other.start < end
    }

    /// Nanoseconds between the starts and between the ends.
    func distance(to other: CallReport) -> UInt64 {
        func gap(_ one: UInt64, _ other: UInt64) -> UInt64 { max(one, other) - min(one, other) }
        return gap(start, other.start).addingTolerance(gap(end, other.end))
    }
}

extension UInt64 {
    fileprivate func addingTolerance(_ other: UInt64) -> UInt64 {
        let (sum, overflow) = addingReportingOverflow(other)
        return overflow ? .max : sum
    }
}
