import Model

/// Writes families and their samples in one format of a scrape.
///
/// A family begins, gets its samples, and ends. Labels are bytes as the format writes them, rendered once for all
/// families that share them.
///
/// A protocol and not a switch in each call: the compiler makes `CallFamilies.write` once for each format.
protocol SampleWriter {
    /// The labels of a series.
    func labels(of block: LabelBlock) -> [UInt8]
    /// One more label, after the others.
    func label(_ name: String, _ value: LabelValue) -> [UInt8]
    /// The upper bounds of classic buckets; `+Inf` is the last.
    func buckets(of bounds: HistogramBounds) -> [[UInt8]]

    mutating func begin(_ head: MetricFamily.Head)
    /// - Parameters:
    ///   - label: one label more, or none.
    ///   - created: when the series began; `nil` if that is not known, and for gauges. Few scrapes ask for it.
    mutating func append(
        _ value: Int64, _ labels: [UInt8], _ label: [UInt8], created: @autoclosure () -> Instant?)
    /// Appends `value` x 10^-scale.
    mutating func append(_ value: Int128, scale: Int, _ labels: [UInt8], created: @autoclosure () -> Instant?)
    mutating func append(_ value: Double, _ labels: [UInt8])
    /// - Parameters:
    ///   - buckets: the bounds of the histogram, by `buckets(of:)`.
    ///   - isNative: whether its native buckets are shown, if the format has any.
    mutating func append(
        _ histogram: Histogram, _ buckets: [[UInt8]], isNative: Bool, _ labels: [UInt8],
        created: @autoclosure () -> Instant?)
    mutating func end()
}

/// Series with their labels as a format writes them.
struct LabelledSeries<Series: Sendable> {
    let all: ChunkedArray<Series>
    /// By place.
    private let labels: [[UInt8]]

    init(_ all: ChunkedArray<Series>, _ labels: (_ chunk: [Series], _ index: Int) -> [UInt8]) {
        self.all = all
        var rendered: [[UInt8]] = []
        rendered.reserveCapacity(all.count)
        for chunk in all.chunks {
            for index in chunk.indices { rendered.append(labels(chunk, index)) }
        }
        self.labels = rendered
    }

    /// Calls `body` for each series, which reads it in place: passing it as a value would copy all of it.
    @inline(__always)
    func forEach(_ body: (_ chunk: [Series], _ index: Int, _ labels: [UInt8]) -> Void) {
        var place = 0
        for chunk in all.chunks {
            for index in chunk.indices {
                body(chunk, index, labels[place])
                place += 1
            }
        }
    }
}

extension SampleWriter {
    /// One sample a series, if it has a value.
    ///
    /// - Parameter label: one more label, the same for all.
    @inline(__always)
    mutating func append<Series>(
        _ series: LabelledSeries<Series>, with label: [UInt8] = [],
        created: (_ chunk: [Series], _ index: Int) -> Instant? = { _, _ in nil },
        value: (_ chunk: [Series], _ index: Int) -> Int64?
    ) {
        series.forEach { chunk, index, labels in
            if let value = value(chunk, index) { append(value, labels, label, created: created(chunk, index)) }
        }
    }

    /// One sample a series, if it has a value.
    @inline(__always)
    mutating func append<Series>(
        _ series: LabelledSeries<Series>, double: (_ chunk: [Series], _ index: Int) -> Double?
    ) {
        series.forEach { chunk, index, labels in
            if let value = double(chunk, index) { append(value, labels) }
        }
    }

    /// One sample a series, if it has an amount of money.
    @inline(__always)
    mutating func append<Series>(
        _ series: LabelledSeries<Series>, created: (_ chunk: [Series], _ index: Int) -> Instant?,
        money: (_ chunk: [Series], _ index: Int) -> Money?
    ) {
        series.forEach { chunk, index, labels in
            if let money = money(chunk, index) {
                append(money.picoUSD, scale: Money.scale, labels, created: created(chunk, index))
            }
        }
    }

