/// The encoding of a message of OTLP/HTTP (specification of OTLP, "OTLP/HTTP Request").
package enum OTLPEncoding: Sendable, Equatable {
    case protobuf
    case json

    /// - Parameter contentType: the header's value.
    /// - Returns: `nil` for another media type, and for none; the request is then answered with 415.
    package init?(contentType: String?) {
        let mediaType = (contentType ?? "").prefix { $0 != ";" }.filter { $0 != " " && $0 != "\t" }.lowercased()
        switch mediaType {
        case "application/x-protobuf", "application/protobuf": self = .protobuf
        case "application/json": self = .json
        default: return nil
        }
    }

    package var contentType: String {
        switch self {
        case .protobuf: "application/x-protobuf"
        case .json: "application/json"
        }
    }
}
