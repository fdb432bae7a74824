/// What the exporter says of a batch: counts in a 200, a reason in a problem (RFC 9457), errors of records in both.
struct Reply: Decodable, Sendable {
    struct RecordError: Decodable, Sendable {
        var field: String?
        var code: String?
        var message: String?
    }

    var accepted: Int?
    var duplicates: Int?
    var errors: [RecordError]?
    var detail: String?
}
