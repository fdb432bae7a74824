import Concurrency
import Formats
import Ledger
import Metrics
import Model
import Store

/// What the exporter counts of itself: `llm_exporter_*`. Begins at 0 with each start.
final class OwnMetrics: Sendable {
    private let counts = Locked(Counts())
    private let build: BuildDescription
    private let telemetryPath: String
    private let storage: StorageChoice

    /// 0.1 ms to 5 s: from a commit in memory to a disk that stalls.
    private static let bounds =
        HistogramBounds(
            microseconds: [100, 250, 500, 1000, 2500, 5000, 10_000, 50_000, 100_000, 500_000, 1_000_000, 5_000_000])
        ?? .standard

    /// Records in one commit, in millions: a histogram prints its sum and bounds with six places.
    private static let batchBounds =
        HistogramBounds(microseconds: [1, 10, 100, 1000, 10_000, 100_000].map { $0 * 1_000_000 }) ?? .standard

    private enum CommitFailure: String, CaseIterable {
        case diskFull = "disk_full"
        case failed
        case undecided
    }

    private struct Counts: Sendable {
        var requests: [RequestKey: Int64] = [:]
        var requestDurations: [Route: Histogram] = [:]
        var commitDuration = Histogram(bounds: OwnMetrics.bounds)
        var batchRecords = Histogram(bounds: OwnMetrics.batchBounds)
        var commits: Int64 = 0
        var commitFailures: [CommitFailure: Int64] = [:]
        var checkpointFailures: Int64 = 0
        var unanswered: Int64 = 0
        var lastCommit: Instant?
        var accepted: Int64 = 0
        var duplicates: Int64 = 0
        var rejected: [RecordRejection.Code: Int64] = [:]
        var overflowRecords: Int64 = 0
        var unknownFields: Int64 = 0
        var costSources = CostSources()
        var ignoredSpans = IgnoredSpans()
        var ignoredRequests: [Route: Int64] = [:]
        var reloads: (successes: Int64, failures: Int64) = (0, 0)
        /// The first is the start's.
        var lastReloadSucceeded = true
        var lastSuccessfulReload = Instant.wallClock
    }

    private struct RequestKey: Hashable {
        let route: Route
        let status: Int
    }

    init(_ settings: ExporterSettings) {
        build = settings.build
        telemetryPath = settings.telemetryPath
        storage = settings.storage
    }

    func answered(_ route: Route, status: Int, in duration: Duration) {
        counts.withLock { counts in
            counts.requests[RequestKey(route: route, status: status), default: 0] += 1
            counts.requestDurations[route, default: Histogram(bounds: Self.bounds)]
                .observe(duration.wholeMicroseconds, bounds: Self.bounds)
        }
    }

    func committed(records: Int, overflowRecords: Int, in duration: Duration) {
        counts.withLock { counts in
            counts.commits += 1
            counts.commitDuration.observe(duration.wholeMicroseconds, bounds: Self.bounds)
            counts.batchRecords.observe(Int64(records) * 1_000_000, bounds: Self.batchBounds)
            counts.overflowRecords += Int64(overflowRecords)
            counts.lastCommit = .wallClock
        }
    }

    func commitFailed(_ error: StoreError, isUndecided: Bool) {
        let failure: CommitFailure = isUndecided ? .undecided : error.kind == .full ? .diskFull : .failed
        counts.withLock { $0.commitFailures[failure, default: 0] += 1 }
    }

    /// - Returns: whether it is the first time.
    func checkpointFailed() -> Bool {
        counts.withLock { counts in
            counts.checkpointFailures += 1
            return counts.checkpointFailures == 1
        }
    }

    /// A connection was closed without an answer.
    func abandoned() {
        counts.withLock { $0.unanswered += 1 }
    }

    func reloaded(succeeded: Bool) {
        counts.withLock { counts in
            counts.lastReloadSucceeded = succeeded
            if succeeded {
                counts.reloads.successes += 1
                counts.lastSuccessfulReload = .wallClock
            } else {
                counts.reloads.failures += 1
            }
        }
    }

    /// A request of a signal that says nothing of calls was dropped.
    func ignored(_ route: Route) {
        counts.withLock { $0.ignoredRequests[route, default: 0] += 1 }
    }

    func took(_ outcome: Outcome, unknownFields: Int, ignored: IgnoredSpans) {
        counts.withLock { counts in
            counts.accepted += Int64(outcome.accepted)
            counts.duplicates += Int64(outcome.duplicates)
            for (code, count) in outcome.rejections.counts { counts.rejected[code, default: 0] += Int64(count) }
            counts.unknownFields += Int64(unknownFields)
            counts.costSources.add(outcome.costSources)
            counts.ignoredSpans.otherSpans += ignored.otherSpans
            counts.ignoredSpans.repeatedReports += ignored.repeatedReports
        }
    }