    /// One histogram a series, if it has one.
    ///
    /// - Parameter buckets: the bounds of all of them.
    @inline(__always)
    mutating func append<Series>(
        _ series: LabelledSeries<Series>, _ buckets: [[UInt8]],
        created: (_ chunk: [Series], _ index: Int) -> Instant?,
        histogram: (_ chunk: [Series], _ index: Int) -> Histogram?
    ) {
        series.forEach { chunk, index, labels in
            if let histogram = histogram(chunk, index) {
                append(histogram, buckets, isNative: true, labels, created: created(chunk, index))
            }
        }
    }

    /// A family that the registry does not keep.
    ///
    /// - Parameter created: when its counters and histograms began.
    mutating func append(_ family: MetricFamily, created: Instant) {
        begin(family.head)
        let created = family.head.kind == .gauge ? nil : created
        for sample in family.samples {
            let labels = labels(of: sample.labels)
            switch sample.value {
            case .integer(let value): append(value, scale: 0, labels, created: created)
            case .scaled(let value, let scale): append(value, scale: scale, labels, created: created)
            case .double(let value): append(value, labels)
            case .histogram(let bounds, let counts, let sumMicroseconds):
                let histogram = Histogram(
                    counts: counts, sumMicroseconds: sumMicroseconds, exemplars: [], native: NativeBuckets())
                append(histogram, buckets(of: bounds), isNative: false, labels, created: created)
            }
        }
        end()
    }

    /// The calls of each set by status: `success` and `error` always, other statuses if there are any.
    mutating func appendCalls(_ series: LabelledSeries<CallSeries>) {
        let success = label("status", CallRecord.success)
        let errorName = LabelValue("error")
        let error = label("status", errorName)
        var others = RenderedLabels(of: "status")
        series.forEach { chunk, index, labels in
            var successes: Int64 = 0
            var errors: Int64 = 0
            var hasOthers = false
            for entry in chunk[index].totals.calls.entries {
                if entry.name == CallRecord.success {
                    successes = entry.count
                } else if entry.name == errorName {
                    errors = entry.count
                } else {
                    hasOthers = true
                }
            }
            append(successes, labels, success, created: chunk[index].totals.created.set)
            append(errors, labels, error, created: chunk[index].totals.created.set)
            guard hasOthers else { return }
            for entry in chunk[index].totals.calls.entries
            where entry.name != CallRecord.success && entry.name != errorName {
                append(
                    entry.count, labels, others[entry.name, self],
                    created: chunk[index].totals.created[.status(entry.name)])
            }
        }
    }

    /// The tokens of each set by kind, if any record reported input or output: five kinds always, others if there are
    /// any.
    mutating func appendKinds(_ series: LabelledSeries<CallSeries>) {
        let rare = Set(TokenKind.rare)
        let kinds = TokenKind.allCases.map { kind in
            (kind: kind, isRare: rare.contains(kind), label: label("token_type", LabelValue(kind.name)))
        }
        series.forEach { chunk, index, labels in
            guard let counts = chunk[index].totals.kinds else { return }
            for (kind, isRare, label) in kinds where !isRare || counts[kind] > 0 {
                append(
                    counts[kind], labels, label, created: chunk[index].totals.created[isRare ? .kind(kind) : .kinds])
            }
        }
    }

    /// The failed calls of each set by type of error.
    mutating func appendErrors(_ series: LabelledSeries<CallSeries>) {
        var types = RenderedLabels(of: "error_type")
        series.forEach { chunk, index, labels in
            for entry in chunk[index].totals.errors.entries {
                append(
                    entry.count, labels, types[entry.name, self],
                    created: chunk[index].totals.created[.errorType(entry.name)])
            }
        }
    }
}

/// One label by its value, rendered when first met: values repeat from set to set.
private struct RenderedLabels {
    private let name: String
    private var known: [LabelValue: [UInt8]] = [:]

    init(of name: String) {
        self.name = name
    }

    subscript(value: LabelValue, writer: some SampleWriter) -> [UInt8] {
        mutating get {
            if let label = known[value] { return label }
            let label = writer.label(name, value)
            known[value] = label
            return label
        }
    }
}
