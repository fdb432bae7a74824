/// Lines of a file that are sent in one request.
struct Batch: Sendable {
    let lines: [Line]
    /// Where the batch ends: a later run begins there.
    let end: FilePosition
    /// The batch's number in the order of the file, from 0.
    let number: Int

    struct Line: Sendable {
        /// The line's number in the file, from 1.
        let number: Int
        /// Ends in a line feed.
        let text: [UInt8]
    }
}
