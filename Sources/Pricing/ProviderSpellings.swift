/// The names by which providers are known: senders and price tables spell them in several ways.
///
/// Compared without case. A spelling that ends in `*` stands for all that begin so (`vertex_ai-*`): the longest that fits,
/// where no whole spelling of its layer does.
package struct ProviderSpellings: Sendable {
    /// The last goes before those before it.
    private var layers: [Layer] = []

    private struct Layer: Sendable {
        /// What each spelling leads to, to the end.
        var exact: [String: String] = [:]
        /// The longest first.
        var prefixes: [(prefix: String, canonical: String)] = []

        func canonical(_ name: String) -> String? {
            exact[name] ?? prefixes.first { name.hasPrefix($0.prefix) }?.canonical
        }
    }

    package init() {}

    /// With spellings that go before those that are there.
    ///
    /// - Parameter aliases: what a spelling leads to may be a spelling itself.
    /// - Throws: where a spelling stands twice, or spellings lead to each other; names it.
    package func adding(_ aliases: [(spelling: String, canonical: String)]) throws(PriceFault) -> ProviderSpellings {
        var layer = Layer()
        var seen: Set<String> = []
        for (spelling, canonical) in aliases {
            let name = spelling.lowercased()
            guard seen.insert(name).inserted else {
                throw PriceFault("stands here a second time: providers are compared without case", of: spelling)
            }
            if name.hasSuffix("*") {
                layer.prefixes.append((String(name.dropLast()), canonical.lowercased()))
            } else {
                layer.exact[name] = canonical.lowercased()
            }
        }
        layer.prefixes.sort { ($1.prefix.utf8.count, $0.prefix) < ($0.prefix.utf8.count, $1.prefix) }
        var steps = self
        steps.layers.append(layer)
        // In one step from here on. All that a name can lead to is seen to, each once.
        var ends: [String: String] = [:]
        for (spelling, canonical) in aliases {
            guard steps.end(of: canonical.lowercased(), &ends) != nil else {
                throw PriceFault("leads back to itself", of: spelling)
            }
        }
        var result = steps
        for place in result.layers.indices {
            for (spelling, canonical) in steps.layers[place].exact {
                result.layers[place].exact[spelling] = steps.end(of: canonical, &ends)
            }
            for (index, prefix) in steps.layers[place].prefixes.enumerated() {
                result.layers[place].prefixes[index].canonical =
                    steps.end(of: prefix.canonical, &ends) ?? prefix.canonical
            }
        }
        return result
    }

    /// - Parameter ends: of names that were looked at.
    /// - Returns: `nil` where it leads back to a name on its way.
    private func end(of name: String, _ ends: inout [String: String]) -> String? {
        var way: [String] = []
        var seen: Set<String> = []
        var last = name
        while ends[last] == nil {
            guard seen.insert(last).inserted else { return nil }
            way.append(last)
            let next = canonical(last)
            if next == last { ends[last] = last }
            last = next
        }
        let end = ends[last]
        for name in way { ends[name] = end }
        return end
    }

    /// The name that stands for all spellings of a provider: the same in lower case where nothing else is known.
    package func canonical(_ name: String) -> String {
        let name = name.lowercased()
        for layer in layers.reversed() {
            if let canonical = layer.canonical(name) { return canonical }
        }
        return name
    }

    /// All spellings by canonical name, sorted.
    package var all: [(canonical: String, spellings: [String])] {
        var spellings: [String: [String]] = [:]
        for layer in layers {
            for spelling in layer.exact.keys where canonical(spelling) != spelling {
                spellings[canonical(spelling), default: []].append(spelling)
            }
            for (prefix, canonical) in layer.prefixes { spellings[canonical, default: []].append(prefix + "*") }
        }
        return spellings.sorted { $0.key < $1.key }.map { ($0.key, Set($0.value).sorted()) }
    }
}
