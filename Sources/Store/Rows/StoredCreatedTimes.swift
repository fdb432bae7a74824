internal import Model

extension CreatedTimes {
    /// `cost 1764547200000,status/timeout 1764547260000`; `nil` if all series began with the set. No part contains a
    /// space or a comma.
    var storedLater: String? {
        later.isEmpty
            ? nil : later.map { "\($0.part.stored) \($0.instant.unixMilliseconds)" }.joined(separator: ",")
    }

    static func later(stored text: String?) throws(StoreError) -> [Later] {
        var later: [Later] = []
        for entry in (text ?? "").split(separator: ",") {
            let parts = entry.split(separator: " ", omittingEmptySubsequences: false)
            guard parts.count == 2, let part = Part(stored: String(parts[0])), let milliseconds = Int64(parts[1]),
                !later.contains(where: { $0.part == part })
            else { throw StoreError(.damaged, "not times at which series began") }
            later.append(Later(part: part, instant: Instant(unixMilliseconds: milliseconds)))
        }
        return later
    }
}

extension CreatedTimes.Part {
    fileprivate var stored: String {
        switch self {
        case .cost: "cost"
        case .planEquivalent: "plan_equivalent"
        case .kinds: "kinds"
        case .kind(let kind): "kind/\(kind.name)"
        case .webSearches: "web_searches"
        case .latency: "latency"
        case .timeToFirstToken: "ttft"
        case .status(let name): "status/\(name)"
        case .errorType(let name): "error_type/\(name)"
        }
    }

    fileprivate init?(stored text: String) {
        let parts = text.split(separator: "/", maxSplits: 1, omittingEmptySubsequences: false).map(String.init)
        switch (parts[0], parts.count > 1 ? parts[1] : nil) {
        case ("cost", nil): self = .cost
        case ("plan_equivalent", nil): self = .planEquivalent
        case ("kinds", nil): self = .kinds
        case ("kind", let name?):
            guard let kind = TokenKind.rare.first(where: { $0.name == name }) else { return nil }
            self = .kind(kind)
        case ("web_searches", nil): self = .webSearches
        case ("latency", nil): self = .latency
        case ("ttft", nil): self = .timeToFirstToken
        case ("status", let name?): self = .status(LabelValue(name))
        case ("error_type", let name?): self = .errorType(LabelValue(name))
        default: return nil
        }
    }
}
