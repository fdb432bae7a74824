import Formats
import Ledger
import Metrics
import Model
import Store

/// The exporter's own counts: `llm_exporter_*`. They begin at 0 with each start.
///
/// A new family is declared here once; the place that counts it calls its `add` or `observe`.
final class OwnMetrics: Sendable {
    /// The state that gauges read, once a scrape.
    struct Moment: Sendable {
        let ledger: LedgerSnapshot
        let waitingBytes: Int
        let waitingBytesLimit: Int
        let priceEntries: Int
        /// `nil` is unknown.
        let priceTableTime: Instant?
    }

    struct RequestKey: Hashable, Sendable {
        let route: Int
        let status: Int
    }

    private let all: OwnFamilies<Moment>
    private let requests: KeyedCounters<RequestKey>
    private let requestDurations: OwnHistogram<Int>
    private let commitDuration: OwnHistogram<Whole>
    private let commitRecords: OwnHistogram<Whole>
    private let commits: Counter
    private let commitFailures: Counters<CommitFailure>
    let checkpointFailures: Counter
    private let times = Times()
    /// Connections that were closed without an answer.
    let unanswered: Counter
    let http2Attempts: Counter
    private let accepted: Counter
    private let duplicates: Counter
    private let rejected: Counters<RecordRejection.Code>
    private let costSources: Counters<CostSource>
    private let overflowRecords: Counter
    private let unknownFields: Counter
    private let ignoredSpans: Counters<IgnoredSpan>
    private let ignoredSpanNames: NamedCounters
    private let mergedReports: Counters<MergeReason>
    let uncounted: Counters<ReportingIntake>
    let suspectedDuplicates: Counter
    private let ignoredLogRecords: NamedCounters
    private let ignoredItems: KeyedCounters<LiteLLMNonCall>
    let ignoredRequests: Counters<IgnoredRoute>
    private let reloads: Counters<ReloadResult>

