package import Model

/// The text of one scrape.
///
/// Built whole, in one buffer; nothing here can fail. A line is a constant, a label block rendered at the series'
/// birth, and a number: what it costs is copying them.
package struct Exposition {
    private let format: ExpositionFormat
    private let buckets: [Bucket]
    private var text: TextBuffer

    /// The families of docs/metrics.md in its order, then `own` in the order given.
    package static func render(_ snapshot: Snapshot, own: [MetricFamily], format: ExpositionFormat) -> [UInt8] {
        var exposition = Exposition(of: snapshot, format: format)
        for family in CallFamilies.all {
            exposition.append(family.head)
            family.write(&exposition, snapshot)
        }
        for family in own { exposition.append(family) }
        if format == .openMetrics { exposition.text.append("# EOF\n") }
        return exposition.text.bytes
    }

    private init(of snapshot: Snapshot, format: ExpositionFormat) {
        self.format = format
        buckets = Bucket.all(of: snapshot.bounds)
        text = TextBuffer(reserving: Self.estimatedBytes(of: snapshot, buckets: buckets.count))
    }

    /// About what the text will take, rather more: room that stays untouched costs nothing, moving the text does.
    private static func estimatedBytes(of snapshot: Snapshot, buckets: Int) -> Int {
        // The longest name with the longest end and a number of usual length.
        let lineBeyondBlock = 96
        let histogramLines = buckets + 2
        var estimate = 16_384
        for chunk in snapshot.calls.chunks {
            for index in chunk.indices {
                let lines = 12 + (chunk[index].totals.latency == nil ? 0 : histogramLines)
                estimate += lines * (chunk[index].block.bytes.count + lineBeyondBlock)
            }
        }
        for chunk in snapshot.endpoints.chunks {
            for index in chunk.indices {
                estimate += histogramLines * (chunk[index].block.bytes.count + lineBeyondBlock)
            }
        }
        return estimate + (snapshot.agents.count * 3 + snapshot.offerings.count) * 2 * lineBeyondBlock
    }
}

// MARK: - Series of the registry

extension Exposition {
    /// One line a series, if it has a value.
    ///
    /// - Parameters:
    ///   - label: one more label, the same for all.
    ///   - read: reads one element of a chunk in place; handed over as a value, it would be copied whole.
    @inline(__always)
    mutating func append<Series>(
        _ all: ChunkedArray<Series>, of family: MetricFamily.Head, with label: (name: String, value: String)? = nil,
        read: (_ chunk: [Series], _ index: Int) -> (LabelBlock, Int64?)
    ) {
        let start = Self.start(of: family.name)
        let end = label.map { Self.end(of: $0.name, LabelValue($0.value)) } ?? Self.blockEnd
        for chunk in all.chunks {
            for index in chunk.indices {
                let (block, value) = read(chunk, index)
                if let value { text.appendLine(start, block.bytes, end, value) }
            }
        }
    }

    /// One line a series, if it has an amount of money.
    @inline(__always)
    mutating func append<Series>(
        _ all: ChunkedArray<Series>, of family: MetricFamily.Head,
        read: (_ chunk: [Series], _ index: Int) -> (LabelBlock, Money?)
    ) {
        let start = Self.start(of: family.name)
        for chunk in all.chunks {
            for index in chunk.indices {
                let (block, amount) = read(chunk, index)
                guard let amount else { continue }
                text.append(start, block.bytes, Self.blockEnd)
                text.append(amount.picoUSD, scale: Money.scale)
                text.endLine()
            }
        }
    }

    /// One histogram a series, if it has one.
    @inline(__always)
    mutating func append<Series>(
        _ all: ChunkedArray<Series>, of family: MetricFamily.Head,
        read: (_ chunk: [Series], _ index: Int) -> (LabelBlock, Histogram?)
    ) {
        let names = HistogramNames(family.name)
        for chunk in all.chunks {
            for index in chunk.indices {
                let (block, histogram) = read(chunk, index)
                if let histogram { append(histogram, of: names, block.bytes) }
            }
        }
    }

