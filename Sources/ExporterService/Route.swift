/// What a path leads to.
enum Route: Hashable, Sendable, CaseIterable {
    case record, telemetry, summary, landing, healthy, ready, reload, reset, forget
    /// Every path that leads nowhere: one name, so that strangers cannot grow the exporter's own series.
    case unknown

    /// The path; the telemetry path is the operator's choice.
    func path(telemetry: String) -> String {
        switch self {
        case .record: "/record"
        case .telemetry: telemetry
        case .summary: "/summary"
        case .landing: "/"
        case .healthy: "/-/healthy"
        case .ready: "/-/ready"
        case .reload: "/-/reload"
        case .reset: "/api/v1/admin/reset"
        case .forget: "/api/v1/admin/forget"
        case .unknown: "other"
        }
    }

    /// The methods that the Allow header names.
    var methods: [String] {
        switch self {
        case .record, .reload, .reset, .forget: ["POST"]
        case .telemetry, .summary, .landing, .healthy, .ready: ["GET", "HEAD"]
        case .unknown: []
        }
    }
}
