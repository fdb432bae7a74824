import Metrics
import Model

/// Records folded and adopted one batch each, as the ledger does it.
struct Day {
    private(set) var state: LedgerState
    private var now = Instant(unixMilliseconds: 1_700_000_000_000)

    init(bounds: HistogramBounds = .standard, maxSeries: Int = 10_000) {
        state = LedgerState(
            registry: Registry(bounds: bounds, maxSeries: maxSeries),
            recentIDs: RecentIDs(window: .seconds(86_400), maxIDs: 1_000))
    }

    mutating func happened(_ events: Event...) throws {
        var batch = Batch(onto: state, at: Moment(now))
        for event in events { _ = try batch.fold(event, onto: state) }
        state.adopt(batch)
    }

    mutating func pass(_ duration: Duration) {
        now = now.adding(duration)
    }

    mutating func expireAllCalls() {
        var batch = Batch(onto: state, at: Moment(now))
        batch.expireCalls(begunBefore: Instant(unixMilliseconds: .max), onto: state)
        state.adopt(batch)
    }

    func scrape(_ format: ExpositionFormat, own: [MetricFamily] = []) -> String {
        String(
            decoding: Exposition.render(state.registry.snapshot, own: own, started: now, format: format),
            as: UTF8.self)
    }

    static func text(of snapshot: Snapshot) -> [UInt8] {
        Exposition.render(snapshot, own: [], started: Instant(unixMilliseconds: 0), format: .text)
    }

    /// The lines of a scrape that are samples.
    func samples(_ format: ExpositionFormat = .text, own: [MetricFamily] = []) -> [String] {
        scrape(format, own: own).split(separator: "\n").filter { !$0.hasPrefix("#") }.map(String.init)
    }
}

let textFormats: [ExpositionFormat] = [.text, .openMetrics(hasCreatedSamples: false)]

extension Event {
    static func call(
        _ agentName: String = "ReviewerGPT", _ provider: String = "openai", _ model: String = "gpt-4o-mini",
        status: String = "success", errorType: String? = nil, usage: Usage = Usage(), picoUSD: Int128? = nil,
        latencyMicroseconds: Int64? = nil, apiLatencyMicroseconds: Int64? = nil, firstTokenMicroseconds: Int64? = nil,
        memoryRSSMegabytes: Double? = nil, memoryAvailableMegabytes: Double? = nil, traceID: String? = nil
    ) -> Event {
        var record = CallRecord(
            labels: SeriesLabels(
                agentName: LabelValue(agentName), provider: LabelValue(provider), model: LabelValue(model)),
            status: LabelValue(status), errorType: errorType.map(LabelValue.init), usage: usage,
            cost: picoUSD.flatMap(Money.init(picoUSD:)), latencyMicroseconds: latencyMicroseconds,
            apiLatencyMicroseconds: apiLatencyMicroseconds, memoryRSSMegabytes: memoryRSSMegabytes,
            memoryAvailableMegabytes: memoryAvailableMegabytes,
            trace: traceID.map { Trace(id: $0, unixMilliseconds: 1_700_000_000_123) })
        record.timeToFirstTokenMicroseconds = firstTokenMicroseconds
        return .end(record)
    }

    static func started(_ agentName: String, id: UInt128) -> Event {
        .start(
            CallStart(agentName: LabelValue(agentName), id: RecordID(call: Digest(bits: id << 64 | id), content: 1)))
    }
}