    init(_ settings: Settings, _ routes: Routes) {
        var all = OwnFamilies<Moment>()
        let times = times
        all.add("llm_exporter_build_info", .gauge, "What this exporter was built from; always 1.") { _ in
            [.init(labels: settings.build.labels, value: .integer(1))]
        }
        requests = all.counters("llm_exporter_http_requests_total", "Requests answered, by route and code.") { key in
            [("route", routes[key.route].path), ("code", String(key.status))]
        }
        requestDurations = all.histogram(
            "llm_exporter_http_request_duration_seconds",
            "Time from a request's last byte to its answer, in seconds.", bounds: Self.durations
        ) { [("route", routes[$0].path)] }
        commitDuration = all.histogram(
            "llm_exporter_commit_duration_seconds", "Time to commit and merge one batch, in seconds.",
            bounds: Self.durations)
        commitRecords = all.histogram(
            "llm_exporter_commit_records", "Records counted by one commit.", bounds: Self.batchSizes)
        commits = all.counter(
            "llm_exporter_commits_total", "Batches made durable, or kept in memory with --storage.memory.")
        commitFailures = all.counters(
            "llm_exporter_commit_failures_total",
            "Attempts to commit, or to settle a failed commit, that failed, by reason.", by: "reason")
        checkpointFailures = all.counter(
            "llm_exporter_checkpoint_failures_total",
            "Attempts to write the write-ahead log back into the database that failed.")
        all.gauge(
            "llm_exporter_last_commit_timestamp_seconds", "Unix time of the last commit; 0 before the first."
        ) { _ in .seconds(times.lastCommit) }
        unanswered = all.counter(
            "llm_exporter_unanswered_requests_total",
            "Connections closed without an answer because the outcome of a commit was unknown.")
        http2Attempts = all.counter(
            "llm_exporter_http2_attempts_total",
            "Connections refused because the client speaks HTTP/2, as gRPC does.")
        Self.addDatabase(settings.storage, to: &all)
        accepted = all.counter("llm_exporter_records_accepted_total", "Records counted.")
        duplicates = all.counter(
            "llm_exporter_records_duplicate_total", "Records not counted again: retries of known ids.")
        rejected = all.counters("llm_exporter_records_rejected_total", "Records refused, by reason.", by: "reason")
        costSources = all.counters(
            "llm_exporter_cost_source_total", "Records counted, by where their cost comes from.", by: "source")
        overflowRecords = all.counter(
            "llm_exporter_overflow_records_total", "Records counted under _other because of --limits.max-series.")
        unknownFields = all.counter(
            "llm_exporter_unknown_fields_total", "Fields of records that are not known and were ignored.")
        ignoredSpans = all.counters(
            "llm_exporter_ignored_spans_total", "Spans of OpenTelemetry that report no call, by reason.", by: "reason")
        mergedReports = all.counters(
            "llm_exporter_merged_reports_total",
            "Spans and log records of calls that another report had counted, by what connects them.",
            by: "by")
        uncounted = all.counters(
            "llm_exporter_uncounted_records_total",
            "Calls dropped because sources names another intake, by the intake that reported them.",
            by: "intake")
        suspectedDuplicates = all.counter(
            "llm_exporter_suspected_duplicates_total",
            "Calls that two intakes may both have counted: same provider, model and tokens, within 2 s.")
        ignoredSpanNames = all.counters(
            "llm_exporter_ignored_span_names_total",
            "Spans of OpenTelemetry that report no call, by operation or name.", by: "name", limit: Self.nameLimit)
        ignoredLogRecords = all.counters(
            "llm_exporter_ignored_log_records_total",
            "Log records of OpenTelemetry that report no call, by the name of their event.", by: "event",
            limit: IgnoredLogRecords.nameLimit)
        ignoredItems = all.counters(
            "llm_exporter_ignored_litellm_items_total",
            "Items of LiteLLM that are no calls of a model, by call type."
        ) { [("call_type", $0.rawValue)] }
        ignoredRequests = all.counters(
            "llm_exporter_ignored_requests_total",
            "Requests of OpenTelemetry with metrics, which are not counted, by route.", by: "route")
        Self.addState(to: &all)
        reloads = all.counters(
            "llm_exporter_config_reloads_total",
            "Attempts to reload prices, budgets and the web configuration, by result.", by: "result")
        Self.addReload(times, to: &all)
        all.gauge(
            "llm_exporter_storage_durable", "1 when acknowledged records are on disk, 0 when in memory only."
        ) { _ in .integer(settings.storage.folder == nil ? 0 : 1) }
        self.all = all
    }

    private static func addDatabase(_ storage: StorageChoice, to all: inout OwnFamilies<Moment>) {
        all.gauge("llm_exporter_waiting_bytes", "Memory of records that wait to be committed.") {
            .integer(Int128($0.waitingBytes))
        }
        all.gauge(
            "llm_exporter_waiting_bytes_limit",
            "The llm_exporter_waiting_bytes that one client may use; as much again is for others."
        ) { .integer(Int128($0.waitingBytesLimit)) }
        all.add("llm_exporter_database_bytes", .gauge, "Size of the files of --storage.path.") { _ in
            (storage.folder?.sizes ?? []).map { file, bytes in
                .init(labels: LabelBlock([("file", LabelValue(file))]), value: .integer(Int128(bytes)))
            }
        }
    }

    private static func addReload(_ times: Times, to all: inout OwnFamilies<Moment>) {
        all.gauge(
            "llm_exporter_config_last_reload_successful",
            "1 when the configuration is as its files last said, 0 when those were refused."
        ) { _ in .integer(times.lastReloadSucceeded ? 1 : 0) }
        all.gauge(
            "llm_exporter_config_last_reload_success_timestamp_seconds",
            "Unix time at which the configuration in force was read."
        ) { _ in .seconds(times.lastSuccessfulReload) }
    }

