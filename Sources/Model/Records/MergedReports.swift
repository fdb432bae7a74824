/// Why two reports are one call.
package enum MergeReason: String, CaseIterable, Sendable {
    /// One span is inside the other.
    case nested
    /// Two spans side by side report the same tokens at the same time.
    case sibling
    /// Two spans side by side have the same response id.
    case responseID = "response_id"
    /// A span and a log record have the same request id.
    case requestID = "request_id"
    /// Logfire's span of a stream's opening; another span reports the call.
    case stream
}

/// A report of a call that another report counted.
package struct MergedReport: Sendable, Equatable {
    package let reason: MergeReason
    /// The span that reports the call again; `nil` for a log record.
    package let span: SpanID?
    /// The span that reported it first; `nil` for a log record.
    package let first: SpanID?
}

/// The merged reports of one request: all are counted, the first 100 are listed.
package struct MergedReports: Sendable {
    package private(set) var listed: [MergedReport] = []
    package private(set) var counts: [MergeReason: Int] = [:]

    private static let listedLimit = 100

    package init() {}

    package var count: Int { counts.values.reduce(0, +) }

    package mutating func append(_ report: MergedReport) {
        counts[report.reason, default: 0] += 1
        if listed.count < Self.listedLimit { listed.append(report) }
    }

    mutating func merge(_ later: MergedReports) {
        counts.merge(later.counts, uniquingKeysWith: +)
        listed += later.listed.prefix(Self.listedLimit - listed.count)
    }
}