    /// Families in a fixed order; labels of one family sorted.
    func families(ledger: LedgerSnapshot, waitingBytes: Int, waitingBytesLimit: Int, priceEntries: Int)
        -> [MetricFamily]
    {
        let counts = counts.withLock { $0 }
        return [
            MetricFamily(
                name: "llm_exporter_build_info", kind: .gauge, help: "What this exporter was built from; always 1.",
                samples: [.init(labels: build.labels, value: .integer(1))]),
            MetricFamily(
                name: "llm_exporter_http_requests_total", kind: .counter, help: "Requests answered, by route and code.",
                samples: counts.requests.map { key, count in
                    (path: key.route.path(telemetry: telemetryPath), status: key.status, count: count)
                }.sorted { ($0.path, $0.status) < ($1.path, $1.status) }.map { path, status, count in
                    .init(
                        labels: LabelBlock([("route", LabelValue(path)), ("code", LabelValue(String(status)))]),
                        value: .integer(Int128(count)))
                }),
            MetricFamily(
                name: "llm_exporter_http_request_duration_seconds", kind: .histogram,
                help: "Time from a request's last byte to its answer, in seconds.",
                samples: Route.allCases.compactMap { route in
                    counts.requestDurations[route].map { histogram in
                        let path = LabelValue(route.path(telemetry: telemetryPath))
                        return .init(labels: LabelBlock([("route", path)]), value: Self.value(of: histogram))
                    }
                }),
            MetricFamily(
                name: "llm_exporter_commit_duration_seconds", kind: .histogram,
                help: "Time to commit and merge one batch, in seconds.",
                samples: [.init(value: Self.value(of: counts.commitDuration))]),
            MetricFamily(
                name: "llm_exporter_commit_records", kind: .histogram, help: "Records counted by one commit.",
                samples: [
                    .init(
                        value: .histogram(
                            bounds: Self.batchBounds, counts: counts.batchRecords.counts,
                            sumMicroseconds: counts.batchRecords.sumMicroseconds))
                ]),
            Self.single(
                "llm_exporter_commits_total", .counter, "Batches made durable, or kept in memory where nothing is.",
                Int128(counts.commits)),
            MetricFamily(
                name: "llm_exporter_commit_failures_total", kind: .counter,
                help: "Attempts to commit, or to settle a failed commit, that failed, by reason.",
                samples: CommitFailure.allCases.map { failure in
                    .init(
                        labels: LabelBlock([("reason", LabelValue(failure.rawValue))]),
                        value: .integer(Int128(counts.commitFailures[failure] ?? 0)))
                }),
            Self.single(
                "llm_exporter_checkpoint_failures_total", .counter,
                "Attempts to write the write-ahead log back into the database that failed.",
                Int128(counts.checkpointFailures)),
            MetricFamily(
                name: "llm_exporter_last_commit_timestamp_seconds", kind: .gauge,
                help: "Unix time of the last commit; 0 before the first.",
                samples: [.init(value: .scaled(Int128(counts.lastCommit?.unixMilliseconds ?? 0), scale: 3))]),
            Self.single(
                "llm_exporter_unanswered_requests_total", .counter,
                "Connections closed without an answer because the outcome of a commit was unknown.",
                Int128(counts.unanswered)),
            Self.single(
                "llm_exporter_waiting_bytes", .gauge, "Memory of records that wait to be committed.",
                Int128(waitingBytes)),
            Self.single(
                "llm_exporter_waiting_bytes_limit", .gauge,
                "The largest llm_exporter_waiting_bytes; beyond it posts get 503.",
                Int128(waitingBytesLimit)),
            MetricFamily(
                name: "llm_exporter_database_bytes", kind: .gauge, help: "Size of the files of --storage.path.",
                samples: storage.folder.map { folder in
                    folder.sizes.map { file, bytes in
                        .init(labels: LabelBlock([("file", LabelValue(file))]), value: .integer(Int128(bytes)))
                    }
                } ?? []),
            Self.single(
                "llm_exporter_records_accepted_total", .counter, "Records counted.", Int128(counts.accepted)),
            Self.single(
                "llm_exporter_records_duplicate_total", .counter, "Records not counted again: retries of known ids.",
                Int128(counts.duplicates)),
            MetricFamily(
                name: "llm_exporter_records_rejected_total", kind: .counter, help: "Records refused, by reason.",
                samples: RecordRejection.Code.allCases.map { code in
                    .init(
                        labels: LabelBlock([("reason", LabelValue(code.rawValue))]),
                        value: .integer(Int128(counts.rejected[code] ?? 0)))
                }),
            MetricFamily(
                name: "llm_exporter_cost_source_total", kind: .counter,
                help: "Records counted, by where their cost comes from.",
                samples: CostSource.allCases.map { source in
                    .init(
                        labels: LabelBlock([("source", LabelValue(source.rawValue))]),
                        value: .integer(Int128(counts.costSources[source])))
                }),
            Self.single(
                "llm_exporter_overflow_records_total", .counter,
                "Records counted under _other because of --limits.max-series.", Int128(counts.overflowRecords)),
            Self.single(
                "llm_exporter_unknown_fields_total", .counter, "Fields of records that are not known and were ignored.",
                Int128(counts.unknownFields)),
            MetricFamily(
                name: "llm_exporter_ignored_spans_total", kind: .counter,
                help: "Spans of OpenTelemetry that are no call of their own, by reason.",
                samples: [
                    ("not_a_call", counts.ignoredSpans.otherSpans),
                    ("reported_twice", counts.ignoredSpans.repeatedReports),
                ].map { reason, count in
                    .init(labels: LabelBlock([("reason", LabelValue(reason))]), value: .integer(Int128(count)))
                }),
            MetricFamily(
                name: "llm_exporter_ignored_requests_total", kind: .counter,
                help: "Requests of OpenTelemetry with metrics or logs, which were dropped, by route.",
                samples: [Route.otherLogs, .otherMetrics].map { route in
                    let path = LabelValue(route.path(telemetry: telemetryPath))
                    return .init(
                        labels: LabelBlock([("route", path)]),
                        value: .integer(Int128(counts.ignoredRequests[route] ?? 0)))
                }),
            Self.single(
                "llm_exporter_series", .gauge,
                "Sets of agent_name, provider and model, and agents known only by starts, counted against the limit.",
                Int128(ledger.places)),
            Self.single(
                "llm_exporter_series_limit", .gauge, "The largest llm_exporter_series: --limits.max-series.",
                Int128(ledger.maxSeries)),
            Self.single(
                "llm_exporter_open_calls", .gauge, "Calls begun and neither ended nor expired.",
                Int128(ledger.openCalls)),
            Self.single(
                "llm_exporter_remembered_ids", .gauge, "Ids remembered to recognise retries.",
                Int128(ledger.rememberedIDs)),
            MetricFamily(
                name: "llm_exporter_dedup_window_seconds", kind: .gauge,
                help: "For how long an id is remembered now: --dedup.window, less while --dedup.max-ids is reached.",
                samples: [.init(value: .scaled(Int128(ledger.idWindow.wholeMicroseconds), scale: 6))]),
            Self.single(
                "llm_exporter_price_entries", .gauge, "Entries of the price table in force.", Int128(priceEntries)),
            MetricFamily(
                name: "llm_exporter_config_reloads_total", kind: .counter,
                help: "Attempts to read prices, budgets and the web configuration anew, by result.",
                samples: [("success", counts.reloads.successes), ("failure", counts.reloads.failures)].map {
                    result, count in
                    .init(labels: LabelBlock([("result", LabelValue(result))]), value: .integer(Int128(count)))
                }),
            Self.single(
                "llm_exporter_config_last_reload_successful", .gauge,
                "1 when the configuration is as its files last said, 0 when those were refused.",
                counts.lastReloadSucceeded ? 1 : 0),
            MetricFamily(
                name: "llm_exporter_config_last_reload_success_timestamp_seconds", kind: .gauge,
                help: "Unix time at which the configuration in force was read.",
                samples: [.init(value: .scaled(Int128(counts.lastSuccessfulReload.unixMilliseconds), scale: 3))]),
            Self.single(
                "llm_exporter_storage_durable", .gauge,
                "1 when acknowledged records are on disk, 0 when in memory only.",
                storage.folder == nil ? 0 : 1),
        ]
    }

    private static func single(_ name: String, _ kind: MetricFamily.Kind, _ help: String, _ value: Int128)
        -> MetricFamily
    {
        MetricFamily(name: name, kind: kind, help: help, samples: [.init(value: .integer(value))])
    }

    private static func value(of histogram: Histogram) -> MetricFamily.Value {
        .histogram(bounds: bounds, counts: histogram.counts, sumMicroseconds: histogram.sumMicroseconds)
    }
}

/// What the program was built from.
package struct BuildDescription: Sendable {
    package let version: String
    package let revision: String
    package let swiftVersion: String
    package let libmicrohttpdVersion: String

    package init(version: String, revision: String, swiftVersion: String, libmicrohttpdVersion: String) {
        self.version = version
        self.revision = revision
        self.swiftVersion = swiftVersion
        self.libmicrohttpdVersion = libmicrohttpdVersion
    }

    var labels: LabelBlock {
        LabelBlock([
            ("version", LabelValue(version)), ("revision", LabelValue(revision)), ("swift", LabelValue(swiftVersion)),
            ("libmicrohttpd", LabelValue(libmicrohttpdVersion)),
        ])
    }
}
