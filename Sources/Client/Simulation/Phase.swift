/// The eight steps of each call, in the order in which they are logged.
enum Phase: String, CaseIterable, Sendable {
    case preparation
    case apiCall = "API call"
    case responseReceived = "response received"
    case metricsExtraction = "metrics extraction"
    case costCalculation = "cost calculation"
    case memoryTracking = "memory tracking"
    case performanceAnalysis = "performance analysis"
    case recording

    /// Its place, from 1.
    var place: Int { (Phase.allCases.firstIndex(of: self) ?? 0) + 1 }
}
