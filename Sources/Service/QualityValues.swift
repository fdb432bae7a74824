/// A list of preferences with weights, as Accept and Accept-Encoding carry it (RFC 9110, section 12.4.2).
struct QualityValues {
    /// In the order written.
    let entries: [Entry]

    struct Entry {
        /// Lower case, without parameters.
        let value: String
        /// Lower case names and values, `q` left out.
        let parameters: [(name: String, value: String)]
        /// 0 to 1000; 0 means "not acceptable".
        let weight: Int
    }

    /// What cannot be read is left out: a preference is no reason to refuse a request.
    init(_ header: String) {
        entries = header.lowercased().split(separator: ",").compactMap { element in
            let parts = element.split(separator: ";", omittingEmptySubsequences: false).map(Self.trimmed)
            guard let value = parts.first, !value.isEmpty else { return nil }
            var parameters: [(name: String, value: String)] = []
            var weight = 1000
            for part in parts.dropFirst() {
                let pair = part.split(separator: "=", maxSplits: 1).map(Self.trimmed)
                guard pair.count == 2 else { continue }
                if pair[0] == "q" {
                    guard let number = Double(pair[1]), number >= 0, number <= 1 else { return nil }
                    weight = Int((number * 1000).rounded())
                } else {
                    parameters.append((pair[0], Self.trimmed(pair[1], also: "\"")))
                }
            }
            return Entry(value: value, parameters: parameters, weight: weight)
        }
    }

    private static func trimmed(_ text: Substring) -> String { trimmed(String(text), also: " ") }

    private static func trimmed(_ text: String, also character: Character) -> String {
        let isTrimmed = { (each: Character) in each == " " || each == "\t" || each == character }
        var rest = text[...]
        while let first = rest.first, isTrimmed(first) { rest.removeFirst() }
        while let last = rest.last, isTrimmed(last) { rest.removeLast() }
        return String(rest)
    }
}
