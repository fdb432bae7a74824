import Model

/// Writes messages of type io.prometheus.client.MetricFamily (prometheus/client_model, metrics.proto).
///
/// The length of a message comes before it, so the value of a metric and the family are each written to a buffer first.
struct ProtobufWriter: SampleWriter {
    private let hasNativeHistograms: Bool
    /// The families that have ended.
    private(set) var bytes: [UInt8] = []
    /// The family that has begun.
    private var family: [UInt8] = []
    private var kind = MetricFamily.Kind.gauge
    /// The value of the present metric.
    private var value: [UInt8] = []
    private var part: [UInt8] = []

    /// - Parameter capacity: about what the bytes will take.
    init(hasNativeHistograms: Bool, reserving capacity: Int) {
        self.hasNativeHistograms = hasNativeHistograms
        bytes.reserveCapacity(capacity)
        family.reserveCapacity(capacity / 4)
    }

    // MARK: Labels

    /// The fields `label` of a `Metric`.
    func labels(of block: LabelBlock) -> [UInt8] {
        var labels: [UInt8] = []
        labels.reserveCapacity(block.bytes.count + 8)
        block.forEachPair { name, value in labels.append(pair: name, value) }
        return labels
    }

    func label(_ name: String, _ value: LabelValue) -> [UInt8] {
        var label: [UInt8] = []
        label.append(pair: Array(name.utf8)[...], Array(value.text.utf8))
        return label
    }

    /// The field `upper_bound` of each `Bucket`.
    func buckets(of bounds: HistogramBounds) -> [[UInt8]] {
        (bounds.microseconds.map { Double($0) / 1_000_000 } + [.infinity]).map { bound in
            var field: [UInt8] = []
            field.append(double: bound, field: 2)
            return field
        }
    }

    // MARK: Families

    mutating func begin(_ head: MetricFamily.Head) {
        family.removeAll(keepingCapacity: true)
        kind = head.kind
        family.append(bytes: Array(head.name.utf8), field: 1)
        family.append(bytes: Array(head.help.utf8), field: 2)
        family.append(varint: kind.number, field: 3)
    }

    mutating func end() {
        bytes.append(varint: UInt64(family.count))
        bytes.append(contentsOf: family)
    }

    // MARK: Samples

    mutating func append(
        _ value: Int64, _ labels: [UInt8], _ label: [UInt8], created: @autoclosure () -> Instant?
    ) {
        append(number: Double(value), labels, label, created: created())
    }

    mutating func append(_ value: Int128, scale: Int, _ labels: [UInt8], created: @autoclosure () -> Instant?) {
        append(number: Self.nearest(value, scale: scale), labels, [], created: created())
    }

    mutating func append(_ value: Double, _ labels: [UInt8]) {
        append(number: value, labels, [], created: nil)
    }

    private mutating func append(number: Double, _ labels: [UInt8], _ label: [UInt8], created: Instant?) {
        let timestamp = created.map(Timestamp.init)
        let valueLength = 9 + (timestamp.map { 2 + $0.length } ?? 0)
        // One reservation for the whole metric: a scrape has 100,000 of them.
        family.append(addingCapacity: labels.count + label.count + 64) { metric in
            metric.append(tag: 4, 2)
            // A value is shorter than 128 bytes.
            metric.append(varint: UInt64(labels.count + label.count + 2 + valueLength))
            metric.append(copying: labels.span)
            metric.append(copying: label.span)
            metric.append(tag: kind.valueField, 2)
            metric.append(varint: UInt64(valueLength))
            metric.append(double: number, field: 1)
            if let timestamp { metric.append(timestamp, field: 3) }
        }
    }

