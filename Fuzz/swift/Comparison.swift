import Formats
import Model

// Whether two decodings of a body say the same. Field by field: text made by reflection takes ten times as long as the
// decoding, and shows of a class its name alone.

extension DecodedBatch {
    func isLike(_ other: DecodedBatch) -> Bool {
        hasLikeEvents(as: other) && hasLikeRejections(as: other, where: ==)
            && rejections.counts == other.rejections.counts && warnings == other.warnings
            && unknownFields == other.unknownFields && ignoredSpans == other.ignoredSpans
            && ignoredLogRecords.byEvent.elementsEqual(other.ignoredLogRecords.byEvent, by: ==)
            && ignoredItems == other.ignoredItems && ignoredDataPoints == other.ignoredDataPoints
            && links.elementsEqual(other.links) { $0.isLike($1) }
    }

    func hasLikeEvents(as other: DecodedBatch) -> Bool {
        events.elementsEqual(other.events) { $0.index == $1.index && $0.event.isLike($1.event) }
    }

    func hasLikeRejections(
        as other: DecodedBatch, where isLike: (RecordRejection, RecordRejection) -> Bool
    ) -> Bool {
        rejections.listed.elementsEqual(other.rejections.listed) {
            $0.index == $1.index && $0.agentName == $1.agentName && isLike($0.rejection, $1.rejection)
        }
    }

    /// Its content as text, for a report.
    var described: String {
        var text = events.map { "\($0)" }.joined(separator: "\n")
        for listed in rejections.listed { text += "\n\(listed)" }
        text += "\n\(warnings) \(unknownFields) \(ignoredSpans) \(ignoredLogRecords.byEvent) \(ignoredItems) "
        return text + "\(ignoredDataPoints ?? -1) \(links)"
    }
}

extension Event {
    fileprivate func isLike(_ other: Event) -> Bool {
        switch (self, other) {
        case (.start(let one), .start(let other)): one.agentName == other.agentName && one.id == other.id
        case (.end(let one), .end(let other)): one.isLike(other)
        case (.uncounted(let one), .uncounted(let other)): one.agentName == other.agentName && one.id == other.id
        default: false
        }
    }
}

extension SpanLink {
    fileprivate func isLike(_ other: SpanLink) -> Bool {
        id == other.id && parentNumber == other.parentNumber && holdsCalls == other.holdsCalls
    }
}

extension CallRecord {
    /// The fields that `isLike` compares; `costSource` stands for two of them.
    private static let fieldCount = 18

    fileprivate func isLike(_ other: CallRecord) -> Bool {
        _ = Self.hasAllFields
        return labels == other.labels && status == other.status && errorType == other.errorType
            && usage == other.usage && cost == other.cost && costSource == other.costSource && isPlan == other.isPlan
            && details.isLike(other.details) { $0.isLike($1) } && time == other.time
            && latencyMicroseconds == other.latencyMicroseconds
            && apiLatencyMicroseconds == other.apiLatencyMicroseconds
            && timeToFirstTokenMicroseconds == other.timeToFirstTokenMicroseconds
            && memoryRSSMegabytes == other.memoryRSSMegabytes
            && memoryAvailableMegabytes == other.memoryAvailableMegabytes && id == other.id && trace == other.trace
            && report.isLike(other.report) { $0.isLike($1) }
    }

    /// A new field must not be forgotten here.
    private static let hasAllFields: Void = {
        let record = CallRecord(
            labels: SeriesLabels(agentName: LabelValue("a"), provider: LabelValue("p"), model: LabelValue("m")))
        let count = Mirror(reflecting: record).children.count
        require(count == fieldCount, "CallRecord has \(count) fields: compare all of them")
    }()
}

extension CallDetails {
    fileprivate func isLike(_ other: CallDetails) -> Bool {
        serviceTier == other.serviceTier && webSearches == other.webSearches
            && searchContextSize == other.searchContextSize && responseModel == other.responseModel
            && billing == other.billing && attributes == other.attributes
    }
}

extension CallReport {
    fileprivate func isLike(_ other: CallReport) -> Bool {
        self === other || content == other.content
    }

    /// Reports come with spans and log records alone: their texts take less time than these are worth.
    private var content: [String] {
        Mirror(reflecting: self).children.map { "\($0.label ?? ""): \($0.value)" }
    }
}

extension Optional {
    fileprivate func isLike(_ other: Wrapped?, _ areAlike: (Wrapped, Wrapped) -> Bool) -> Bool {
        switch (self, other) {
        case (nil, nil): true
        case (let one?, let other?): areAlike(one, other)
        default: false
        }
    }
}
