internal import Model

/// Where a body is read on that was read in part, and what its parts have in common.
struct BodyCursor {
    /// The place of the next object in the body.
    var index = 0
    /// Parts of an array, in order. They are JSON, as the array was read to its end.
    var slices: [ArraySlice] = []
    /// The lines behind them; `nil` if there are none.
    var lines: (offset: Int, number: Int)?
    /// Of all parts that were read.
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

/// Decodes the beginning of a JSON body, and makes what decodes the rest.
///
/// - Parameter part: decodes a part from a cursor, which is `nil` for the first.
func decodeJSON(
    elementLimit: Int,
    _ part: @escaping (inout BodyCursor?, Int) throws(MalformedBody) -> DecodedBatch
) throws(MalformedBody) -> (batch: DecodedBatch, rest: BodyRest?) {
    var cursor: BodyCursor?
    let batch = try part(&cursor, elementLimit)
    guard cursor?.isAtEnd == false else { return (batch, nil) }
    let rest = BodyRest { (limit) throws(MalformedBody) in
        let batch = try part(&cursor, limit)
        return (batch, cursor?.isAtEnd != false)
    }
    return (batch, rest)
}
