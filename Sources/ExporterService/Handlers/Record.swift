import Bytes
import ContentCoding
import HTTPServer
import Intake
import Model

extension Service {
    /// `POST /record`: bytes to records here, on the server's thread; records to totals on the ledger's queue.
    func record(_ request: borrowing Request, _ reply: Reply) {
        let batch: DecodedBatch
        do throws(Refusal) {
            batch = try decode(request)
        } catch {
            reply.send(error.problem)
            return
        }
        ledger.submit(batch.events) { [metrics] result in
            switch result {
            case .success(let verdict):
                let outcome = BatchOutcome(
                    accepted: verdict.accepted, duplicates: verdict.duplicates,
                    rejections: batch.rejections.merging(verdict.rejections), warnings: batch.warnings)
                metrics.took(outcome, unknownFields: batch.unknownFields)
                reply.send(Self.acknowledgement(of: outcome))
            case .failure(.tooManyOpenCalls):
                reply.send(
                    .retryLater(
                        "\(OpenCalls.limit) calls are in flight already; nothing was applied. "
                            + "Calls end with their end record or after --active-calls.lease"))
            }
        }
    }

    private struct Refusal: Error {
        let problem: Problem

        init(_ status: Int, _ detail: String, headers: [(name: String, value: String)] = []) {
            problem = Problem(status: status, detail: detail, headers: headers)
        }

        init(_ problem: Problem) {
            self.problem = problem
        }
    }

    private func decode(_ request: borrowing Request) throws(Refusal) -> DecodedBatch {
        guard let format = BodyFormat(contentType: request.header("Content-Type")) else {
            throw Refusal(
                415,
                "records come as JSON or NDJSON: add -H 'Content-Type: application/json' (or application/x-ndjson)",
                headers: [("Accept", "application/json, application/x-ndjson, application/jsonl")])
        }
        var key: IdempotencyKey?
        if let header = request.header("Idempotency-Key") {
            key = IdempotencyKey(header: header)
            if key == nil { throw Refusal(400, "Idempotency-Key must have 1 to 200 bytes of UTF-8") }
        }
        let body = try decoded(request)
        guard !body.isEmpty else {
            throw Refusal(400, "the body is empty: send one record as a JSON object, several as an array or NDJSON")
        }
        do throws(MalformedBody) {
            return try RecordDecoder().decode(body, format: format, idempotencyKey: key, arrival: clock())
        } catch {
            throw Refusal(400, error.detail)
        }
    }

    /// The body without its content coding.
    private func decoded(_ request: borrowing Request) throws(Refusal) -> PaddedBytes {
        let name = request.header("Content-Encoding") ?? ""
        if name.isEmpty || name.lowercased() == "identity" || request.body.isEmpty { return request.body }
        guard let coding = ContentCoding(token: name) else {
            let known = ContentCoding.allCases.map(\.rawValue).joined(separator: ", ")
            throw Refusal(
                415, "this Content-Encoding is not known; use one of \(known), or none",
                headers: [("Accept-Encoding", known)])
        }
        do throws(ContentCoding.Failure) {
            return try coding.decode(request.body, limit: settings.bodyLimitBytes)
        } catch {
            switch error {
            case .malformed:
                throw Refusal(
                    400,
                    "the body is not whole \(coding.rawValue): check Content-Encoding, and that nothing was cut off")
            case .tooLarge: throw Refusal(bodyTooLarge)
            case .outOfMemory: throw Refusal(.retryLater("no memory to decode this body; nothing was applied"))
            }
        }
    }

    private static func acknowledgement(of outcome: BatchOutcome) -> Response {
        if outcome.isRefused {
            let count = outcome.rejections.count
            let detail = count == 1 ? "the record was rejected" : "all \(count) records were rejected"
            return Problem(status: 422, detail: detail + "; errors says why", outcome: outcome).response
        }
        var json = JSONWriter()
        json.object { json in outcome.write(to: &json) }
        return .json(200, json)
    }
}