    mutating func append(
        _ histogram: Histogram, _ buckets: [[UInt8]], isNative: Bool, _ labels: [UInt8],
        created: @autoclosure () -> Instant?
    ) {
        value.removeAll(keepingCapacity: true)
        value.append(varint: UInt64(histogram.count), field: 1)
        value.append(double: Self.nearest(Int128(histogram.sumMicroseconds), scale: 6), field: 2)
        var count: Int64 = 0
        for index in buckets.indices {
            count += histogram.counts[index]
            let exemplar = histogram.exemplars.isEmpty ? [] : histogram.exemplars[index].map(Self.field(of:)) ?? []
            let bound = buckets[index]
            let length = 1 + varintLength(UInt64(count)) + bound.count + exemplar.count
            value.append(addingCapacity: length + 12) { bucket in
                bucket.append(tag: 3, 2)
                bucket.append(varint: UInt64(length))
                bucket.append(tag: 1, 0)
                bucket.append(varint: UInt64(count))
                bucket.append(copying: bound.span)
                bucket.append(copying: exemplar.span)
            }
        }
        if isNative, hasNativeHistograms { append(histogram.native) }
        if let created = created() {
            value.append(addingCapacity: 24) { (value: inout OutputSpan<UInt8>) in
                value.append(Timestamp(created), field: 15)
            }
        }
        appendMetric(labels, [])
    }

    /// The native part of a histogram. All histograms of a family have it: Prometheus up to 3.0 decides by the first.
    private mutating func append(_ buckets: NativeBuckets) {
        value.append(varint: zigzag(Int64(NativeBuckets.schema)), field: 5)
        value.append(double: NativeBuckets.zeroThreshold, field: 6)
        var first = 0
        var zeroCount: Int64 = 0
        if !buckets.isEmpty, buckets[0].place == 0 {
            zeroCount = buckets[0].count
            first = 1
        }
        value.append(varint: UInt64(zeroCount), field: 7)
        guard first < buckets.occupied else { return }

        // Spans of buckets that follow one another, and the difference of each count to the one before. A gap of one or
        // two buckets takes fewer bytes as counts of 0 than as an end of a span.
        part.removeAll(keepingCapacity: true)
        var span = (offset: Int64(buckets[first].place - 1 + NativeBuckets.firstIndex), length: UInt64(0))
        var next = buckets[first].place
        var before: Int64 = 0
        for rank in first..<buckets.occupied {
            let bucket = buckets[rank]
            let gap = bucket.place - next
            if gap > 2 {
                append(span)
                span = (Int64(gap), 0)
            } else if gap > 0 {
                part.append(varint: zigzag(-before))
                if gap == 2 { part.append(varint: zigzag(0)) }
                before = 0
                span.length += UInt64(gap)
            }
            part.append(varint: zigzag(bucket.count - before))
            before = bucket.count
            span.length += 1
            next = bucket.place + 1
        }
        append(span)
        value.append(bytes: part, field: 13)
    }

    private mutating func append(_ span: (offset: Int64, length: UInt64)) {
        var message: [UInt8] = []
        message.append(varint: zigzag(span.offset), field: 1)
        message.append(varint: span.length, field: 2)
        value.append(bytes: message, field: 12)
    }

    /// Appends a metric with the gathered value to the family.
    private mutating func appendMetric(_ labels: [UInt8], _ label: [UInt8]) {
        let head = 1 + varintLength(UInt64(value.count))
        family.append(tag: 4, 2)
        family.append(varint: UInt64(labels.count + label.count + head + value.count))
        family.append(contentsOf: labels)
        family.append(contentsOf: label)
        family.append(bytes: value, field: kind.valueField)
    }

    // MARK: Parts

    /// google.protobuf.Timestamp.
    fileprivate struct Timestamp {
        let seconds: UInt64
        let nanoseconds: UInt64

        init(_ instant: Instant) {
            seconds = UInt64(bitPattern: instant.flooredSeconds)
            nanoseconds = UInt64(instant.unixMilliseconds - instant.flooredSeconds * 1000) * 1_000_000
        }

        var length: Int { 2 + varintLength(seconds) + varintLength(nanoseconds) }
    }

    /// The field `exemplar` of a `Bucket`.
    private static func field(of exemplar: Exemplar) -> [UInt8] {
        var message: [UInt8] = []
        message.append(pair: Array("trace_id".utf8)[...], Array(exemplar.trace.id.utf8))
        message.append(addingCapacity: 48) { message in
            message.append(double: nearest(Int128(exemplar.microseconds), scale: 6), field: 2)
            message.append(Timestamp(Instant(unixMilliseconds: exemplar.trace.unixMilliseconds)), field: 3)
        }
        var field: [UInt8] = []
        field.append(bytes: message, field: 3)
        return field
    }

