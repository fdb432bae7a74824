/// The names by which providers are known: senders and price tables spell them in several ways.
///
/// Compared without case. A spelling that ends in `*` stands for all that begin so (`vertex_ai-*`): the longest that fits,
/// where no whole spelling does.
package struct ProviderSpellings: Sendable {
    /// What each spelling leads to, to the end.
    private var exact: [String: String] = [:]
    /// Those of later layers first, and within each the longest first.
    private var prefixes: [(prefix: String, canonical: String)] = []

    package init() {}

    /// With spellings that go before those that are there.
    ///
    /// - Parameter aliases: what a spelling leads to may be a spelling itself.
    /// - Throws: where a spelling stands twice, or spellings lead to each other.
    package func adding(_ aliases: [(spelling: String, canonical: String)]) throws(PriceFault) -> ProviderSpellings {
        var result = self
        var layer: [String: String] = [:]
        for (spelling, canonical) in aliases {
            guard layer.updateValue(canonical.lowercased(), forKey: spelling.lowercased()) == nil else {
                throw PriceFault("\(spelling) stands in it twice: providers are compared without case")
            }
        }
        var added: [(prefix: String, canonical: String)] = []
        for (spelling, canonical) in layer {
            if spelling.hasSuffix("*") {
                added.append((String(spelling.dropLast()), canonical))
            } else {
                result.exact[spelling] = canonical
            }
        }
        added.sort { ($1.prefix.utf8.count, $0.prefix) < ($0.prefix.utf8.count, $1.prefix) }
        result.prefixes = added + prefixes
        let steps = result
        // In one step from here on. All that a name can lead to is seen to.
        for (spelling, canonical) in steps.exact.sorted(by: { $0.key < $1.key }) {
            result.exact[spelling] = try steps.end(of: canonical)
        }
        for place in steps.prefixes.indices {
            result.prefixes[place].canonical = try steps.end(of: steps.prefixes[place].canonical)
        }
        return result
    }

    private func end(of name: String) throws(PriceFault) -> String {
        var seen = [name]
        while let last = seen.last {
            let next = canonical(last)
            if next == last { return last }
            guard !seen.contains(next) else {
                throw PriceFault("\((seen + [next]).joined(separator: ", ")) lead to each other")
            }
            seen.append(next)
        }
        return name
    }

    /// The name that stands for all spellings of a provider: the same in lower case where nothing else is known.
    package func canonical(_ name: String) -> String {
        let name = name.lowercased()
        if let canonical = exact[name] { return canonical }
        return prefixes.first { name.hasPrefix($0.prefix) }?.canonical ?? name
    }

    /// All spellings by canonical name, sorted.
    package var all: [(canonical: String, spellings: [String])] {
        var spellings: [String: [String]] = [:]
        for (spelling, canonical) in exact where spelling != canonical {
            spellings[canonical, default: []].append(spelling)
        }
        for (prefix, canonical) in prefixes { spellings[canonical, default: []].append(prefix + "*") }
        return spellings.sorted { $0.key < $1.key }.map { ($0.key, $0.value.sorted()) }
    }
}
