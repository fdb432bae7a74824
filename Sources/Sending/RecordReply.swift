internal import FoundationEssentials

/// What the exporter answers to records (contract section 3), with 200 or 422.
struct RecordReply: Decodable {
    var accepted = 0
    var duplicates = 0
    var errors: [Rejection] = []

    struct Rejection: Decodable {
        /// The record's place in the body, from 0; none where the body as a whole is at fault.
        let index: Int?
        let message: String
    }

    private enum CodingKeys: String, CodingKey {
        case accepted, duplicates, errors
    }

    init(from decoder: any Decoder) throws {
        let reply = try decoder.container(keyedBy: CodingKeys.self)
        // The problem of a 422 tells the errors alone.
        accepted = try reply.decodeIfPresent(Int.self, forKey: .accepted) ?? 0
        duplicates = try reply.decodeIfPresent(Int.self, forKey: .duplicates) ?? 0
        errors = try reply.decodeIfPresent([Rejection].self, forKey: .errors) ?? []
    }
}

/// The part of a problem (RFC 9457) for people.
struct ProblemDetail: Decodable {
    let detail: String
}
