package import Model

/// The content of one body: the events to count, and the records that break a rule.
package struct DecodedBatch: Sendable {
    /// In the order of the body.
    package var events: [(index: Int, event: Event)]
    package let rejections: RejectedRecords
    /// For the sender; no two alike, and few.
    package let warnings: [String]
    /// Occurrences of fields that records do not have.
    package let unknownFields: Int
    package let ignoredSpans: IgnoredSpans
    package let ignoredLogRecords: IgnoredLogRecords
    /// Items of LiteLLM that are no calls of a model.
    package let ignoredItems: [LiteLLMNonCall: Int]
    /// Data points of OpenTelemetry metrics, none of which is counted; `nil` if the body holds no metrics.
    package let ignoredDataPoints: Int?

    /// Whether calls begin in it.
    package var hasStarts: Bool {
        events.contains { if case .start = $0.event { true } else { false } }
    }

    init(
        events: [(index: Int, event: Event)], rejections: RejectedRecords, warnings: BodyWarnings,
        ignoredSpans: IgnoredSpans = IgnoredSpans(), ignoredLogRecords: IgnoredLogRecords = IgnoredLogRecords(),
        ignoredItems: [LiteLLMNonCall: Int] = [:], ignoredDataPoints: Int? = nil
    ) {
        self.events = events
        self.rejections = rejections
        self.warnings = warnings.messages
        unknownFields = warnings.unknownFields
        self.ignoredSpans = ignoredSpans
        self.ignoredLogRecords = ignoredLogRecords
        self.ignoredItems = ignoredItems
        self.ignoredDataPoints = ignoredDataPoints
    }
}

/// Spans that were not counted, and need not be.
package struct IgnoredSpans: Sendable, Equatable {
    /// They report no LLM call.
    package let otherSpans: Int
    /// Another span of the request reports the same call.
    package let repeatedReports: Int
    /// Those that report no call, by operation or name.
    package let names: [String: Int]

    init(otherSpans: Int = 0, repeatedReports: Int = 0, names: [String: Int] = [:]) {
        self.otherSpans = otherSpans
        self.repeatedReports = repeatedReports
        self.names = names
    }
}
