public import Logging
import NIOCore
import NIOHTTP1

#if canImport(FoundationEssentials)
    import FoundationEssentials
#else
    import Foundation
#endif

/// Records LLM calls with an exporter, in the background.
///
/// Recording neither waits nor throws, whatever the exporter does, whatever the values are; nor does the initializer: a
/// wrong URL is warned of, and records are dropped and counted once the queue is full. Make one for a process and keep
/// it; all tasks and threads may use it. Before the program ends, `close` it: what waits in memory then is lost
/// otherwise, and so it is, without a spool, when the last reference to an open monitor goes.
public final class LLMMonitor: Sendable {
    /// How to reach the exporter, and what may wait for it.
    public struct Configuration: Sendable {
        /// For basic authentication; nil stands for `LLM_EXPORTER_USERNAME`.
        public var username: String?
        /// For basic authentication; nil stands for `LLM_EXPORTER_PASSWORD`.
        public var password: String?
        /// For bearer authentication, which wins over basic; nil stands for `LLM_EXPORTER_TOKEN`.
        public var token: String?
        /// Certificates to trust for `https` in place of the system's, as PEM; nil stands for `LLM_EXPORTER_CA_FILE`.
        public var caFile: String?
        /// A folder that keeps what is not delivered yet, across crashes of either side; nil stands for
        /// `LLM_EXPORTER_SPOOL_DIR`, and without that there is none. Any number of processes of a host may share it.
        public var spoolFolder: String?
        /// How many bytes may wait in the spool folder, of this monitor; beyond that, new records are dropped.
        public var maxSpoolBytes = 64 << 20
        /// How many records may wait in memory; beyond that, new ones are dropped.
        public var maxQueueRecords = 10_000
        /// How many bytes of records may wait in memory; beyond that, new ones are dropped.
        public var maxQueueBytes = 16 << 20
        /// How long a record waits for others to travel with.
        public var linger = Duration.milliseconds(100)
        /// How long a request may take, from connecting to the end of its answer.
        public var timeout = Duration.seconds(10)
        /// Where each kind of trouble is warned of, once.
        public var logger = Logger(label: "llm_exporter")

        /// The defaults.
        public init() {}
    }

    /// The monitor of this process that the environment variables describe, made when first asked for.
    public static let shared = LLMMonitor()

    private let transport: Transport
    private let sender: Sender
    private let reports: Reports

    /// A monitor for the exporter at `url`.
    ///
    /// - `url`: `http` or `https`, with a path where the exporter is behind a reverse proxy; nil stands for
    ///   `LLM_EXPORTER_URL`, or else for `http://127.0.0.1:10140`. Credentials in it count.
    /// - `environment`: variables that say what is not given, an empty one counting as none; nil stands for those of
    ///   the process.
    public convenience init(
        url: String? = nil, configuration: Configuration = Configuration(), environment: [String: String]? = nil
    ) {
        self.init(url: url, configuration: configuration, environment: environment, expiry: Sender.expiry)
    }

    init(url: String?, configuration: Configuration, environment: [String: String]?, expiry: Duration) {
        let environment = environment ?? ProcessInfo.processInfo.environment
        func variable(_ name: String) -> String? {
            environment["LLM_EXPORTER_\(name)"].flatMap { $0.isEmpty ? nil : $0 }
        }
        var configuration = configuration
        configuration.username = configuration.username ?? variable("USERNAME")
        configuration.password = configuration.password ?? variable("PASSWORD")
        configuration.token = configuration.token ?? variable("TOKEN")
        configuration.caFile = configuration.caFile ?? variable("CA_FILE")
        configuration.spoolFolder = configuration.spoolFolder ?? variable("SPOOL_DIR")
        reports = Reports(logger: configuration.logger)
        transport = Transport(
            url: url ?? variable("URL") ?? "http://127.0.0.1:10140", configuration: configuration)
        sender = Sender(transport: transport, configuration: configuration, expiry: expiry, reports: reports)
    }

