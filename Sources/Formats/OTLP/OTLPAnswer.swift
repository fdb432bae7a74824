internal import Bodies
package import HTTP
internal import Model

/// The bodies of answers (specification of OTLP, "OTLP/HTTP Response").
package enum OTLPAnswer {
    /// To an export that was taken whole: a message without fields, for any signal.
    package static func success(_ encoding: OTLPEncoding) -> Response {
        switch encoding {
        case .protobuf: response(200, ProtobufWriter().bytes, encoding)
        case .json:
            json(200) { _ in }
        }
    }

    /// To an export whose calls were counted, as far as they could be.
    static func counted(_ outcome: Outcome, of signal: OTLPSignal, _ encoding: OTLPEncoding) -> Response {
        guard let first = outcome.rejections.listed.first?.rejection else {
            if outcome.warnings.isEmpty { return success(encoding) }
            // Nothing was rejected and there is a message: that is a warning (opentelemetry-proto,
            // `ExportTracePartialSuccess`).
            return partialSuccess(
                rejected: 0, of: signal, message: outcome.warnings.joined(separator: "; "), encoding)
        }
        return partialSuccess(
            rejected: outcome.rejections.count, of: signal,
            message: "\(signal.parts) that report LLM calls were not counted; the first: \(first.message)", encoding)
    }

    /// To an export with parts that were not counted, and will not be if they are sent again.
    package static func partialSuccess(
        rejected: Int, of signal: OTLPSignal, message: String, _ encoding: OTLPEncoding
    ) -> Response {
        switch encoding {
        case .protobuf:
            // `ExportTraceServiceResponse`, `ExportLogsServiceResponse`, `ExportMetricsServiceResponse`.
            var answer = ProtobufWriter()
            answer.message(1) { partialSuccess in
                partialSuccess.integer(1, Int64(rejected))
                partialSuccess.string(2, message)
            }
            return response(200, answer.bytes, encoding)
        case .json:
            return json(200) { json in
                json.key("partialSuccess")
                json.object { json in
                    // 64-bit integers are text in protobuf's JSON.
                    if rejected != 0 {
                        json.key(signal.rejectedCount)
                        json.string("\(rejected)")
                    }
                    if !message.isEmpty {
                        json.key("errorMessage")
                        json.string(message)
                    }
                }
            }
        }
    }

    /// Why a request was refused as a whole: a `google.rpc.Status` in the request's own encoding.
    package static func error(_ problem: Problem, _ encoding: OTLPEncoding) -> Response {
        // 507 becomes 503: of the statuses that applied nothing, OTLP senders try again after 429, 502, 503 and 504
        // only.
        let status = problem.status == 507 ? 503 : problem.status
        let code = code(of: status)
        var answer: Response
        switch encoding {
        case .protobuf:
            var error = ProtobufWriter()
            error.integer(1, code)
            error.string(2, problem.detail)
            answer = response(status, error.bytes, encoding)
        case .json:
            answer = json(status) { json in
                json.key("code")
                json.number(code)
                if !problem.detail.isEmpty {
                    json.key("message")
                    json.string(problem.detail)
                }
            }
        }
        answer.headers += problem.headers
        answer.closesConnection = problem.closesConnection
        return answer
    }

    private static func json(_ status: Int, _ members: (inout JSONWriter) -> Void) -> Response {
        var json = JSONWriter()
        json.object(members)
        return response(status, json.bytes, .json)
    }

    private static func response(_ status: Int, _ body: [UInt8], _ encoding: OTLPEncoding) -> Response {
        Response(status: status, headers: [("Content-Type", encoding.contentType)], body: body)
    }

    /// The code of google/rpc/code.proto that its HTTP mapping gives the status.
    private static func code(of status: Int) -> Int64 {
        switch status {
        case 400, 415: 3  // INVALID_ARGUMENT
        case 401: 16  // UNAUTHENTICATED
        case 403: 7  // PERMISSION_DENIED
        case 404: 5  // NOT_FOUND
        case 405: 12  // UNIMPLEMENTED
        case 413, 429: 8  // RESOURCE_EXHAUSTED
        case 503: 14  // UNAVAILABLE
        default: 13  // INTERNAL
        }
    }
}
