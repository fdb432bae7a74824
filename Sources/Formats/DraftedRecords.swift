package import Model

/// Reads drafts, one after the other, as `RecordDecoder` reads the records of a body.
package struct DraftedRecords {
    private var records = RecordReader()
    private var warnings = BodyWarnings()

    /// - Parameters:
    ///   - arrival: the time of exemplars that have none of their own.
    ///   - idOwner: who all ids belong to, where they tell calls of all agents apart.
    package init(arrival: Instant, idOwner: LabelValue? = nil) {
        records.begin(idempotencyKey: nil, arrival: arrival, idOwner: idOwner)
    }

    /// - Parameter index: the record's place in the body.
    package mutating func read(_ draft: RecordDraft, index: Int) -> Result<Event, RecordRejection> {
        var draft = draft
        do throws(RecordFault) {
            return .success(try draft.read(index: index, isTold: true, by: &records, warnings: &warnings))
        } catch {
            return .failure(error.rejection())
        }
    }

    /// - Parameter read: what was read, with each record's place, in the order of places.
    package func batch(_ read: some Sequence<(index: Int, record: Result<Event, RecordRejection>)>) -> DecodedBatch {
        var events: [(index: Int, event: Event)] = []
        var rejections = RejectedRecords()
        for (index, record) in read {
            switch record {
            case .success(let event): events.append((index, event))
            case .failure(let rejection): rejections.append(index: index, rejection)
            }
        }
        return DecodedBatch(
            events: events, rejections: rejections, warnings: warnings.messages, unknownFields: warnings.unknownFields)
    }
}
