package import Bodies
package import HTTP
package import Model

/// Call records of docs/openapi.yaml, as `POST /record` takes them.
package struct RecordsFormat: JSONFormat {
    private let layout: BodyFormat
    private let idempotencyKey: IdempotencyKey?
    private let decoders: RecordDecoders

    package init(_ layout: BodyFormat, idempotencyKey: IdempotencyKey?, decoders: RecordDecoders) {
        self.layout = layout
        self.idempotencyKey = idempotencyKey
        self.decoders = decoders
    }

    package var intake: ReportingIntake? { .record }
    package var isSentOnce: Bool { false }

    package func decode(
        _ body: PaddedBytes, arrival: Instant, from cursor: BodyCursor?, elementLimit: Int
    ) throws(MalformedBody) -> (batch: DecodedBatch, next: BodyCursor?) {
        let decoder = decoders.take()
        defer { decoders.give(decoder) }
        return try decoder.decode(
            body, format: layout, idempotencyKey: idempotencyKey, arrival: arrival, from: cursor,
            elementLimit: elementLimit)
    }

    package func answer(to outcome: Outcome) -> Response {
        if outcome.isRefused {
            let count = outcome.rejections.count
            let detail = count == 1 ? "the record was rejected" : "all \(count) records were rejected"
            let problem = Problem(status: 422, detail: detail + "; errors says why") { json in
                outcome.write(to: &json)
            }
            return problem.response
        }
        if outcome.accepted == 1, outcome.duplicates + outcome.uncounted == 0, outcome.rejections.isEmpty,
            outcome.warnings.isEmpty
        {
            return Self.oneAccepted
        }
        return outcome.acknowledgement
    }

    /// The answer to nearly all posts of one record, written once.
    private static let oneAccepted = {
        var outcome = Outcome()
        outcome.accepted = 1
        return outcome.acknowledgement
    }()
}
