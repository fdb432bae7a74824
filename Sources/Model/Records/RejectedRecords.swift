/// The records of one request that were rejected: all are counted, the first are listed.
///
/// Bounded, because a body of a few bytes a record holds millions of them, and each message is longer than its record.
package struct RejectedRecords: Sendable {
    /// The first in order of their place in the body, at most `listedLimit`.
    package private(set) var listed: [Listed] = []
    /// All, by code.
    package private(set) var counts: [RecordRejection.Code: Int] = [:]

    package struct Listed: Sendable {
        /// The record's place in the body.
        package let index: Int
        /// `nil` if the record has no valid one.
        package let agentName: LabelValue?
        package let rejection: RecordRejection
    }

    /// Listed in one answer (docs/openapi.yaml, Acknowledgement).
    package static let listedLimit = 100

    private let listedLimit: Int

    /// - Parameter listedLimit: the most that are listed.
    package init(listedLimit: Int = Self.listedLimit) {
        self.listedLimit = listedLimit
    }

    package var isEmpty: Bool { counts.isEmpty }
    package var count: Int { counts.values.reduce(0, +) }

    /// - Parameters:
    ///   - index: the record's place in the body, above those added before.
    ///   - agentName: `nil` if the record has no valid one; read only if the rejection is kept.
    ///   - rejection: called only if it is kept.
    package mutating func append(
        index: Int, of agentName: @autoclosure () -> LabelValue?, _ code: RecordRejection.Code,
        _ rejection: () -> RecordRejection
    ) {
        counts[code, default: 0] += 1
        if isListing { listed.append(Listed(index: index, agentName: agentName(), rejection: rejection())) }
    }

    /// Whether the next one will be kept.
    package var isListing: Bool { listed.count < listedLimit }

    /// Both together; the first of both are listed.
    package func merging(_ other: RejectedRecords) -> RejectedRecords {
        if isEmpty { return other }
        if other.isEmpty { return self }
        var merged = self
        merged.counts.merge(other.counts, uniquingKeysWith: +)
        merged.listed = Array((listed + other.listed).sorted { $0.index < $1.index }.prefix(Self.listedLimit))
        return merged
    }
}
