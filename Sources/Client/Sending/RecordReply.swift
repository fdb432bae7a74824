internal import FoundationEssentials

/// What the exporter answers to records (docs/openapi.yaml).
struct RecordReply {
    let accepted: Int
    let duplicates: Int
    let rejections: [Rejection]
    let warnings: [String]

    struct Rejection: Decodable {
        /// The record's place in the body, from 0.
        let index: Int?
        let message: String
    }

    /// - Parameters:
    ///   - body: of a 200 or 422.
    ///   - records: how many were sent.
    /// - Returns: `nil` where it is no exporter's answer to so many records.
    init?(_ body: [UInt8], status: Int, records: Int) {
        if status == 200 {
            guard let reply = try? JSONDecoder().decode(Counted.self, from: Data(body)),
                [reply.accepted, reply.duplicates, reply.rejected].allSatisfy({ (0...records).contains($0) }),
                reply.accepted + reply.duplicates + reply.rejected == records
            else { return nil }
            accepted = reply.accepted
            duplicates = reply.duplicates
            rejections = reply.errors
            warnings = reply.warnings ?? []
        } else {
            // A problem: every one was rejected.
            guard let reply = try? JSONDecoder().decode(Refused.self, from: Data(body)), reply.status == status,
                !reply.errors.isEmpty
            else { return nil }
            accepted = 0
            duplicates = 0
            rejections = reply.errors
            warnings = []
        }
    }

    private struct Counted: Decodable {
        let accepted: Int
        let duplicates: Int
        let rejected: Int
        let errors: [Rejection]
        let warnings: [String]?
    }

    private struct Refused: Decodable {
        let status: Int
        let errors: [Rejection]
    }
}

/// The part of a problem (RFC 9457) for people.
struct ProblemDetail: Decodable {
    let detail: String
}

/// Any JSON object: tells a whole line from the beginning of one.
struct AnyObject: Decodable {
    private enum NoKeys: CodingKey {}

    init(from decoder: any Decoder) throws {
        _ = try decoder.container(keyedBy: NoKeys.self)
    }
}
