package import Bytes
package import Model

/// Reads the records of a body and checks them against contract section 3.
package struct RecordDecoder: Sendable {
    package init() {}

    /// Decodes a whole body.
    package func decode(
        _ body: PaddedBytes, format: BodyFormat, idempotencyKey: IdempotencyKey?, arrival: Instant
    ) throws(MalformedBody) -> DecodedBatch {
        if body.isEmpty { throw MalformedBody(detail: "the body is empty") }
        return DecodedBatch(events: [], rejections: [], warnings: [], unknownFields: 0)
    }
}
