/// The names by which providers are known: senders and price tables spell them in several ways.
///
/// Compared without case. A spelling that ends in `*` matches all names with that prefix (`vertex_ai-*`). Within a
/// layer a whole spelling goes first, then the longest prefix.
package struct ProviderSpellings: Sendable {
    /// A later layer overrides those before it.
    private var layers: [Layer] = []

    private struct Layer: Sendable {
        /// By spelling, the name at the end of its chain.
        var exact: [String: String] = [:]
        /// The longest first.
        var prefixes: [(prefix: String, canonical: String)] = []

        func canonical(_ name: String) -> String? {
            exact[name] ?? prefixes.first { name.hasPrefix($0.prefix) }?.canonical
        }
    }

    package init() {}

    /// With spellings that override those that are there.
    ///
    /// - Parameter aliases: the target of a spelling may be a spelling itself.
    /// - Throws: if a spelling occurs twice, or spellings form a cycle; names one.
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
        // From here on each spelling leads to its end in one step. Each name is followed once.
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

    /// - Parameter ends: the ends of names that were followed before.
    /// - Returns: `nil` if the chain leads back to one of its names.
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

    /// The one name for all spellings of a provider; an unknown name in lower case.
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
