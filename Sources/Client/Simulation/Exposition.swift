internal import FoundationEssentials

/// The samples of one agent in the text of a scrape (Prometheus text format 0.0.4), and the size of that text.
struct Exposition: Equatable, Sendable {
    struct Sample: Equatable, Sendable {
        let name: String
        let labels: [String: String]
        /// Exact; `nil` for infinities and not-a-number.
        let value: Decimal?
    }

    private(set) var samples: [Sample] = []
    private(set) var sizeBytes = 0

    init() {}

    /// Reads the text.
    ///
    /// - Throws: `SimulationError.unreadable`, with the number of the line that is not a sample.
    init(text: [UInt8], agent: String) throws(SimulationError) {
        sizeBytes = text.count
        var number = 0
        for line in text.split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false) {
            number += 1
            guard let first = line.first, first != UInt8(ascii: "#") else { continue }
            var reader = LineReader(rest: line)
            guard let sample = reader.sample() else {
                throw .unreadable(request: "GET /metrics", reason: "line \(number) is not a sample")
            }
            if sample.labels["agent_name"] == agent { samples.append(sample) }
        }
    }

    /// The sum of the samples of that name with at least these labels; 0 if there are none.
    func sum(_ name: String, _ labels: [String: String] = [:]) -> Decimal {
        samples.reduce(0) { sum, sample in
            guard sample.name == name, labels.allSatisfy({ sample.labels[$0.key] == $0.value }) else { return sum }
            return sum + (sample.value ?? .nan)
        }
    }

    /// Reads the parts of one line.
    private struct LineReader {
        var rest: ArraySlice<UInt8>

        mutating func sample() -> Sample? {
            guard let name = text(upTo: { $0 == UInt8(ascii: "{") || $0 == UInt8(ascii: " ") }), !name.isEmpty else {
                return nil
            }
            var labels: [String: String] = [:]
            if rest.first == UInt8(ascii: "{") {
                rest.removeFirst()
                while rest.first != UInt8(ascii: "}") {
                    guard let key = text(upTo: { $0 == UInt8(ascii: "=") }), let value = quoted() else { return nil }
                    labels[key] = value
                    if rest.first == UInt8(ascii: ",") { rest.removeFirst() }
                }
                rest.removeFirst()
            }
            let words = rest.split(separator: UInt8(ascii: " ")).map { String(decoding: $0, as: UTF8.self) }
            guard words.count == 1 || words.count == 2 else { return nil }
            if ["+Inf", "-Inf", "NaN"].contains(words[0]) { return Sample(name: name, labels: labels, value: nil) }
            // Decimal stops at the first byte that it cannot read, so other bytes are refused first.
            guard words[0].utf8.allSatisfy({ "0123456789+-.eE".utf8.contains($0) }),
                let value = Decimal(string: words[0])
            else { return nil }
            return Sample(name: name, labels: labels, value: value)
        }

        /// The text before the first byte that matches, which stays unread.
        private mutating func text(upTo matches: (UInt8) -> Bool) -> String? {
            guard let end = rest.firstIndex(where: matches) else { return nil }
            defer { rest = rest[end...] }
            return String(decoding: rest[..<end], as: UTF8.self)
        }

        /// The value in `="…"`, its escapes undone.
        private mutating func quoted() -> String? {
            guard rest.starts(with: Array("=\"".utf8)) else { return nil }
            rest = rest.dropFirst(2)
            var bytes: [UInt8] = []
            while let byte = rest.popFirst() {
                switch byte {
                case UInt8(ascii: "\""):
                    return String(decoding: bytes, as: UTF8.self)
                case UInt8(ascii: "\\"):
                    guard let escaped = rest.popFirst() else { return nil }
                    bytes.append(escaped == UInt8(ascii: "n") ? UInt8(ascii: "\n") : escaped)
                default:
                    bytes.append(byte)
                }
            }
            return nil
        }
    }
}
