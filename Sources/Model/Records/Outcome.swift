/// The outcome of one request's events.
package struct Outcome: Sendable {
    package var accepted = 0
    package var duplicates = 0
    package var merged = MergedReports()
    /// Calls that another intake counts.
    package var uncounted = 0
    package var rejections = RejectedRecords()
    /// The calls that were counted, by the source of their cost.
    package var costSources = CostSources()
    /// Data points of OpenTelemetry metrics, which are not counted.
    package var ignoredDataPoints = 0
    /// For the sender; no two alike, and few.
    package var warnings: [String] = []

    package init() {}

    /// Adds the outcome of a later part of the same request.
    package mutating func merge(_ later: Outcome) {
        accepted += later.accepted
        duplicates += later.duplicates
        merged.merge(later.merged)
        uncounted += later.uncounted
        rejections = rejections.merging(later.rejections)
        for source in CostSource.allCases { costSources[source] += later.costSources[source] }
        ignoredDataPoints += later.ignoredDataPoints
        // Those of a later part include those of the earlier ones.
        if later.warnings.count > warnings.count { warnings = later.warnings }
    }

    /// Whether anything was counted, or a call ended.
    package var hasChanges: Bool { accepted + merged.count + uncounted > 0 }

    /// Whether there were records, and none of them is counted, now or earlier.
    package var isRefused: Bool { !rejections.isEmpty && accepted + duplicates + merged.count + uncounted == 0 }
}
