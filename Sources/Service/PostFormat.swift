import Formats
import HTTP

extension Route {
    /// The format of a post to this route.
    func format(of request: borrowing Request, _ decoders: RecordDecoders) throws(PostRefusal) -> any Format {
        // The first byte decides how LiteLLM's body is laid out: the logger labels all of them `application/json`.
        if self == .liteLLM { return LiteLLMFormat(agentName: request.header("X-Agent-Name")) }
        if self == .traces {
            guard let encoding = OTLPEncoding(contentType: request.header("Content-Type")) else {
                throw PostRefusal(
                    415, "OTLP comes as Content-Type: application/x-protobuf or application/json",
                    headers: [("Accept", "application/x-protobuf, application/json")])
            }
            return TracesFormat(encoding)
        }
        guard let layout = BodyFormat(contentType: request.header("Content-Type")) else {
            throw PostRefusal(
                415,
                "records come as JSON or NDJSON: add -H 'Content-Type: application/json' (or application/x-ndjson)",
                headers: [("Accept", "application/json, application/x-ndjson, application/jsonl")])
        }
        var key: IdempotencyKey?
        if let header = request.header("Idempotency-Key") {
            key = IdempotencyKey(header: header)
            if key == nil { throw PostRefusal(400, "Idempotency-Key must have 1 to 200 bytes of UTF-8") }
        }
        return RecordsFormat(layout, idempotencyKey: key, decoders: decoders)
    }
}
