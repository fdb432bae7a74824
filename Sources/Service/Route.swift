import Access

/// What a path leads to.
enum Route: Hashable, Sendable, CaseIterable {
    case record, liteLLM, traces, otherMetrics, otherLogs
    case telemetry, summary, landing, healthy, ready, reload, budgets, budget, reset, forget
    /// Every path that leads nowhere: one name, so that strangers cannot grow the exporter's own series.
    case unknown

    /// The path; the telemetry path is the operator's choice.
    func path(telemetry: String) -> String {
        switch self {
        case .record: "/record"
        case .liteLLM: "/litellm"
        case .traces: "/v1/traces"
        case .otherMetrics: "/v1/metrics"
        case .otherLogs: "/v1/logs"
        case .telemetry: telemetry
        case .summary: "/summary"
        case .landing: "/"
        case .healthy: "/-/healthy"
        case .ready: "/-/ready"
        case .reload: "/-/reload"
        case .budgets: "/api/v1/budgets"
        // Of any name: strangers cannot grow the exporter's own series.
        case .budget: Self.budgetPrefix + "NAME"
        case .reset: "/api/v1/admin/reset"
        case .forget: "/api/v1/admin/forget"
        case .unknown: "other"
        }
    }

    /// One of these is needed (docs/securing.md); `nil` for everybody, empty for everybody who is known.
    var scopes: Set<Scope>? {
        switch self {
        case .record, .liteLLM, .traces, .otherMetrics, .otherLogs: [.record]
        case .telemetry, .summary, .landing: [.scrape]
        case .budgets, .budget: [.record, .scrape]
        case .reload, .reset, .forget: [.admin]
        case .healthy, .ready: nil
        case .unknown: []
        }
    }

    /// Whether posts to it have a body.
    var readsBody: Bool {
        switch self {
        case .record, .liteLLM, .traces, .otherMetrics, .otherLogs: true
        default: false
        }
    }

    /// Whether it answers as OTLP does.
    var isOTLP: Bool { self == .traces || self == .otherMetrics || self == .otherLogs }

    /// What the paths of single budgets begin with; their names follow.
    static let budgetPrefix = "/api/v1/budgets/"

    /// The methods that the Allow header names.
    var methods: [String] {
        switch self {
        case .record, .liteLLM, .traces, .otherMetrics, .otherLogs, .reload, .reset, .forget: ["POST"]
        case .telemetry, .summary, .landing, .healthy, .ready, .budgets, .budget: ["GET", "HEAD"]
        case .unknown: []
        }
    }
}
