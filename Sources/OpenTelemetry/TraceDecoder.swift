package import Bytes
package import Intake
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
    /// - Throws: when the body is no such message, as an empty one is to JSON, not to protobuf. A span at fault is among the rejections instead, by its place among all
    ///   spans of the request.
    package func decode(_ body: PaddedBytes) throws(MalformedBody) -> TraceBatch {
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

/// What one request's spans come to.
package struct TraceBatch: Sendable {
    package let batch: DecodedBatch
    package let ignored: IgnoredSpans
}

/// Spans that were not counted, and need not be.
package struct IgnoredSpans: Sendable, Equatable {
    /// They report no LLM call.
    package var otherSpans = 0
    /// Another span of the request reports the same call.
    package var repeatedReports = 0

    package init() {}
}
