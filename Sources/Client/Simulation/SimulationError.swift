/// Why the day ended early.
package enum SimulationError: Error, Equatable, CustomStringConvertible {
    /// The exporter did not answer; the line names the URL and the remedy.
    case noAnswer(String)
    /// The exporter did not answer 200 and accept the record.
    case refused(request: String, status: Int, detail: String)
    /// The exporter's answer is not in the form that docs/openapi.yaml promises.
    case unreadable(request: String, reason: String)
    /// The kernel's figures of memory cannot be read.
    case noMemoryReading(path: String, reason: String)

    init(_ error: HTTPClientError) {
        self = .noAnswer(error.description)
    }

    package var description: String {
        switch self {
        case .noAnswer(let line):
            line
        case .refused(let request, 401, let detail):
            "\(request): 401 \(detail); set LLM_EXPORTER_USERNAME and LLM_EXPORTER_PASSWORD, or LLM_EXPORTER_TOKEN"
        case .refused(let request, 404, let detail):
            "\(request): 404 \(detail); is this the exporter's address, and its telemetry path /metrics?"
        case .refused(let request, let status, let detail):
            "\(request): \(status) \(detail)"
        case .unreadable(let request, let reason):
            "\(request): \(reason); is this an llm-exporter of the same version?"
        case .noMemoryReading(let path, let reason):
            "\(path): \(reason); the simulation needs a mounted /proc"
        }
    }
}
