package import Bodies
package import HTTP
package import Model

/// Metrics of OpenTelemetry, as `POST /v1/metrics` takes them: counted as data points that were ignored, and dropped.
///
/// Metrics are sums over calls that have no ids. Counted, they would repeat what traces and logs report, and a retry
/// would count twice.
package struct OTLPMetricsFormat: Format {
    private let encoding: OTLPEncoding

    package init(_ encoding: OTLPEncoding) {
        self.encoding = encoding
    }

    package var intake: ReportingIntake? { nil }
    package var inlineLimitBytes: Int { 256 << 10 }
    package var isSentOnce: Bool { false }

    /// - Throws: if the body is not an `ExportMetricsServiceRequest` (an empty body is one in protobuf, not in JSON).
    package func decode(_ body: PaddedBytes, arrival: Instant) throws(MalformedBody) -> DecodedBatch {
        let dataPoints =
            switch encoding {
            case .protobuf: try ProtobufDataPoints.count(in: body)
            case .json: try JSONDataPoints.count(in: body)
            }
        return DecodedBatch(
            events: [], rejections: RejectedRecords(), warnings: BodyWarnings(), ignoredDataPoints: dataPoints)
    }

    package func answer(to outcome: Outcome) -> Response {
        if outcome.ignoredDataPoints == 0 { return OTLPAnswer.success(encoding) }
        return OTLPAnswer.partialSuccess(
            rejected: outcome.ignoredDataPoints, of: .metrics,
            message: "metrics are not counted, as they have neither calls nor ids; send traces or logs to count calls, "
                + "and set OTEL_METRICS_EXPORTER=none to stop the metrics",
            encoding)
    }
}
