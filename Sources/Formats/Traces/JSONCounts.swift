internal import Bodies
internal import Model

/// A path of keys in a JSON object: `a.b` is the member `b` of the member `a`.
protocol JSONPath: CaseIterable, Hashable, RawRepresentable where RawValue == String {
    /// `table`, kept.
    static var keyTable: String { get }
}

extension JSONPath {
    /// All paths, each ended by a line feed.
    static var table: String { allCases.map { $0.rawValue + "\n" }.joined() }
}

/// The counts and short texts of a JSON object that senders put into one attribute.
struct JSONCounts<Path: JSONPath> {
    private var counts: [Path: Int64] = [:]
    private var texts: [Path: String] = [:]

    /// `nil` if the text is no JSON object.
    init?(_ text: String) {
        let bytes = PaddedBytes(text.utf8)
        var counts: [Path: Int64] = [:]
        var texts: [Path: String] = [:]
        // Safe: only numbers and copies leave the closure.
        let isObject = unsafe bytes.withUnsafeBytes { buffer in
            let text = unsafe BorrowedBytes(buffer.assumingMemoryBound(to: UInt8.self))
            var reader = JSONReader(skippingAllBut: Path.keyTable)
            guard (try? reader.open(text)) == .object, let object = try? reader.readObject() else { return false }
            for (place, path) in Path.allCases.enumerated() {
                let value = object[place: place]
                if let tokens = value.tokens {
                    counts[path] = tokens
                } else if case .string(let text) = value, text.count <= Self.textBytes {
                    texts[path] = text.string
                }
            }
            return true
        }
        guard isObject else { return nil }
        self.counts = counts
        self.texts = texts
    }

    /// Longer texts are no names.
    private static var textBytes: Int { 32 }

    /// The first above 0, else the first: libraries write 0 for what another member has.
    func first(_ paths: Path...) -> Int64? {
        let found = paths.lazy.compactMap { counts[$0] }
        return found.first { $0 > 0 } ?? found.first
    }

    func sum(_ paths: [Path]) -> Int64 { paths.reduce(0) { $0 + (counts[$1] ?? 0) } }

    func text(_ path: Path) -> String? { texts[path] }
}

extension JSONValue {
    /// A count of tokens, also if it is a text; `nil` for anything else, and above the limit of a record.
    fileprivate var tokens: Int64? {
        switch self {
        case .number(let text), .string(let text):
            DecimalNumber(text)?.integer.flatMap { (0...SpanUsage.limit).contains($0) ? $0 : nil }
        default: nil
        }
    }
}
