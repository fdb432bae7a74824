package import Model

/// What one body holds: the events to count and the records that break a rule.
package struct DecodedBatch: Sendable {
    /// In the order of the body.
    package var events: [(index: Int, event: Event)]
    package let rejections: RejectedRecords
    /// For the sender; no two alike, and few.
    package let warnings: [String]
    /// Fields that the contract does not know, counted each time they occur.
    package let unknownFields: Int
}

/// Why a body was refused as a whole. Nothing of it is applied.
package struct MalformedBody: Error, Sendable {
    /// What is wrong, where, and what to do, for a person.
    package let detail: String

    package init(detail: String) {
        self.detail = detail
    }
}