    /// The calls of each set by status: `success` and `error` always, other statuses if there are any.
    mutating func appendCalls(_ all: ChunkedArray<CallSeries>, of family: MetricFamily.Head) {
        let start = Self.start(of: family.name)
        let success = Self.end(of: "status", CallRecord.success)
        let errorName = LabelValue("error")
        let error = Self.end(of: "status", errorName)
        var ends = LineEnds(of: "status")
        for chunk in all.chunks {
            for index in chunk.indices {
                let block = chunk[index].block.bytes
                let statuses = chunk[index].totals.calls.entries
                var successes: Int64 = 0
                var errors: Int64 = 0
                var others = false
                for entry in statuses {
                    if entry.name == CallRecord.success {
                        successes = entry.count
                    } else if entry.name == errorName {
                        errors = entry.count
                    } else {
                        others = true
                    }
                }
                text.appendLine(start, block, success, successes)
                text.appendLine(start, block, error, errors)
                guard others else { continue }
                for entry in statuses where entry.name != CallRecord.success && entry.name != errorName {
                    text.appendLine(start, block, ends[entry.name], entry.count)
                }
            }
        }
    }

    /// The tokens of each set by kind, if any record reported input or output: five kinds always, others if there are
    /// any.
    mutating func appendKinds(_ all: ChunkedArray<CallSeries>, of family: MetricFamily.Head) {
        let start = Self.start(of: family.name)
        let ends = TokenKind.allCases.map { (kind: $0, end: Self.end(of: "token_type", LabelValue($0.name))) }
        for chunk in all.chunks {
            for index in chunk.indices {
                guard let kinds = chunk[index].totals.kinds else { continue }
                let block = chunk[index].block.bytes
                for (kind, end) in ends where kind.isUsual || kinds[kind] > 0 {
                    text.appendLine(start, block, end, kinds[kind])
                }
            }
        }
    }

    /// The failed calls of each set by type of error.
    mutating func appendErrors(_ all: ChunkedArray<CallSeries>, of family: MetricFamily.Head) {
        let start = Self.start(of: family.name)
        var ends = LineEnds(of: "error_type")
        for chunk in all.chunks {
            for index in chunk.indices {
                for entry in chunk[index].totals.errors.entries {
                    text.appendLine(start, chunk[index].block.bytes, ends[entry.name], entry.count)
                }
            }
        }
    }

    private mutating func append(_ histogram: Histogram, of names: HistogramNames, _ block: [UInt8]) {
        var count: Int64 = 0
        let exemplars = format == .openMetrics ? histogram.exemplars : []
        for index in buckets.indices {
            count += histogram.counts[index]
            text.append(names.bucket, block, buckets[index].end, count)
            if !exemplars.isEmpty, let exemplar = exemplars[index] { append(exemplar) }
            text.endLine()
        }
        text.append(names.sum, block, Self.blockEnd)
        text.append(Int128(histogram.sumMicroseconds), scale: 6)
        text.endLine()
        text.appendLine(names.count, block, Self.blockEnd, count)
    }

    /// OpenMetrics 1.0, "Exemplars".
    private mutating func append(_ exemplar: Exemplar) {
        text.append(" # {trace_id=\"")
        text.append(exemplar.trace.id)
        text.append("\"} ")
        text.append(Int128(exemplar.microseconds), scale: 6)
        text.append(" ")
        text.append(Int128(exemplar.trace.unixMilliseconds), scale: 3)
    }

    private static let blockEnd = Array("} ".utf8)

    /// A line up to its label block.
    private static func start(of name: String) -> [UInt8] { Array((name + "{").utf8) }

    /// The text behind the label block if the family has one label more.
    private static func end(of label: String, _ value: LabelValue) -> [UInt8] {
        [UInt8(ascii: ",")] + LabelBlock([(label, value)]).bytes + blockEnd
    }

