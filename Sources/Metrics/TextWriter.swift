import Model

/// Writes the text format 0.0.4 or OpenMetrics 1.0.
///
/// A line is a constant, a label block that was rendered when the series began, and a number. Writing it only copies
/// bytes.
struct TextWriter: SampleWriter {
    private let isOpenMetrics: Bool
    private let hasCreatedSamples: Bool
    private let blockEnd = Array("} ".utf8)
    private var text: TextBuffer
    /// The names of the family that has begun.
    private var names = Names("", .gauge)

    init(_ format: ExpositionFormat, reserving capacity: Int) {
        (isOpenMetrics, hasCreatedSamples) =
            switch format {
            case .openMetrics(let hasCreatedSamples): (true, hasCreatedSamples)
            case .text, .protobuf: (false, false)
            }
        text = TextBuffer(reserving: capacity)
    }

    /// The text, ended.
    consuming func finished() -> [UInt8] {
        if isOpenMetrics { text.append("# EOF\n") }
        return text.bytes
    }

    // MARK: Labels

    func labels(of block: LabelBlock) -> [UInt8] { block.bytes }

    /// The text behind the labels, up to the value.
    func label(_ name: String, _ value: LabelValue) -> [UInt8] {
        [UInt8(ascii: ",")] + LabelBlock([(name, value)]).bytes + blockEnd
    }

    func buckets(of bounds: HistogramBounds) -> [[UInt8]] {
        bounds.labels.map { label("le", LabelValue($0)) }
    }

    // MARK: Families

    mutating func begin(_ head: MetricFamily.Head) {
        names = Names(head.name, head.kind)
        // In OpenMetrics `_total` belongs to a counter's samples, not to its name.
        let name = isOpenMetrics ? names.family : head.name
        text.append("# HELP \(name) ")
        for byte in head.help.utf8 {
            switch byte {
            case UInt8(ascii: "\\"): text.append("\\\\")
            case UInt8(ascii: "\n"): text.append("\\n")
            // The text format 0.0.4 leaves quotes in HELP alone; OpenMetrics escapes them.
            case UInt8(ascii: "\"") where isOpenMetrics: text.append("\\\"")
            default: text.append(byte)
            }
        }
        text.append("\n# TYPE \(name) \(head.kind.rawValue)\n")
    }

    mutating func end() {}

    /// The names of a family's samples, each with its opening brace.
    private struct Names {
        /// Without `_total`.
        let family: String
        let sample: [UInt8]
        let bucket: [UInt8]
        let sum: [UInt8]
        let count: [UInt8]
        let created: [UInt8]

        init(_ name: String, _ kind: MetricFamily.Kind) {
            let isTotal = kind == .counter && name.hasSuffix("_total")
            family = isTotal ? String(name.dropLast("_total".count)) : name
            sample = Array((name + "{").utf8)
            bucket = Array((name + "_bucket{").utf8)
            sum = Array((name + "_sum{").utf8)
            count = Array((name + "_count{").utf8)
            created = Array((family + "_created{").utf8)
        }
    }

    // MARK: Samples

    mutating func append(
        _ value: Int64, _ labels: [UInt8], _ label: [UInt8], created: @autoclosure () -> Instant?
    ) {
        text.appendLine(names.sample, labels, label.isEmpty ? blockEnd : label, value)
        if hasCreatedSamples { append(created: created(), labels, label) }
    }

    mutating func append(_ value: Int128, scale: Int, _ labels: [UInt8], created: @autoclosure () -> Instant?) {
        appendStart(names.sample, labels)
        text.append(value, scale: scale)
        text.endLine()
        if hasCreatedSamples { append(created: created(), labels, []) }
    }

    mutating func append(_ value: Double, _ labels: [UInt8]) {
        appendStart(names.sample, labels)
        text.append(Self.shortestText(of: value))
        text.endLine()
    }

    mutating func append(
        _ histogram: Histogram, _ buckets: [[UInt8]], isNative: Bool, _ labels: [UInt8],
        created: @autoclosure () -> Instant?
    ) {
        var count: Int64 = 0
        let exemplars = isOpenMetrics ? histogram.exemplars : []
        for index in buckets.indices {
            count += histogram.counts[index]
            // Without other labels there is no comma.
            text.append(
                names.bucket, labels, labels.isEmpty ? Array(buckets[index].dropFirst()) : buckets[index], count)
            if !exemplars.isEmpty, let exemplar = exemplars[index] { append(exemplar) }
            text.endLine()
        }
        appendStart(names.sum, labels)
        text.append(Int128(histogram.sumMicroseconds), scale: 6)
        text.endLine()
        appendStart(names.count, labels)
        text.append(Int128(count), scale: 0)
        text.endLine()
        if hasCreatedSamples { append(created: created(), labels, []) }
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

    /// OpenMetrics 1.0, "Counter": seconds since 1970.
    private mutating func append(created: Instant?, _ labels: [UInt8], _ label: [UInt8]) {
        guard let created else { return }
        if label.isEmpty {
            appendStart(names.created, labels)
        } else {
            text.append(names.created, labels, label)
        }
        text.append(Int128(created.unixMilliseconds), scale: 3)
        text.endLine()
    }

    /// Appends a line up to its value.
    private mutating func appendStart(_ name: [UInt8], _ labels: [UInt8]) {
        if labels.isEmpty {
            text.append(Array(name.dropLast()))
            text.append(UInt8(ascii: " "))
        } else {
            text.append(name, labels, blockEnd)
        }
    }

    /// The shortest text that reads back as `value`; whole numbers without a point, as Prometheus writes them.
    private static func shortestText(of value: Double) -> String {
        if value.isNaN { return "NaN" }
        if value.isInfinite { return value < 0 ? "-Inf" : "+Inf" }
        let text = value.description
        return text.hasSuffix(".0") ? String(text.dropLast(2)) : text
    }
}
