internal import Model

/// The place at which a body that was read in part is read on, and the state that its parts share.
struct BodyCursor {
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
