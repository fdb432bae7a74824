/// The reports of the last minute, by which another report of the same call is recognised. In memory alone: a restart
/// forgets them.
///
/// Also keeps the places of spans that report no call: one may stand between two that do.
package struct RecentCalls: Sendable {
    /// How long a report is kept, in milliseconds, and so how late another one of the same call may come.
    static var window: Int64 { 60_000 }
    /// The most reports kept, and the most other spans; beyond it the oldest are removed.
    package let limit: Int

    private(set) var reports = NumberedRing<RecentReport>()
    private(set) var links = NumberedRing<Link>()
    /// By the key of a chain, its newest report.
    private var heads: [UInt64: Int] = [:]
    private var linkNumbers: [SpanID: Int] = [:]

    struct Link: Sendable {
        let link: SpanLink
        let arrival: Instant
    }

    /// Expired links removed per batch, in addition to as many as it adds.
    private static let pruneStep = 64

    package init(limit: Int = 65_536) {
        self.limit = limit
    }

    /// The reports that are kept.
    package var count: Int { reports.count }

    func head(of key: UInt64) -> Int? { heads[key] }

    func link(_ id: SpanID, now: Instant) -> SpanLink? {
        guard let number = linkNumbers[id], let link = links[number],
            link.arrival.unixMilliseconds + Self.window > now.unixMilliseconds
        else {
            return nil
        }
        return link.link
    }

    mutating func adopt(_ changes: RecentChanges) {
        guard !changes.isEmpty else { return }
        for number in reports.next..<changes.nextNumber {
            if let report = changes.reports[number] { reports.append(report) }
        }
        for (number, report) in changes.reports { reports.replace(number, with: report) }
        for _ in 0..<changes.forgotten { reports.removeFirst() }
        for (key, number) in changes.heads { heads[key] = number < reports.first ? nil : number }
        for link in changes.addedLinks { add(Link(link: link, arrival: changes.now)) }
        prune(beside: changes.addedLinks.count, now: changes.now)
    }

    private mutating func add(_ link: Link) {
        linkNumbers[link.link.id] = links.next
        links.append(link)
    }

    private mutating func prune(beside added: Int, now: Instant) {
        for _ in 0..<(Self.pruneStep + added) {
            guard let oldest = links[links.first],
                links.count > limit || oldest.arrival.unixMilliseconds + Self.window <= now.unixMilliseconds
            else { return }
            if linkNumbers[oldest.link.id] == links.first { linkNumbers[oldest.link.id] = nil }
            links.removeFirst()
        }
    }
}
