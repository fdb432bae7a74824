import Bytes
import ContentCoding
import HTTPServer
import Intake
import Model

/// What a post says of its body, and the body.
struct RecordPost: Sendable {
    let format: BodyFormat
    let key: IdempotencyKey?
    /// `nil` is none.
    let coding: ContentCoding?
    /// As it came over the wire.
    let body: PaddedBytes

    init(_ request: borrowing Request) throws(PostRefusal) {
        guard let format = BodyFormat(contentType: request.header("Content-Type")) else {
            throw PostRefusal(
                415,
                "records come as JSON or NDJSON: add -H 'Content-Type: application/json' (or application/x-ndjson)",
                headers: [("Accept", "application/json, application/x-ndjson, application/jsonl")])
        }
        self.format = format
        if let header = request.header("Idempotency-Key") {
            key = IdempotencyKey(header: header)
            if key == nil { throw PostRefusal(400, "Idempotency-Key must have 1 to 200 bytes of UTF-8") }
        } else {
            key = nil
        }
        body = request.body
        let name = request.header("Content-Encoding") ?? ""
        if name.isEmpty || name.lowercased() == "identity" || body.isEmpty {
            coding = nil
            return
        }
        coding = ContentCoding(token: name)
        if coding == nil {
            let known = ContentCoding.allCases.map(\.rawValue).joined(separator: ", ")
            throw PostRefusal(
                415, "this Content-Encoding is not known; use one of \(known), or none",
                headers: [("Accept-Encoding", known)])
        }
    }

    /// The body without its content coding; `nil` where it has more than `limit` bytes.
    func decoded(limit: Int) throws(PostRefusal) -> PaddedBytes? {
        guard let coding else { return body.count <= limit ? body : nil }
        do throws(ContentCoding.Failure) {
            return try coding.decode(body, limit: limit)
        } catch {
            switch error {
            case .malformed:
                throw PostRefusal(
                    400,
                    "the body is not whole \(coding.rawValue): check Content-Encoding, and that nothing was cut off")
            case .tooLarge: return nil
            case .outOfMemory: throw PostRefusal(.retryLater("no memory to decode this body; nothing was applied"))
            }
        }
    }

    func batch(_ body: PaddedBytes, by decoder: RecordDecoder, arrival: Instant) throws(PostRefusal) -> DecodedBatch {
        guard !body.isEmpty else {
            throw PostRefusal(400, "the body is empty: send one record as a JSON object, several as an array or NDJSON")
        }
        do throws(MalformedBody) {
            return try decoder.decode(body, format: format, idempotencyKey: key, arrival: arrival)
        } catch {
            throw PostRefusal(400, error.detail)
        }
    }
}

/// Why a body was not decoded.
struct PostRefusal: Error {
    let problem: Problem

    init(_ status: Int, _ detail: String, headers: [(name: String, value: String)] = []) {
        problem = Problem(status: status, detail: detail, headers: headers)
    }

    init(_ problem: Problem) {
        self.problem = problem
    }
}
