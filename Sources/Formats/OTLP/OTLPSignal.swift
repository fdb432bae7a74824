/// What an export of OTLP carries.
package enum OTLPSignal: Sendable {
    case traces
    case logs
    case metrics

    /// The message of its export.
    var request: String {
        switch self {
        case .traces: "ExportTraceServiceRequest"
        case .logs: "ExportLogsServiceRequest"
        case .metrics: "ExportMetricsServiceRequest"
        }
    }

    /// The list in that message, by its name in JSON.
    var groups: String {
        switch self {
        case .traces: "resourceSpans"
        case .logs: "resourceLogs"
        case .metrics: "resourceMetrics"
        }
    }

    /// The count of its parts that were rejected, by its name in JSON. In protobuf it is field 1 of all signals.
    var rejectedCount: String {
        switch self {
        case .traces: "rejectedSpans"
        case .logs: "rejectedLogRecords"
        case .metrics: "rejectedDataPoints"
        }
    }

    var parts: String {
        switch self {
        case .traces: "spans"
        case .logs: "log records"
        case .metrics: "data points"
        }
    }
}

extension MalformedBody {
    static func unreadable(_ encoding: OTLPEncoding, as signal: OTLPSignal) -> MalformedBody {
        MalformedBody(
            detail:
                "the body is not an \(signal.request) in \(encoding.contentType): check Content-Type, and that "
                + "nothing was cut off")
    }
}
