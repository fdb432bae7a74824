package import HTTP
internal import SwiftProtobuf

/// The bodies of answers (specification of OTLP, "OTLP/HTTP Response").
package enum OTLPAnswer {
    /// To an export of which all was taken: a message without fields, for any signal.
    package static func success(_ encoding: OTLPEncoding) -> Response {
        response(200, OTLPExportTraceServiceResponse(), encoding)
    }

    /// To an export of which some spans were not taken, and will not be if they are sent again.
    package static func partialSuccess(
        rejectedSpans: Int, message: String, _ encoding: OTLPEncoding
    ) -> Response {
        var response = OTLPExportTraceServiceResponse()
        response.partialSuccess.rejectedSpans = Int64(rejectedSpans)
        response.partialSuccess.errorMessage = message
        return Self.response(200, response, encoding)
    }

    /// Why a request was refused as a whole: a `google.rpc.Status` in the request's own encoding.
    package static func error(_ problem: Problem, _ encoding: OTLPEncoding) -> Response {
        // 507 becomes 503: of the statuses that applied nothing, OTLP senders try again after 429, 502, 503 and 504 only.
        let status = problem.status == 507 ? 503 : problem.status
        var error = OTLPErrorStatus()
        error.code = code(of: status)
        error.message = problem.detail
        var response = response(status, error, encoding)
        response.headers += problem.headers
        response.closesConnection = problem.closesConnection
        return response
    }

    private static func response(_ status: Int, _ message: some Message, _ encoding: OTLPEncoding) -> Response {
        Response(
            status: status, headers: [("Content-Type", encoding.contentType)], body: body(message, encoding))
    }

    private static func body(_ message: some Message, _ encoding: OTLPEncoding) -> [UInt8] {
        // Neither fails: no field is required, and all text is UTF-8.
        switch encoding {
        case .protobuf: (try? message.serializedBytes()) ?? []
        case .json: (try? message.jsonUTF8Bytes()) ?? []
        }
    }

    /// The code of google/rpc/code.proto that its HTTP mapping gives the status.
    private static func code(of status: Int) -> Int32 {
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
