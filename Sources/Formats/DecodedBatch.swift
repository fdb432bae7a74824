package import Model

/// What one body holds: the events to count and the records that break a rule.
package struct DecodedBatch: Sendable {
    /// In the order of the body.
    package var events: [(index: Int, event: Event)]
    package let rejections: RejectedRecords
    /// For the sender; no two alike, and few.
    package let warnings: [String]
    /// Occurrences of fields that records do not have.
    package let unknownFields: Int
    package var ignoredSpans = IgnoredSpans()
}

/// Spans that were not counted, and need not be.
package struct IgnoredSpans: Sendable, Equatable {
    /// They report no LLM call.
    package var otherSpans = 0
    /// Another span of the request reports the same call.
    package var repeatedReports = 0

    package init() {}
}

/// Why a body was refused as a whole. Nothing of it is applied.
package struct MalformedBody: Error, Sendable {
    /// What is wrong, where, and the remedy.
    package let detail: String

    package init(detail: String) {
        self.detail = detail
    }
}
