import HTTPServer
import Intake
import Model
import OpenTelemetry

/// What the body of a post holds, and so how it is read and answered.
enum PostContent: Sendable {
    /// Records of docs/openapi.yaml.
    case records(BodyFormat, IdempotencyKey?)
    /// What LiteLLM's generic API logger posts; the name is that of the header `X-Agent-Name`.
    case liteLLM(agentName: String?)
    /// Spans of OpenTelemetry.
    case traces(OTLPEncoding)

    init(_ request: borrowing Request, _ route: Route) throws(PostRefusal) {
        // What is posted to LiteLLM's route is told by its first byte: all of it is labelled `application/json`.
        if route == .liteLLM {
            self = .liteLLM(agentName: request.header("X-Agent-Name"))
            return
        }
        if route == .traces {
            self = .traces(try OTLPEncoding(request))
            return
        }
        guard let format = BodyFormat(contentType: request.header("Content-Type")) else {
            throw PostRefusal(
                415,
                "records come as JSON or NDJSON: add -H 'Content-Type: application/json' (or application/x-ndjson)",
                headers: [("Accept", "application/json, application/x-ndjson, application/jsonl")])
        }
        guard let header = request.header("Idempotency-Key") else {
            self = .records(format, nil)
            return
        }
        guard let key = IdempotencyKey(header: header) else {
            throw PostRefusal(400, "Idempotency-Key must have 1 to 200 bytes of UTF-8")
        }
        self = .records(format, key)
    }

    /// The answer to a post that was decided record by record.
    func acknowledgement(of outcome: BatchOutcome) -> Response {
        switch self {
        case .records:
            if outcome.isRefused {
                let count = outcome.rejections.count
                let detail = count == 1 ? "the record was rejected" : "all \(count) records were rejected"
                return Problem(status: 422, detail: detail + "; errors says why", outcome: outcome).response
            }
            if outcome.accepted == 1, outcome.duplicates == 0, outcome.rejections.isEmpty, outcome.warnings.isEmpty {
                return Self.oneAccepted
            }
            return Self.told(outcome)
        // Any error would make the logger throw its whole batch away.
        case .liteLLM: return Self.told(outcome)
        case .traces(let encoding):
            guard let (_, first) = outcome.rejections.listed.first else {
                if outcome.warnings.isEmpty { return .accepted(encoding) }
                // None rejected, and a message: a warning (opentelemetry-proto, `ExportTracePartialSuccess`).
                let message = outcome.warnings.joined(separator: "; ")
                return .otlp(200, OTLPAnswer.partialSuccess(rejectedSpans: 0, message: message, encoding), encoding)
            }
            return .otlp(
                200,
                OTLPAnswer.partialSuccess(
                    rejectedSpans: outcome.rejections.count,
                    message: "spans that report LLM calls were not counted; the first: \(first.message)", encoding),
                encoding)
        }
    }

    /// Whether the sender throws the body away where it is refused, whatever the answer says.
    var isSentOnce: Bool {
        if case .liteLLM = self { true } else { false }
    }

    /// Bodies up to this size are decoded on the server's thread: about half a millisecond.
    var inlineLimitBytes: Int {
        switch self {
        case .records, .liteLLM: 256 << 10
        case .traces: 32 << 10
        }
    }

    /// The answer to nearly all posts of one record, written once.
    private static let oneAccepted = told(
        BatchOutcome(accepted: 1, duplicates: 0, rejections: RejectedRecords(), warnings: []))

    private static func told(_ outcome: BatchOutcome) -> Response {
        var json = JSONWriter()
        json.object { json in outcome.write(to: &json) }
        return .json(200, json)
    }
}

extension OTLPEncoding {
    init(_ request: borrowing Request) throws(PostRefusal) {
        guard let encoding = OTLPEncoding(contentType: request.header("Content-Type")) else {
            throw PostRefusal(
                415, "OTLP comes as Content-Type: application/x-protobuf or application/json",
                headers: [("Accept", "application/x-protobuf, application/json")])
        }
        self = encoding
    }
}

extension Response {
    static func otlp(_ status: Int, _ body: [UInt8], _ encoding: OTLPEncoding) -> Response {
        Response(status: status, headers: [("Content-Type", encoding.contentType)], body: body)
    }

    /// All of an export was taken.
    static func accepted(_ encoding: OTLPEncoding) -> Response {
        .otlp(200, OTLPAnswer.success(encoding), encoding)
    }
}
