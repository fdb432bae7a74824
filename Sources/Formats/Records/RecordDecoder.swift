package import Bodies
package import Model

/// Reads the records of a body and checks them against docs/openapi.yaml.
///
/// One body at a time. Between bodies it keeps its buffers and the last names, but nothing of the records.
package final class RecordDecoder {
    /// `nil` while a body is read, and after a large one.
    private var reader: JSONReader?
    /// `nil` while a body is read, so that its buffers have one owner.
    private var rules: RecordRules?

    /// The buffers for a larger body are freed after it.
    private static let keptBodyBytes = 1 << 20

    package init() {}

    /// Decodes a body, or a part of it.
    ///
    /// - Parameters:
    ///   - arrival: the time of exemplars that have none of their own.
    ///   - cursor: where the body is read on; `nil` for its beginning.
    ///   - elementLimit: about as many records as are decoded at most.
    /// - Returns: the records, and where the next part begins; `nil` at the end of the body.
    /// - Throws: if the body as a whole is not JSON, or neither records nor a list of them. A record or a line at fault
    ///   is among the rejections instead, and the others are taken.
    func decode(
        _ body: PaddedBytes, format: BodyFormat, idempotencyKey: IdempotencyKey?, arrival: Instant,
        from cursor: BodyCursor?, elementLimit: Int
    ) throws(MalformedBody) -> (batch: DecodedBatch, next: BodyCursor?) {
        // Safe: no text or object leaves the closure, only values made of them.
        try unsafe body.withUnsafeBytes { (bytes) throws(MalformedBody) in
            let text = unsafe BorrowedBytes(bytes.assumingMemoryBound(to: UInt8.self))
            var rules = self.rules.take() ?? RecordRules()
            rules.begin(idempotencyKey: idempotencyKey, arrival: arrival)
            var walk = BodyWalk(
                reader.take() ?? JSONReader(keyTable: Field.keyTable), RecordObjects(consume rules),
                from: cursor ?? BodyCursor(), elementLimit: elementLimit)
            var malformed: MalformedBody?
            do throws(MalformedBody) {
                if cursor == nil { try walk.read(text, format: format) } else { walk.readOn(text) }
            } catch {
                malformed = error
            }
            let batch = walk.batch
            let next = walk.next
            self.rules = walk.objects.rules
            if bytes.count <= Self.keptBodyBytes { reader = walk.endReading() }
            if let malformed { throw malformed }
            return (batch, next)
        }
    }

    /// Decodes a whole body.
    package func decode(
        _ body: PaddedBytes, format: BodyFormat, idempotencyKey: IdempotencyKey?, arrival: Instant
    ) throws(MalformedBody) -> DecodedBatch {
        try decode(
            body, format: format, idempotencyKey: idempotencyKey, arrival: arrival, from: nil, elementLimit: .max
        ).batch
    }
}
