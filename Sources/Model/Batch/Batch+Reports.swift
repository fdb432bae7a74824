/// The outcome of one report of a call.
package enum FoldedReport: Sendable {
    case accepted
    /// The id was counted before: a retry.
    case duplicate
    /// Another report of the same call was counted. What this one adds to it is counted.
    case merged(MergedReport)
    case rejected(RecordRejection)
}

extension Batch {
    /// Folds in the reports of one request whose calls may also be reported by others. They are folded together, so
    /// that their order does not matter.
    ///
    /// - Parameter links: the request's spans that report no call.
    /// - Returns: the outcome of each report, and the calls that were counted: more than reports were accepted if the
    ///   request shows that two reports of another are two calls.
    package mutating func fold(
        _ reports: [(record: CallRecord, report: CallReport)], links: [SpanLink], onto state: LedgerState
    ) -> (outcomes: [FoldedReport], calls: Int) {
        recent.begin(reports: reports.count)
        recent.add(links, onto: state.recentCalls)
        let numbers = add(reports, onto: state)
        var calls = 0
        var counted: Set<Int> = []
        var refused: [Int: RecordRejection] = [:]
        for count in recent.settled(onto: state.recentCalls) {
            do throws(RecordRejection) {
                try tally(count.record, count.kind, onto: state)
                guard count.kind == .call else { continue }
                calls += 1
                counted.insert(count.number)
            } catch {
                refused[count.number] = error
                recent.withdraw(count.number, onto: state.recentCalls)
            }
        }
        let outcomes = zip(numbers, reports).map { number, report -> FoldedReport in
            guard let number else { return .duplicate }
            if let error = refused[number] { return .rejected(error) }
            remember(report.record, report.report, onto: state)
            if counted.contains(number) { return .accepted }
            return recent.merge(of: number, onto: state.recentCalls).map(FoldedReport.merged) ?? .accepted
        }
        return (outcomes, calls)
    }

    /// - Returns: the numbers of the reports; `nil` for those whose ids are known.
    private mutating func add(
        _ reports: [(record: CallRecord, report: CallReport)], onto state: LedgerState
    ) -> [Int?] {
        var ids: Set<Digest> = []
        return reports.map { record, report in
            if let id = record.id?.end, !ids.insert(id).inserted || remembered(id, state) != nil { return nil }
            let other = report.isLog ? report.requestID?.forSpan : report.requestID
            let isCounted = other.map { remembered($0, state) != nil } ?? false
            return recent.add(record, report, isCounted: isCounted, onto: state.recentCalls)
        }
    }

    private mutating func remember(_ record: CallRecord, _ report: CallReport, onto state: LedgerState) {
        remember(record, onto: state)
        // A log record of the same request may come when this is no longer kept.
        if let key = report.requestOfSpan, remembered(key, state) == nil { remember(key, content: 0) }
    }
}