    /// The text behind the label block by the value of one label more, rendered when first met: values repeat from set
    /// to set.
    private struct LineEnds {
        private let label: String
        private var known: [LabelValue: [UInt8]] = [:]

        init(of label: String) {
            self.label = label
        }

        subscript(value: LabelValue) -> [UInt8] {
            mutating get {
                if let end = known[value] { return end }
                let end = Exposition.end(of: label, value)
                known[value] = end
                return end
            }
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

    /// A bucket of the two latency histograms.
    private struct Bucket {
        /// The text behind the label block.
        let end: [UInt8]

        static func all(of bounds: HistogramBounds) -> [Bucket] {
            bounds.labels.map { Bucket(end: Exposition.end(of: "le", LabelValue($0))) }
        }
    }
}

// MARK: - Other families

extension Exposition {
    private mutating func append(_ family: MetricFamily) {
        append(family.head)
        for sample in family.samples { append(sample, of: family.head.name) }
    }

    mutating func append(_ sample: MetricFamily.Sample, of name: String) {
        switch sample.value {
        case .integer(let value):
            appendStart(name, sample.labels)
            text.append(value, scale: 0)
            text.endLine()
        case .scaled(let value, let scale):
            appendStart(name, sample.labels)
            text.append(value, scale: scale)
            text.endLine()
        case .double(let value):
            appendStart(name, sample.labels)
            text.append(Self.shortestText(of: value))
            text.endLine()
        case .histogram(let bounds, let counts, let sumMicroseconds):
            var count: Int128 = 0
            for (le, added) in zip(bounds.labels, counts) {
                count += Int128(added)
                var labels = sample.labels
                labels.append("le", LabelValue(le))
                append(MetricFamily.Sample(labels: labels, value: .integer(count)), of: name + "_bucket")
            }
            let sum = MetricFamily.Value.scaled(Int128(sumMicroseconds), scale: 6)
            append(MetricFamily.Sample(labels: sample.labels, value: sum), of: name + "_sum")
            append(MetricFamily.Sample(labels: sample.labels, value: .integer(count)), of: name + "_count")
        }
    }

    /// Appends a line up to its value.
    private mutating func appendStart(_ name: String, _ labels: LabelBlock) {
        text.append(name)
        if !labels.bytes.isEmpty {
            text.append("{")
            text.append(labels.bytes)
            text.append("}")
        }
        text.append(" ")
    }

    /// The shortest text that reads back as `value`; whole numbers without a point, as Prometheus writes them.
    private static func shortestText(of value: Double) -> String {
        if value.isNaN { return "NaN" }
        if value.isInfinite { return value < 0 ? "-Inf" : "+Inf" }
        let text = value.description
        return text.hasSuffix(".0") ? String(text.dropLast(2)) : text
    }

    private mutating func append(_ head: MetricFamily.Head) {
        // In OpenMetrics `_total` belongs to a counter's samples, not to its name.
        let isShortened = format == .openMetrics && head.kind == .counter && head.name.hasSuffix("_total")
        let name = isShortened ? String(head.name.dropLast("_total".count)) : head.name
        text.append("# HELP \(name) ")
        for byte in head.help.utf8 {
            switch byte {
            case UInt8(ascii: "\\"): text.append("\\\\")
            case UInt8(ascii: "\n"): text.append("\\n")
            // The text format 0.0.4 leaves quotes in HELP alone; OpenMetrics escapes them.
            case UInt8(ascii: "\"") where format == .openMetrics: text.append("\\\"")
            default: text.append(byte)
            }
        }
        text.append("\n# TYPE \(name) \(head.kind.rawValue)\n")
    }
}

extension TokenKind {
    /// Whether it is shown also where it is 0.
    fileprivate var isUsual: Bool {
        switch self {
        case .input, .cacheRead, .cacheWrite, .output, .reasoning: true
        case .cacheWrite1h, .inputAudio, .inputImage, .outputAudio, .outputImage: false
        }
    }
}
