private import CPriceTable
private import FoundationEssentials

/// The names by which providers are known: senders and price tables spell them in several ways.
package struct ProviderSpellings: Sendable {
    /// Canonical names by spelling, in lower case.
    private var exact: [String: String] = [:]
    /// Spellings that any end may follow: `vertex_ai-*`.
    private var prefixes: [(prefix: String, canonical: String)] = []

    package init() {}

    /// - Parameter spellings: by canonical name; one that ends in `*` stands for all that begin so.
    package init(_ spellings: [String: [String]]) {
        for (canonical, names) in spellings {
            for name in names { add(name, for: canonical) }
        }
        // The longest first: the closest fit.
        prefixes.sort { ($1.prefix.utf8.count, $0.prefix) < ($0.prefix.utf8.count, $1.prefix) }
    }

    /// Adds a spelling, which goes before one that is there.
    package mutating func add(_ spelling: String, for canonical: String) {
        let spelling = spelling.lowercased()
        if spelling.hasSuffix("*") {
            prefixes.insert((String(spelling.dropLast()), canonical.lowercased()), at: 0)
        } else {
            exact[spelling] = canonical.lowercased()
        }
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
