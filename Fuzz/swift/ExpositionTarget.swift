import Bodies
import Metrics
import Model

@testable import Formats

/// Expositions of the records in a body: the text and the messages of protobuf hold the same samples.
enum ExpositionTarget {
    private static let decoders = RecordDecoders()

    static func test(_ body: [UInt8]) {
        guard
            let decoded = try? RecordsFormat(.ndjson, idempotencyKey: nil, decoders: decoders).decode(
                PaddedBytes(body), arrival: arrival),
            !decoded.events.isEmpty
        else { return }
        var state = LedgerState(
            registry: Registry(maxSeries: 8), recentIDs: RecentIDs(window: .seconds(3600), maxIDs: 1000))
        var batch = Batch(onto: state, at: Moment(arrival))
        for (_, event) in decoded.events { _ = try? batch.fold(event, onto: state) }
        state.adopt(batch)
        let snapshot = state.registry.snapshot
        func rendered(_ format: ExpositionFormat) -> [UInt8] {
            Exposition.render(snapshot, own: [], started: arrival, format: format)
        }
        let text = rendered(.text)
        require(text == rendered(.text), "another text of the same snapshot")
        guard let string = String(validating: text, as: UTF8.self) else { return require(false, "not UTF-8") }
        let lines = string.split(separator: "\n", omittingEmptySubsequences: false)
        require(lines.last == "", "the last line is not ended")
        let samples = lines.dropLast().filter { !$0.hasPrefix("#") }.map(Sample.init(line:))
        for hasNativeHistograms in [false, true] {
            var second = ExpositionReader()
            second.read(rendered(.protobuf(hasNativeHistograms: hasNativeHistograms)))
            require(second.samples.count == samples.count, "\(second.samples.count) samples, not \(samples.count)")
            for (one, other) in zip(samples, second.samples) { require(one == other, "\(other), not \(one)") }
        }
    }
}

/// A sample: its name and labels as the text format has them, and its value.
private struct Sample: Equatable {
    let series: Substring
    let value: Double

    init(series: String, value: Double) {
        self.series = series[...]
        self.value = value
    }

    init(line: Substring) {
        let space = line.lastIndex(of: " ")
        series = space.map { line[..<$0] } ?? ""
        guard let space, let value = Double(line[line.index(after: space)...]) else {
            require(false, "no sample: \(line)")
            self.value = .nan
            return
        }
        self.value = value
    }
}

/// Reads messages of type io.prometheus.client.MetricFamily (prometheus/client_model, metrics.proto).
private struct ExpositionReader {
    private(set) var samples: [Sample] = []

    mutating func read(_ bytes: [UInt8]) {
        var rest = bytes[...]
        while !rest.isEmpty {
            let length = Int(Self.varint(&rest))
            require(length <= rest.count, "a family of \(length) bytes, of which there are \(rest.count)")
            readFamily(Array(rest.prefix(length)))
            rest = rest.dropFirst(length)
        }
    }

    private static func varint(_ bytes: inout ArraySlice<UInt8>) -> UInt64 {
        var value: UInt64 = 0
        var shift: UInt64 = 0
        while let byte = bytes.popFirst() {
            value |= UInt64(byte & 0x7F) << shift
            shift += 7
            if byte < 0x80 { break }
        }
        return value
    }

    private mutating func readFamily(_ bytes: [UInt8]) {
        let fields = Self.fields(bytes)
        let name = Self.text(fields, 1)
        require(!name.isEmpty && !Self.text(fields, 2).isEmpty, "a family without a name or help")
        for case (4, .bytes(let metric)) in fields { readMetric(metric, name) }
    }

    private mutating func readMetric(_ bytes: [UInt8], _ name: String) {
        let fields = Self.fields(bytes)
        var labels: [String] = []
        for case (1, .bytes(let label)) in fields {
            let pair = Self.fields(label)
            labels.append("\(Self.text(pair, 1))=\"\(Self.escaped(Self.text(pair, 2)))\"")
        }
        func append(_ name: String, _ value: Double, _ more: [String] = []) {
            let all = labels + more
            samples.append(Sample(series: name + (all.isEmpty ? "" : "{\(all.joined(separator: ","))}"), value: value))
        }
        for (number, value) in fields {
            guard case .bytes(let content) = value, number != 1 else { continue }
            let inner = Self.fields(content)
            guard number == 7 else {
                append(name, Self.double(inner, 1))
                continue
            }
            for case (3, .bytes(let bucket)) in inner {
                let parts = Self.fields(bucket)
                let bound = Self.double(parts, 2)
                append("\(name)_bucket", Self.integer(parts, 1), ["le=\"\(bound.isInfinite ? "+Inf" : "\(bound)")\""])
            }
            append("\(name)_sum", Self.double(inner, 2))
            append("\(name)_count", Self.integer(inner, 1))
        }
    }

    // MARK: Fields

    private enum Value {
        case number(UInt64)
        case bytes([UInt8])
    }

    private static func fields(_ bytes: [UInt8]) -> [(number: UInt32, value: Value)] {
        var fields: [(UInt32, Value)] = []
        // Safe: no bytes leave the closure.
        unsafe bytes.withUnsafeBufferPointer { buffer in
            var reader = unsafe ProtobufReader(BorrowedBytes(buffer))
            do {
                while let field = try reader.nextField() {
                    switch field.value {
                    case .varint(let value), .fixed64(let value): fields.append((field.number, .number(value)))
                    case .bytes(let bytes): fields.append((field.number, .bytes(Array(bytes))))
                    default: require(false, "a field of another type")
                    }
                }
            } catch {
                require(false, "no message")
            }
        }
        return fields
    }

    private static func number(_ fields: [(number: UInt32, value: Value)], _ wanted: UInt32) -> UInt64 {
        for case (wanted, .number(let value)) in fields { return value }
        return 0
    }

    private static func double(_ fields: [(number: UInt32, value: Value)], _ wanted: UInt32) -> Double {
        Double(bitPattern: number(fields, wanted))
    }

    private static func integer(_ fields: [(number: UInt32, value: Value)], _ wanted: UInt32) -> Double {
        Double(number(fields, wanted))
    }

    private static func text(_ fields: [(number: UInt32, value: Value)], _ wanted: UInt32) -> String {
        for case (wanted, .bytes(let bytes)) in fields {
            guard let text = String(validating: bytes, as: UTF8.self) else {
                require(false, "text that is not UTF-8")
                return ""
            }
            return text
        }
        return ""
    }

    /// As the text format has it.
    private static func escaped(_ text: String) -> String {
        var escaped = ""
        for character in text.unicodeScalars {
            switch character {
            case "\\": escaped += "\\\\"
            case "\n": escaped += "\\n"
            case "\"": escaped += "\\\""
            default: escaped.unicodeScalars.append(character)
            }
        }
        return escaped
    }
}
