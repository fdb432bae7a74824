import Pricing

/// Finds names that have no price: `llm-exporter prices --check`.
struct PriceCheck {
    let names: [String]
    let prices: PriceBook

    /// The names in a file, each once: `PROVIDER/MODEL` on each line, or the labels of a scrape's families.
    static func names(in path: String) throws -> [String] {
        let lines = try InputText.lines(of: path).map { $0.trimming }.filter { !$0.isEmpty }
        let isScrape = lines.contains { $0.hasPrefix("# TYPE ") }
        var names: [String] = []
        var seen: Set<String> = []
        for line in lines where !line.hasPrefix("#") {
            let name = isScrape ? scraped(line) : line
            if let name, seen.insert(name).inserted { names.append(name) }
        }
        guard !names.isEmpty else {
            throw Failure(
                "\(path): names no model; write PROVIDER/MODEL on each line, or save a scrape", exitCode: Failure.usage)
        }
        return names
    }

    /// `provider/model` of a sample's labels; `nil` if it lacks them, or stands for several.
    private static func scraped(_ line: String) -> String? {
        guard let provider = value(of: "provider", in: line), let model = value(of: "model", in: line),
            provider != "_other", model != "_other"
        else { return nil }
        return "\(provider)/\(model)"
    }

    /// The value of a label, with its escapes undone (Prometheus' text format 0.0.4).
    private static func value(of label: String, in line: String) -> String? {
        for start in ["{\(label)=\"", ",\(label)=\""] {
            guard let found = line.firstRange(of: start) else { continue }
            var value = ""
            var isEscaped = false
            for scalar in line[found.upperBound...].unicodeScalars {
                if isEscaped {
                    value.unicodeScalars.append(scalar == "n" ? "\n" : scalar)
                    isEscaped = false
                } else if scalar == "\\" {
                    isEscaped = true
                } else if scalar == "\"" {
                    return value
                } else {
                    value.unicodeScalars.append(scalar)
                }
            }
        }
        return nil
    }

    /// The models by which a call is billed whose names are given as `PROVIDER/MODEL`, or as an alias of a model.
    static func match(of name: String, _ prices: PriceBook) -> PriceMatch? {
        guard let slash = name.firstIndex(of: "/") else { return prices.match(ofAlias: name) }
        return prices.match(provider: String(name[..<slash]), model: String(name[name.index(after: slash)...]))
            ?? prices.match(ofAlias: name)
    }

    /// Prints the names without a price, each with its reason or with names that are near.
    ///
    /// - Throws: if there is any.
    func report() throws {
        let nearness = prices.nearness
        var unpriced = 0
        for name in names {
            let match = Self.match(of: name, prices)
            if let match, match.obstacle == nil { continue }
            unpriced += 1
            print("\(name): \(match?.obstacle ?? Self.reason(name) + nearness.list(near: name))")
        }
        guard unpriced == 0 else { throw Failure("names without a price: \(unpriced) of \(names.count)") }
        print(names.count == 1 ? "The name has a price." : "All of \(names.count) names have a price.")
    }

    private static func reason(_ name: String) -> String {
        name.contains("/") ? "not in the price table" : "not PROVIDER/MODEL, and no alias"
    }
}

extension Nearness {
    /// The end of a message: names that may be meant, if there are any.
    func list(near name: String) -> String {
        let near = models(near: name)
        return near.isEmpty ? "" : "; similar names: \(near.joined(separator: ", "))"
    }
}

extension String {
    /// Without spaces and tabs at its ends.
    fileprivate var trimming: String {
        let isBlank: (Character) -> Bool = { $0 == " " || $0 == "\t" || $0 == "\r" }
        guard let start = firstIndex(where: { !isBlank($0) }), let end = lastIndex(where: { !isBlank($0) }) else {
            return ""
        }
        return String(self[start...end])
    }
}
