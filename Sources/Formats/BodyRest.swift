/// The part of a body that is not decoded yet, for one thread at a time.
///
/// A large body is decoded in parts, so that neither its memory nor its work is that of all its records at once. Its
/// first part is decoded only after the whole body is known to be of its format.
package final class BodyRest: @unchecked Sendable {
    // Unchecked: one thread at a time calls `next`.
    private let decode: (Int) throws(MalformedBody) -> (batch: DecodedBatch, isLast: Bool)
    /// Whether `next` has returned the last part.
    package private(set) var isAtEnd = false

    /// - Parameter decode: returns a part of at most so many elements, and whether it is the last.
    init(_ decode: @escaping (Int) throws(MalformedBody) -> (batch: DecodedBatch, isLast: Bool)) {
        self.decode = decode
    }

    /// The next part. Its warnings are those of all parts so far.
    ///
    /// - Parameter elementLimit: about as many elements as it has at most.
    /// - Throws: not if the first part was decoded; then earlier parts may have been taken.
    package func next(elementLimit: Int) throws(MalformedBody) -> DecodedBatch {
        let part = try decode(elementLimit)
        isAtEnd = part.isLast
        return part.batch
    }
}