    /// The number nearest to `value` x 10^-scale, the same that a parser of the text format gets.
    private static func nearest(_ value: Int128, scale: Int) -> Double {
        if scale == 0 { return Double(value) }
        // Both are exact, so the division rounds once.
        if value.magnitude <= 1 << 53 { return Double(Int64(value)) / powersOfTen[scale] }
        return Double(PlainDecimal.text(value, scale: scale)) ?? .nan
    }

    private static let powersOfTen = (0...12).map { exponent in
        (0..<exponent).reduce(1.0) { power, _ in power * 10 }
    }
}

extension MetricFamily.Kind {
    /// Its number in the enum MetricType.
    fileprivate var number: UInt64 {
        switch self {
        case .counter: 0
        case .gauge: 1
        case .histogram: 4
        }
    }

    /// The field of `Metric` for its value.
    fileprivate var valueField: UInt64 {
        switch self {
        case .counter: 3
        case .gauge: 2
        case .histogram: 7
        }
    }
}

/// A signed number as a varint carries it: 0, -1, 1, -2, … become 0, 1, 2, 3, ….
private func zigzag(_ value: Int64) -> UInt64 { UInt64(bitPattern: (value << 1) ^ (value >> 63)) }

private func varintLength(_ value: UInt64) -> Int { max(1, (70 - value.leadingZeroBitCount) / 7) }

/// Fields of a message (protobuf.dev, "Encoding").
extension [UInt8] {
    fileprivate mutating func append(tag field: UInt64, _ wireType: UInt64) {
        append(UInt8(truncatingIfNeeded: field << 3 | wireType))
    }

    fileprivate mutating func append(varint value: UInt64, field: UInt64) {
        append(tag: field, 0)
        append(varint: value)
    }

    fileprivate mutating func append(double value: Double, field: UInt64) {
        append(addingCapacity: 9) { (bytes: inout OutputSpan<UInt8>) in bytes.append(double: value, field: field) }
    }

    fileprivate mutating func append(bytes: [UInt8], field: UInt64) {
        append(tag: field, 2)
        append(varint: UInt64(bytes.count))
        append(contentsOf: bytes)
    }

    /// A field `label` of `Metric` or `Exemplar`.
    fileprivate mutating func append(pair name: ArraySlice<UInt8>, _ value: [UInt8]) {
        append(tag: 1, 2)
        let length =
            1 + varintLength(UInt64(name.count)) + name.count + 1 + varintLength(UInt64(value.count)) + value.count
        append(varint: UInt64(length))
        append(tag: 1, 2)
        append(varint: UInt64(name.count))
        append(contentsOf: name)
        append(tag: 2, 2)
        append(varint: UInt64(value.count))
        append(contentsOf: value)
    }
}

/// The same where the room is there already.
extension OutputSpan<UInt8> {
    @inline(__always)
    fileprivate mutating func append(tag field: UInt64, _ wireType: UInt64) {
        append(UInt8(truncatingIfNeeded: field << 3 | wireType))
    }

    @inline(__always)
    fileprivate mutating func append(varint value: UInt64) {
        var rest = value
        while rest >= 0x80 {
            append(UInt8(truncatingIfNeeded: rest) | 0x80)
            rest >>= 7
        }
        append(UInt8(truncatingIfNeeded: rest))
    }

    @inline(__always)
    fileprivate mutating func append(double value: Double, field: UInt64) {
        append(tag: field, 1)
        var bits = value.bitPattern
        for _ in 0..<8 {
            append(UInt8(truncatingIfNeeded: bits))
            bits >>= 8
        }
    }

    @inline(__always)
    fileprivate mutating func append(_ timestamp: ProtobufWriter.Timestamp, field: UInt64) {
        append(tag: field, 2)
        append(varint: UInt64(timestamp.length))
        append(tag: 1, 0)
        append(varint: timestamp.seconds)
        append(tag: 2, 0)
        append(varint: timestamp.nanoseconds)
    }
}
