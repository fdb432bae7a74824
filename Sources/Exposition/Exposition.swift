package import Model

/// The text of one scrape.
///
/// Built whole, in one buffer; nothing here can fail. Each line is a constant, a label block rendered at the series'
/// birth, and a number: what a line costs is copying them.
package struct Exposition {
    private let format: ExpositionFormat
    private var output: [UInt8] = []

    /// The families of contract section 2 in its order, then `own` in the order given.
    package static func render(_ snapshot: Snapshot, own: [MetricFamily], format: ExpositionFormat) -> [UInt8] {
        var exposition = Exposition(format: format)
        exposition.output.reserveCapacity(estimatedBytes(of: snapshot))
        exposition.append(snapshot)
        for family in own { exposition.append(family) }
        if format == .openMetrics { exposition.append("# EOF\n") }
        return exposition.output
    }

    private init(format: ExpositionFormat) {
        self.format = format
    }
}

// MARK: - Families of the registry

extension Exposition {
    private mutating func append(_ snapshot: Snapshot) {
        let buckets = Bucket.all(of: snapshot.bounds)

        append(CallFamilies.calls)
        appendCalls(snapshot.calls)
        append(CallFamilies.tokens)
        appendSeries(snapshot.calls, of: CallFamilies.tokens) { $0.totals.tokens }
        append(CallFamilies.cost)
        appendCosts(snapshot.calls)
        append(CallFamilies.memoryRSS)
        let memoryRSS = start(of: CallFamilies.memoryRSS.name)
        for agent in snapshot.agents {
            if let megabytes = agent.memoryRSSMegabytes {
                append(memoryRSS, agent.block)
                append(megabytes)
                endLine()
            }
        }
        append(CallFamilies.memoryAvailable)
        if let megabytes = snapshot.memoryAvailableMegabytes {
            append(CallFamilies.memoryAvailable.name, LabelBlock(), .double(megabytes))
        }
        append(CallFamilies.activeCalls)
        appendSeries(snapshot.agents, of: CallFamilies.activeCalls) { $0.reportsActiveCalls ? $0.activeCalls : nil }
        append(CallFamilies.latency)
        let latency = HistogramNames(CallFamilies.latency.name)
        for series in snapshot.calls {
            if let histogram = series.totals.latency { append(histogram, of: latency, series.block, buckets) }
        }
        append(CallFamilies.apiLatency)
        let apiLatency = HistogramNames(CallFamilies.apiLatency.name)
        for series in snapshot.endpoints { append(series.latency, of: apiLatency, series.block, buckets) }
        append(CallFamilies.lastInputTokens)
        appendSeries(snapshot.calls, of: CallFamilies.lastInputTokens) { $0.totals.lastInputTokens }
        append(CallFamilies.lastOutputTokens)
        appendSeries(snapshot.calls, of: CallFamilies.lastOutputTokens) { $0.totals.lastOutputTokens }

        append(CallFamilies.tokenUsage)
        appendKinds(snapshot.calls)
        append(CallFamilies.unpriced)
        appendSeries(snapshot.offerings, of: CallFamilies.unpriced) { $0.unpricedCalls }
        append(CallFamilies.usageMissing)
        appendSeries(snapshot.calls, of: CallFamilies.usageMissing) { $0.totals.usageMissing }
        append(CallFamilies.errors)
        appendErrors(snapshot.calls)
        append(CallFamilies.expired)
        appendSeries(snapshot.agents, of: CallFamilies.expired) { $0.reportsActiveCalls ? $0.expiredCalls : nil }
    }

    private mutating func appendCalls(_ all: ChunkedArray<CallSeries>) {
        let start = start(of: CallFamilies.calls.name)
        let always = ["success", "error"].map { (name: LabelValue($0), end: Array(",status=\"\($0)\"} ".utf8)) }
        for series in all {
            for status in always {
                append(start, series.block, end: status.end, series.totals.calls[status.name])
            }
            for entry in series.totals.calls.entries where !always.contains(where: { $0.name == entry.name }) {
                append(start, series.block, end: Self.end(of: "status", entry.name), entry.count)
            }
        }
    }

