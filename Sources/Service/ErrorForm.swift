import Formats
import HTTP

/// The form in which a route's refusals are written.
enum ErrorForm: Sendable {
    /// RFC 9457.
    case problem
    /// A `google.rpc.Status` in this encoding, as OTLP has it.
    case status(OTLPEncoding)

    /// - Parameter request: JSON, for people, if its encoding is not known.
    static func otlp(_ request: borrowing Request) -> ErrorForm {
        .status(OTLPEncoding(contentType: request.header("Content-Type")) ?? .json)
    }

    func response(to problem: Problem) -> Response {
        switch self {
        case .problem: problem.response
        case .status(let encoding): OTLPAnswer.error(problem, encoding)
        }
    }
}