    /// Gauges that show what the ledger and the prices hold.
    private static func addState(to all: inout OwnFamilies<Moment>) {
        all.gauge(
            "llm_exporter_series",
            "Sets of agent_name, provider and model, and agents known only by starts, counted against the limit."
        ) { .integer(Int128($0.ledger.places)) }
        all.gauge("llm_exporter_series_limit", "The largest llm_exporter_series: --limits.max-series.") {
            .integer(Int128($0.ledger.maxSeries))
        }
        all.gauge("llm_exporter_open_calls", "Calls begun and neither ended nor expired.") {
            .integer(Int128($0.ledger.openCalls))
        }
        all.gauge("llm_exporter_remembered_ids", "Ids remembered to recognise retries.") {
            .integer(Int128($0.ledger.rememberedIDs))
        }
        all.gauge(
            "llm_exporter_dedup_window_seconds",
            "For how long an id is remembered now: --dedup.window, less while --dedup.max-ids is reached."
        ) { .scaled(Int128($0.ledger.idWindow.wholeMicroseconds), scale: 6) }
        all.gauge("llm_exporter_price_entries", "Entries of the price table in force.") {
            .integer(Int128($0.priceEntries))
        }
        all.add(
            "llm_exporter_price_table_timestamp_seconds", .gauge,
            "Unix time at which the prices in force were made: of the newest --prices.file, else of the shipped table."
        ) { moment in
            moment.priceTableTime.map { [.init(value: .scaled(Int128($0.unixMilliseconds), scale: 3))] } ?? []
        }
    }

    func families(_ moment: Moment) -> [MetricFamily] { all.families(moment) }

    /// Names of senders' own that a family shows.
    private static let nameLimit = 32

    /// 0.1 ms to 5 s: from a commit in memory to a disk that stalls.
    private static let durations =
        HistogramBounds(
            microseconds: [100, 250, 500, 1000, 2500, 5000, 10_000, 50_000, 100_000, 500_000, 1_000_000, 5_000_000])
        ?? .standard

    /// Records in one commit, in millionths.
    private static let batchSizes =
        HistogramBounds(microseconds: [1, 10, 100, 1000, 10_000, 100_000].map { $0 * 1_000_000 }) ?? .standard

    // MARK: Counting

    func answered(_ route: Int, status: Int, in duration: Duration) {
        requests.add(RequestKey(route: route, status: status))
        requestDurations.observe(duration.wholeMicroseconds, of: route)
    }

    func committed(records: Int, overflowRecords: Int, in duration: Duration) {
        commits.add()
        commitDuration.observe(duration.wholeMicroseconds)
        commitRecords.observe(Int64(records) * 1_000_000)
        self.overflowRecords.add(overflowRecords)
        times.commit()
    }

    func commitFailed(_ error: StoreError, isUndecided: Bool) {
        commitFailures[isUndecided ? .undecided : error.kind == .full ? .diskFull : .failed].add()
    }

    func reloaded(succeeded: Bool) {
        reloads[succeeded ? .success : .failure].add()
        times.reload(succeeded: succeeded)
    }

    /// Counts what became of a body's records.
    func took(_ outcome: Outcome, of batch: DecodedBatch) {
        accepted.add(outcome.accepted)
        duplicates.add(outcome.duplicates)
        for (code, count) in outcome.rejections.counts { rejected[code].add(count) }
        for source in CostSource.allCases { costSources[source].add(outcome.costSources[source]) }
        unknownFields.add(batch.unknownFields)
        ignoredSpans[.otherSpan].add(batch.ignoredSpans.otherSpans)
        mergedReports[.stream].add(batch.ignoredSpans.openedStreams)
        for (reason, count) in outcome.merged.counts { mergedReports[reason].add(count) }
        for (name, count) in batch.ignoredSpans.names { ignoredSpanNames.add(name, count) }
        for (event, count) in batch.ignoredLogRecords.byEvent { ignoredLogRecords.add(event, count) }
        for (type, count) in batch.ignoredItems { ignoredItems.add(type, count) }
    }
}

// MARK: - Labels

extension RecordRejection.Code: CounterLabel {}
extension CostSource: CounterLabel {}
extension MergeReason: CounterLabel {}
extension ReportingIntake: CounterLabel {}

private enum CommitFailure: String, CounterLabel {
    case diskFull = "disk_full"
    case failed
    case undecided
}

private enum IgnoredSpan: String, CounterLabel {
    case otherSpan = "not_a_call"
}

/// Routes whose requests are answered with 200 and not counted.
enum IgnoredRoute: String, CounterLabel {
    case metrics = "/v1/metrics"
}

private enum ReloadResult: String, CounterLabel {
    case success, failure
}
