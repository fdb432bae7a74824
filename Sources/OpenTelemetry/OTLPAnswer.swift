internal import SwiftProtobuf

/// The bodies of answers (specification of OTLP, "OTLP/HTTP Response").
package enum OTLPAnswer {
    /// To an export of which all was taken: a message without fields, for any signal.
    package static func success(_ encoding: OTLPEncoding) -> [UInt8] {
        body(OTLPExportTraceServiceResponse(), encoding)
    }

    /// To an export of which some spans were not taken, and will not be if they are sent again.
    package static func partialSuccess(
        rejectedSpans: Int, message: String, _ encoding: OTLPEncoding
    ) -> [UInt8] {
        var response = OTLPExportTraceServiceResponse()
        response.partialSuccess.rejectedSpans = Int64(rejectedSpans)
        response.partialSuccess.errorMessage = message
        return body(response, encoding)
    }

    /// Why a request was refused as a whole: a `google.rpc.Status`.
    package static func error(status: Int, message: String, _ encoding: OTLPEncoding) -> [UInt8] {
        var error = OTLPErrorStatus()
        error.code = code(of: status)
        error.message = message
        return body(error, encoding)
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