    private mutating func appendCosts(_ all: ChunkedArray<CallSeries>) {
        let start = start(of: CallFamilies.cost.name)
        for series in all {
            guard let cost = series.totals.cost else { continue }
            append(start, series.block)
            PlainDecimal.append(cost.picoUSD, scale: Money.scale, to: &output)
            endLine()
        }
    }

    private mutating func appendKinds(_ all: ChunkedArray<CallSeries>) {
        let start = start(of: CallFamilies.tokenUsage.name)
        let ends = ["input", "cache_read", "cache_write", "output", "reasoning"].map {
            Array(",token_type=\"\($0)\"} ".utf8)
        }
        for series in all {
            guard let kinds = series.totals.kinds else { continue }
            append(start, series.block, end: ends[0], kinds.input)
            append(start, series.block, end: ends[1], kinds.cacheRead)
            append(start, series.block, end: ends[2], kinds.cacheWrite)
            append(start, series.block, end: ends[3], kinds.output)
            append(start, series.block, end: ends[4], kinds.reasoning)
        }
    }

    private mutating func appendErrors(_ all: ChunkedArray<CallSeries>) {
        let start = start(of: CallFamilies.errors.name)
        for series in all {
            for entry in series.totals.errors.entries {
                append(start, series.block, end: Self.end(of: "error_type", entry.name), entry.count)
            }
        }
    }

    /// One line a series, where it has a value.
    private mutating func appendSeries(
        _ all: ChunkedArray<CallSeries>, of family: MetricFamily.Head, value: (CallSeries) -> Int64?
    ) {
        let start = start(of: family.name)
        for series in all {
            if let value = value(series) { append(start, series.block, end: Self.blockEnd, value) }
        }
    }

    private mutating func appendSeries(
        _ all: ChunkedArray<AgentSeries>, of family: MetricFamily.Head, value: (AgentSeries) -> Int64?
    ) {
        let start = start(of: family.name)
        for series in all {
            if let value = value(series) { append(start, series.block, end: Self.blockEnd, value) }
        }
    }

    private mutating func appendSeries(
        _ all: ChunkedArray<OfferingSeries>, of family: MetricFamily.Head, value: (OfferingSeries) -> Int64?
    ) {
        let start = start(of: family.name)
        for series in all {
            if let value = value(series) { append(start, series.block, end: Self.blockEnd, value) }
        }
    }

    private mutating func append(
        _ histogram: Histogram, of names: HistogramNames, _ block: LabelBlock, _ buckets: [Bucket]
    ) {
        var count: Int64 = 0
        let showsExemplars = format == .openMetrics && !histogram.exemplars.isEmpty
        for bucket in buckets.indices {
            count += histogram.counts[bucket]
            append(names.bucket, block, end: buckets[bucket].end, count, endsLine: false)
            if showsExemplars, let exemplar = histogram.exemplars[bucket] { append(exemplar) }
            endLine()
        }
        append(names.sum, block)
        PlainDecimal.append(Int128(histogram.sumMicroseconds), scale: 6, to: &output)
        endLine()
        append(names.count, block, end: Self.blockEnd, count)
    }

    /// OpenMetrics 1.0, "Exemplars".
    private mutating func append(_ exemplar: Exemplar) {
        append(" # {trace_id=\"")
        append(exemplar.trace.id)
        append("\"} ")
        PlainDecimal.append(Int128(exemplar.microseconds), scale: 6, to: &output)
        append(" ")
        PlainDecimal.append(Int128(exemplar.trace.unixMilliseconds), scale: 3, to: &output)
    }

    private static func estimatedBytes(of snapshot: Snapshot) -> Int {
        4096
    }
}

// MARK: - Other families

