import Bodies
import Formats
import Glibc
import Model

let arrival = Instant(unixMilliseconds: 1_750_000_000_000)

func decode(
    _ body: String, _ format: BodyFormat = .json, key: String? = nil
) throws(MalformedBody) -> DecodedBatch {
    try decode(Array(body.utf8), format, key: key)
}

func decode(
    _ body: [UInt8], _ format: BodyFormat = .json, key: String? = nil
) throws(MalformedBody) -> DecodedBatch {
    try RecordDecoder().decode(
        PaddedBytes(body), format: format, idempotencyKey: key.flatMap(IdempotencyKey.init(header:)), arrival: arrival)
}

/// A record that obeys every rule, with `members` after the required fields.
func record(_ members: String = "") -> String {
    #"{"agent_name":"ReviewerGPT","provider":"openai","model":"gpt-4o-mini""#
        + (members.isEmpty ? "" : "," + members) + "}"
}

extension DecodedBatch {
    /// The only event, if it is the end of a call and nothing was rejected.
    var onlyRecord: CallRecord? {
        guard events.count == 1, rejections.isEmpty, case .end(let record) = events[0].event else { return nil }
        return record
    }

    /// The only rejection, if nothing was taken.
    var onlyRejection: RecordRejection? {
        events.isEmpty && rejections.count == 1 ? rejections.listed[0].rejection : nil
    }
}

func decodeArriving(_ body: String, at arrival: Instant) throws(MalformedBody) -> DecodedBatch {
    try RecordDecoder().decode(PaddedBytes(Array(body.utf8)), format: .json, idempotencyKey: nil, arrival: arrival)
}

/// Decodes a body whose padding repeats `tail`.
func decodeBeforeTail(_ body: String, tail: String) throws(MalformedBody) -> DecodedBatch {
    let bytes = Array(body.utf8)
    let block = unsafe UnsafeMutableRawBufferPointer(
        start: malloc(bytes.count + PaddedBytes.padding), count: bytes.count + PaddedBytes.padding)
    let padding = (0..<PaddedBytes.padding).map { Array(tail.utf8)[$0 % tail.utf8.count] }
    unsafe block.copyBytes(from: bytes + padding)
    let padded = unsafe PaddedBytes(adopting: block.baseAddress, count: bytes.count)
    return try RecordDecoder().decode(padded, format: .json, idempotencyKey: nil, arrival: arrival)
}
