package import Model

/// The content of one body: the events to count, and the records that break a rule.
package struct DecodedBatch: Sendable {
    /// In the order of the body.
    package var events: [(index: Int, event: Event)]
    /// Spans that report no call: they show how the calls around them are related.
    package let links: [SpanLink]
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

    /// The first events with all that is not an event, and the others in parts.
    func divided(elementLimit: Int) -> (batch: DecodedBatch, rest: BodyRest?) {
        guard events.count > elementLimit else { return (self, nil) }
        var first = self
        first.events.removeSubrange(elementLimit...)
        var rest = events[elementLimit...]
        let warnings = warnings
        let others = BodyRest { (limit) throws(MalformedBody) in
            let part = DecodedBatch(events: Array(rest.prefix(limit)), warnings: warnings)
            rest = rest.dropFirst(limit)
            return (part, rest.isEmpty)
        }
        return (first, others)
    }

    private init(events: [(index: Int, event: Event)], warnings: [String]) {
        self.events = events
        self.warnings = warnings
        links = []
        rejections = RejectedRecords()
        unknownFields = 0
        ignoredSpans = IgnoredSpans()
        ignoredLogRecords = IgnoredLogRecords()
        ignoredItems = [:]
        ignoredDataPoints = nil
    }

    init(
        events: [(index: Int, event: Event)], links: [SpanLink] = [], rejections: RejectedRecords,
        warnings: BodyWarnings, unknownFields: Int? = nil,
        ignoredSpans: IgnoredSpans = IgnoredSpans(), ignoredLogRecords: IgnoredLogRecords = IgnoredLogRecords(),
        ignoredItems: [LiteLLMNonCall: Int] = [:], ignoredDataPoints: Int? = nil
    ) {
        self.events = events
        self.links = links
        self.rejections = rejections
        self.warnings = warnings.messages
        self.unknownFields = unknownFields ?? warnings.unknownFields
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
    /// They are the openings of streams, whose calls other spans report.
    package let openedStreams: Int
    /// Those that report no call, by operation or name.
    package let names: [String: Int]

    init(otherSpans: Int = 0, openedStreams: Int = 0, names: [String: Int] = [:]) {
        self.otherSpans = otherSpans
        self.openedStreams = openedStreams
        self.names = names
    }
}