    deinit { sender.abandon() }

    // MARK: Recording: never waits, never throws

    /// Records a finished call.
    public func record(_ call: LLMCallMetrics) { sender.putEnd(call) }

    /// Measures the call that `body` makes, and records it.
    ///
    /// The start is sent when it begins, so that the call counts as active. The end carries latency, the provider's
    /// latency, a stream's time to the first token, memory, status, kind of error, and the usage and cost that `body`
    /// reports.
    ///
    /// - `id`: unique within `agentName`; left out, one is made.
    /// - `traceID`: 1 to 64 hex digits; makes the call an exemplar of its latency buckets.
    /// - Throws: What `body` throws, unchanged.
    public func withMonitoredCall<Result>(
        agentName: String, provider: String, model: String, id: String? = nil, traceID: String? = nil,
        isolation: isolated (any Actor)? = #isolation, _ body: (MonitoredCall) async throws -> Result
    ) async rethrows -> Result {
        let metrics = LLMCallMetrics(agentName: agentName, provider: provider, model: model, id: id, traceID: traceID)
        let call = MonitoredCall(metrics, id: id.flatMap { $0.isEmpty ? nil : $0 } ?? sender.newID())
        var started = metrics
        started.id = call.id
        sender.putStart(started)
        do {
            let result = try await body(call)
            sender.putEnd(call.ended(by: nil, isCancelled: false))
            return result
        } catch {
            sender.putEnd(call.ended(by: error, isCancelled: Task.isCancelled))
            throw error
        }
    }

    /// What became of the records.
    public var statistics: Statistics { sender.statistics }

    // MARK: Waiting for the exporter, at most for the time that is given; never throws

    /// Waits until what was recorded so far has been answered for. Tells whether it has.
    public func flush(within limit: Duration = .seconds(5)) async -> Bool { await sender.flush(within: limit) }

    /// Flushes and stops; what could not be delivered stays in the spool, or else is dropped and counted. Records that
    /// come later are dropped.
    ///
    /// Tells whether everything was answered for.
    @discardableResult
    public func close(within limit: Duration = .seconds(5)) async -> Bool { await sender.close(within: limit) }

    /// What Prometheus would scrape from the exporter, text format 0.0.4; nil and a warning where it cannot be had.
    ///
    /// Records that are still queued are not in it: `flush` first.
    public func getPrometheusMetrics(within limit: Duration = .seconds(5)) async -> String? {
        await ask(.GET, "/metrics", within: limit).map { String(buffer: $0.body) }
    }

    /// The exporter's totals: all, by agent, by model; nil and a warning where they cannot be had.
    public func getSummary(within limit: Duration = .seconds(5)) async -> Summary? {
        guard let answer = await ask(.GET, "/summary", within: limit) else { return nil }
        do {
            return try JSONDecoder().decode(Summary.self, from: Data(answer.body.readableBytesView))
        } catch {
            reports.warn("summary", "what answers at \(transport.address) is no exporter")
            return nil
        }
    }

    /// Removes all series of the exporter: of all agents, not only of this one.
    ///
    /// Tells whether it did. It does only where it runs with `--web.enable-admin-api`.
    public func resetPrometheus(within limit: Duration = .seconds(5)) async -> Bool {
        await ask(.POST, "/api/v1/admin/reset", within: limit) != nil
    }

    /// The answer to a question, or nil and a warning.
    private func ask(_ method: HTTPMethod, _ path: String, within limit: Duration) async -> Answer? {
        do {
            let answer = try await transport.exchange(method, path, within: limit)
            if [200, 204].contains(answer.status) { return answer }
            let hint = answer.status == 403 ? " (it needs --web.enable-admin-api, and a user who may)" : ""
            reports.warn(path, "\(method) \(path) of \(transport.address) answered \(answer.status)\(hint)")
        } catch {
            reports.warn(path, "\(method) \(path) of \(transport.address) failed: \(error.reason)")
        }
        return nil
    }
}
