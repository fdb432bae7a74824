package import Model

/// Reads drafts into a batch, one after the other, as `RecordDecoder` reads the records of a body.
package struct DraftedRecords {
    private var records = RecordReader()
    private var events: [(index: Int, event: Event)] = []
    private var rejections = RejectedRecords()
    private var warnings = BodyWarnings()

    /// - Parameter arrival: the time of exemplars that have none of their own.
    package init(arrival: Instant) {
        records.begin(idempotencyKey: nil, arrival: arrival)
    }

    /// - Parameter index: the record's place in the body, above those taken before.
    package mutating func take(_ draft: RecordDraft, index: Int) {
        do throws(RecordRejection) {
            let event = try draft.withFields { (fields) throws(RecordRejection) in
                try records.read(fields, index: index, warnings: &warnings)
            }
            events.append((index, event))
        } catch {
            rejections.append(index: index, error)
        }
    }

    package var batch: DecodedBatch {
        DecodedBatch(
            events: events, rejections: rejections, warnings: warnings.messages, unknownFields: warnings.unknownFields)
    }
}
