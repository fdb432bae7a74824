/// Finds models whose names are near to a name: they share most pairs of neighbouring bytes.
package struct Nearness: Sendable {
    private let models: [(key: String, provider: String, pairs: Set<UInt16>)]
    private let spellings: ProviderSpellings

    init(_ models: [PricedModel], spellings: ProviderSpellings) {
        self.spellings = spellings
        self.models = models.map { model in
            let provider = spellings.canonical(model.provider)
            let parts = Self.parts(of: model.key)
            let isOwn = parts.map { spellings.canonical($0.provider) == provider } ?? false
            return (model.key, provider, Self.pairs(of: isOwn ? parts?.model ?? model.key : model.key))
        }
    }

    /// The models of its provider first, the nearest first; at most five.
    ///
    /// - Parameter name: `provider/model`, or a model.
    package func models(near name: String) -> [String] {
        let parts = Self.parts(of: name)
        let provider = parts.map { spellings.canonical($0.provider) }
        let sought = Self.pairs(of: parts?.model ?? name)
        let scored = models.map { model in
            let shared = 2 * model.pairs.intersection(sought).count
            let score = Double(shared) / Double(max(1, model.pairs.count + sought.count))
            return (key: model.key, place: model.provider == provider ? 0 : 1, score: score)
        }
        return scored.filter { $0.score >= 0.5 }
            .sorted { ($0.place, $1.score, $0.key) < ($1.place, $0.score, $1.key) }.prefix(5).map(\.key)
    }

    private static func parts(of name: String) -> (provider: String, model: String)? {
        guard let slash = name.firstIndex(of: "/") else { return nil }
        return (String(name[..<slash]), String(name[name.index(after: slash)...]))
    }

    private static func pairs(of name: String) -> Set<UInt16> {
        let bytes = Array(name.lowercased().utf8)
        return Set(zip(bytes, bytes.dropFirst()).map { UInt16($0) << 8 | UInt16($1) })
    }
}
