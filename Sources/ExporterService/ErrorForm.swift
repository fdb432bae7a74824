import HTTPServer
import OpenTelemetry

/// How a request is told that it was refused.
enum ErrorForm: Sendable {
    /// As RFC 9457 has it.
    case problem
    /// As OTLP has it: a `google.rpc.Status` in the request's own encoding.
    case status(OTLPEncoding)

    /// - Parameter request: one whose encoding is not known is answered in JSON, for people.
    static func otlp(_ request: borrowing Request) -> ErrorForm {
        .status(OTLPEncoding(contentType: request.header("Content-Type")) ?? .json)
    }

    func response(to problem: Problem) -> Response {
        switch self {
        case .problem: return problem.response
        case .status(let encoding):
            // Of those that applied nothing, senders of OTLP try again after 429, 502, 503 and 504 alone.
            let status = problem.status == 507 ? 503 : problem.status
            var response = Response.otlp(
                status, OTLPAnswer.error(status: status, message: problem.detail, encoding), encoding)
            response.headers += problem.headers
            response.closesConnection = problem.closesConnection
            return response
        }
    }
}