extension Exposition {
    private mutating func append(_ family: MetricFamily) {
        append(family.head)
        for sample in family.samples {
            if case .histogram(let bounds, let counts, let sumMicroseconds) = sample.value {
                var count: Int128 = 0
                for (le, added) in zip(bounds.labels, counts) {
                    count += Int128(added)
                    var labels = sample.labels
                    labels.append("le", LabelValue(le))
                    append(family.head.name + "_bucket", labels, .integer(count))
                }
                append(family.head.name + "_sum", sample.labels, .scaled(Int128(sumMicroseconds), scale: 6))
                append(family.head.name + "_count", sample.labels, .integer(count))
            } else {
                append(family.head.name, sample.labels, sample.value)
            }
        }
    }

    /// One line; a histogram is several and has its own way.
    private mutating func append(_ name: String, _ labels: LabelBlock, _ value: MetricFamily.Value) {
        append(name)
        if !labels.bytes.isEmpty {
            append("{")
            output.append(contentsOf: labels.bytes)
            append("}")
        }
        append(" ")
        switch value {
        case .integer(let value): PlainDecimal.append(value, to: &output)
        case .scaled(let value, let scale): PlainDecimal.append(value, scale: scale, to: &output)
        case .double(let value): append(value)
        case .histogram: break
        }
        endLine()
    }
}

// MARK: - Lines

extension Exposition {
    private static let blockEnd = Array("} ".utf8)

    private func start(of name: String) -> [UInt8] { Array((name + "{").utf8) }

    private static func end(of label: String, _ value: LabelValue) -> [UInt8] {
        Array(",".utf8) + LabelBlock([(label, value)]).bytes + blockEnd
    }

    private mutating func append(_ head: MetricFamily.Head) {
        // In OpenMetrics `_total` belongs to a counter's samples, not to its name.
        let isShortened = format == .openMetrics && head.kind == .counter && head.name.hasSuffix("_total")
        let name = isShortened ? String(head.name.dropLast("_total".count)) : head.name
        append("# HELP \(name) ")
        for byte in head.help.utf8 {
            switch byte {
            case UInt8(ascii: "\\"): append("\\\\")
            case UInt8(ascii: "\n"): append("\\n")
            // The text format 0.0.4 leaves quotes in HELP alone; OpenMetrics escapes them.
            case UInt8(ascii: "\"") where format == .openMetrics: append("\\\"")
            default: output.append(byte)
            }
        }
        append("\n# TYPE \(name) \(head.kind)\n")
    }

    private mutating func append(_ text: String) {
        output.append(contentsOf: text.utf8)
    }

    private mutating func append(_ start: [UInt8], _ block: LabelBlock) {
        output.append(contentsOf: start)
        output.append(contentsOf: block.bytes)
        output.append(contentsOf: Self.blockEnd)
    }

    private mutating func append(
        _ start: [UInt8], _ block: LabelBlock, end: [UInt8], _ value: Int64, endsLine: Bool = true
    ) {
        output.append(contentsOf: start)
        output.append(contentsOf: block.bytes)
        output.append(contentsOf: end)
        PlainDecimal.append(Int128(value), to: &output)
        if endsLine { endLine() }
    }

    /// The shortest text that reads back as `value`; whole numbers without a point.
    private mutating func append(_ value: Double) {
        if let whole = Int64(exactly: value), whole.magnitude < 1 << 53 {
            PlainDecimal.append(Int128(whole), to: &output)
        } else if value.isNaN {
            append("NaN")
        } else if value.isInfinite {
            append(value < 0 ? "-Inf" : "+Inf")
        } else {
            let text = value.description
            append(text.hasSuffix(".0") ? String(text.dropLast(2)) : text)
        }
    }

    private mutating func endLine() {
        output.append(UInt8(ascii: "\n"))
    }
}

/// The names of a histogram's samples, each with its opening brace.
private struct HistogramNames {
    let bucket: [UInt8]
    let sum: [UInt8]
    let count: [UInt8]

    init(_ name: String) {
        bucket = Array((name + "_bucket{").utf8)
        sum = Array((name + "_sum{").utf8)
        count = Array((name + "_count{").utf8)
    }
}

/// What follows the label block of a bucket's line.
private struct Bucket {
    let end: [UInt8]

    static func all(of bounds: HistogramBounds) -> [Bucket] {
        bounds.labels.map { Bucket(end: Array(",le=\"\($0)\"} ".utf8)) }
    }
}
