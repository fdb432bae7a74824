package import Bodies
package import Model

/// Makes records of the spans that report LLM calls, of one request to `/v1/traces` (opentelemetry-proto 1.9,
/// `ExportTraceServiceRequest`).
package struct TraceDecoder: Sendable {
    private let encoding: OTLPEncoding
    private let arrival: Instant

    /// - Parameter arrival: the time of exemplars that have none of their own.
    package init(_ encoding: OTLPEncoding, arrival: Instant) {
        self.encoding = encoding
        self.arrival = arrival
    }

    /// Decodes a whole body.
    ///
    /// - Throws: if the body is not an ExportTraceServiceRequest (an empty body is valid protobuf, not valid JSON). A span
    ///   that breaks a rule is among the rejections instead, by its place among all spans of the request.
    package func decode(_ body: PaddedBytes) throws(MalformedBody) -> DecodedBatch {
        var spans = RequestSpans()
        switch encoding {
        case .protobuf: try ProtobufRequest.read(body, into: &spans)
        case .json: try JSONRequest.read(body, into: &spans)
        }
        return spans.batch(arrival: arrival)
    }
}

extension MalformedBody {
    static func unreadable(_ encoding: OTLPEncoding) -> MalformedBody {
        MalformedBody(
            detail: "the body is no ExportTraceServiceRequest in \(encoding.contentType): check Content-Type, and that "
                + "nothing was cut off")
    }
}
