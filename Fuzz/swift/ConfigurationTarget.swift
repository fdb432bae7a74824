import Glibc
import Model
import Pricing

@testable import Configuration

/// The text of `--config.file`: read alike each time, and behind a line of comment.
enum ConfigurationTarget {
    /// A file without a name, in memory: a disk would take most of the time.
    private static let descriptor: CInt = {
        var name = Array("/dev/shm/llm-exporter-fuzz-XXXXXX\0".utf8CString)
        let descriptor = unsafe mkstemp(&name)
        unsafe unlink(name)
        return descriptor
    }()
    private static let path = "/proc/self/fd/\(descriptor)"

    private enum Outcome: Equatable {
        case read(String)
        case refused(String)
    }

    static func test(_ text: [UInt8]) {
        let first = outcome(text)
        require(first == outcome(text), "another outcome of the same text")
        if case .refused(let reason) = first {
            require(reason.isOneLine && reason.hasPrefix("--config.file \(path)"), reason)
        }
        // YAML 1.1, section 4.1: text without a byte order mark at its beginning is UTF-8.
        guard !text.starts(with: [0xEF, 0xBB, 0xBF]) else { return }
        switch (first, outcome(Array("# A comment.\n".utf8) + text)) {
        case (.read(let one), .read(let other)): require(one == other, "\(other), not \(one)")
        case (.refused, .refused): break
        case (_, let other): require(false, "behind a comment: \(other), not \(first)")
        }
    }

    private static func outcome(_ text: [UInt8]) -> Outcome {
        require(ftruncate(descriptor, 0) == 0, "ftruncate")
        require(unsafe pwrite(descriptor, text, text.count, 0) == text.count, "pwrite")
        do throws(ConfigurationError) {
            let configuration = try Configuration(
                Configuration.Sources(usesShippedPrices: false, configurationFile: path))
            for warning in configuration.warnings { require(warning.isOneLine, warning) }
            let rules = "\(configuration.sourceRules) \(configuration.priceFactors) \(configuration.planRules)"
            return .read("\(configuration.budgets) \(configuration.agentAttributes) \(rules)")
        } catch {
            return .refused(error.description)
        }
    }
}

/// A price file: read alike each time, and with white space behind it.
enum PricesTarget {
    private static let spellings = (try? ShippedProviders.read.get())?.spellings

    static func test(_ text: [UInt8]) {
        guard let spellings else { return require(false, "the shipped providers") }
        let first = outcome(text, spellings)
        require(first == outcome(text + Array(" \n\t".utf8), spellings), "another outcome with white space behind it")
        let lines = text.count { $0 == UInt8(ascii: "\n") } + 1
        for match in first.matches(of: #/(?:^|: )line ([0-9]+)\b/#) {
            require(Int(match.1).map { 1...lines ~= $0 } == true, "\(first) of \(lines) lines")
        }
    }

    private static func outcome(_ text: [UInt8], _ spellings: ProviderSpellings) -> String {
        do throws(PriceFault) {
            let file = try PriceFile(text, spellings: spellings)
            return "\(file.doubts.map(\.description))"
        } catch {
            require(error.description.isOneLine, error.description)
            return error.description
        }
    }
}
