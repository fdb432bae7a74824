/// The records of one request that were rejected: all are counted, the first are listed.
///
/// Bounded, because a body of a few bytes a record holds millions of them, and each message is longer than its record.
package struct RejectedRecords: Sendable {
    /// The first in order of their place in the body, at most `listedLimit`.
    package private(set) var listed: [(index: Int, rejection: RecordRejection)] = []
    /// All, by code.
    package private(set) var counts: [RecordRejection.Code: Int] = [:]

    /// Listed in one answer (docs/openapi.yaml, Acknowledgement).
    package static let listedLimit = 100

    package init() {}

    package var isEmpty: Bool { counts.isEmpty }
    package var count: Int { counts.values.reduce(0, +) }

    /// - Parameter index: the record's place in the body, above those added before.
    package mutating func append(index: Int, _ rejection: RecordRejection) {
        append(index: index, rejection.code) { rejection }
    }

    /// - Parameter rejection: called only if it is kept.
    package mutating func append(index: Int, _ code: RecordRejection.Code, _ rejection: () -> RecordRejection) {
        counts[code, default: 0] += 1
        if isListing { listed.append((index, rejection())) }
    }

    /// Whether the next one will be kept.
    package var isListing: Bool { listed.count < Self.listedLimit }

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
