import ArgumentParser
import Configuration
import Pricing

/// `llm-exporter prices`: shows the price table in force.
struct Prices: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "prices", abstract: "Shows the prices in force, in US dollars for a million tokens.",
        discussion: "Exit code 1 when there is no price for MODEL.")

    @Argument(help: "Part of a model's name, or provider/model or an alias as an agent sends it.")
    var model: String?

    @Flag(help: "Show the spellings by which providers are known.")
    var providers = false

    @OptionGroup var sources: ConfigurationOptions

    func run() throws {
        let prices = try sources.load().prices
        if providers {
            for (canonical, spellings) in prices.spellings.all {
                print("\(canonical): \(spellings.joined(separator: ", "))")
            }
            return
        }
        let target = model.flatMap(prices.target(ofAlias:))
        let price = model.flatMap(prices.price(of:)) ?? target.flatMap(prices.price(of:))
        var listed = prices.entries
        if let model {
            let part = (price == nil ? target ?? model : model).lowercased()
            listed.removeAll { $0 !== price && !$0.key.lowercased().contains(part) }
            guard !listed.isEmpty else {
                throw Failure("no price for \(model): give one with --prices.file or --config.file")
            }
        }
        listed.sort { ($0.provider, $0.key) < ($1.provider, $1.key) }
        print(Row.table(listed.map(Row.init)))
        if let model, let named = price?.key ?? target { print("\nCalls of \(model) cost what \(named) costs.") }
    }
}

/// A price in the list.
private struct Row {
    let price: Price

    private static let heads = ["provider", "model"] + PriceKind.allCases.map(\.title)

    /// The price, and below it its tiers.
    private var lines: [[String]] {
        let sign = price.tiersBeginAtThreshold ? ">=" : ">"
        return [Self.line(price.provider, price.key, price.base)]
            + price.tiers.map { Self.line("", "  input \(sign) \($0.threshold) tokens", $0.rates) }
    }

    private static func line(_ provider: String, _ name: String, _ rates: Rates) -> [String] {
        [provider, name]
            + PriceKind.allCases.map { rates[$0]?.perMillionTokens ?? "-" }
    }

    static func table(_ rows: [Row]) -> String {
        let lines = [heads] + rows.flatMap(\.lines)
        let widths = heads.indices.map { column in lines.map { $0[column].count }.max() ?? 0 }
        return lines.map { line in
            let cells = zip(line, widths).enumerated().map { column, cell in
                let padding = String(repeating: " ", count: cell.1 - cell.0.count)
                // Numbers are right-aligned, so that their magnitudes can be compared.
                return column < 2 ? cell.0 + padding : padding + cell.0
            }
            return cells.joined(separator: "  ")
        }.joined(separator: "\n")
    }
}
