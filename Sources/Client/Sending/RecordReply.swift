internal import FoundationEssentials

/// The exporter's answer to records (docs/openapi.yaml).
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
    ///   - body: of an answer with status 200 or 422.
    ///   - records: how many were sent.
    /// - Returns: `nil` if it is not an exporter's answer to that many records.
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
            // A problem: every record was rejected.
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
