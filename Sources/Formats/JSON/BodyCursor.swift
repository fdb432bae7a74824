internal import Model

/// The place at which a body that was read in part is read on, and the state that its parts share.
package struct BodyCursor {
    /// The place of the next object in the body.
    var index = 0
    /// Parts of an array, in order. They are JSON, as the array was read to its end.
    var slices: [ArraySlice] = []
    /// The lines behind them; `nil` at the end of the body.
    var lines: (offset: Int, number: Int)?
    /// The warnings of all parts that were read.
    var warnings = BodyWarnings()
    /// Rejections that the parts have listed.
    var listedCount = 0

    /// Elements of an array: bytes of the body, without the brackets and the comma at the end.
    struct ArraySlice {
        let range: Range<Int>
        /// The line that the array stands on; `nil` if the array is the body.
        let line: Int?
    }

    var isAtEnd: Bool { slices.isEmpty && lines == nil }
}

extension BodyRest {
    /// The rest of a JSON body.
    ///
    /// - Parameter part: decodes a part from a cursor; `next` is `nil` after the last.
    convenience init(
        from cursor: BodyCursor,
        _ part: @escaping (BodyCursor, Int) throws(MalformedBody) -> (batch: DecodedBatch, next: BodyCursor?)
    ) {
        var place: BodyCursor? = cursor
        self.init { (limit) throws(MalformedBody) in
            let (batch, next) = try part(place ?? BodyCursor(), limit)
            place = next
            return (batch, next == nil)
        }
    }
}
