import ArgumentParser
import Concurrency
import Configuration
import Model
import Pricing

/// `llm-exporter prices`: shows the price table in force, and by which entry a call is billed.
struct Prices: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "prices", abstract: "Shows the prices in force, in US dollars for a million tokens.",
        discussion: """
            With PROVIDER/MODEL: the entry by which a call with these names is billed, and how it was found. Exit \
            code 1 if there is no price.
            """)

    @Argument(help: "PROVIDER/MODEL as an agent sends them, an alias, or a part of a model's name.")
    var model: String?

    @Flag(help: "Show the spellings by which providers are known.")
    var providers = false

    @Option(
        help: """
            List the names without a price, with similar names: a file with PROVIDER/MODEL on each line, or the saved \
            text of a scrape. - is the standard input. Exit code 1 if there are any.
            """)
    var check: String?

    @OptionGroup var sources: ConfigurationOptions

    func validate() throws {
        if check != nil, model != nil || providers {
            throw ValidationError("--check takes all names from its file: leave out MODEL and --providers")
        }
    }

    func run() throws {
        let configuration = try sources.load()
        let prices = configuration.prices
        if providers {
            for (canonical, spellings) in prices.spellings.all {
                print("\(canonical): \(spellings.joined(separator: ", "))")
            }
        } else if let check {
            try PriceCheck(names: PriceCheck.names(in: check), prices: prices).report()
        } else if let model, model.contains("/") || prices.match(ofAlias: model) != nil {
            try show(model, prices, PriceFactors(configuration.priceFactors, spellings: prices.spellings))
        } else {
            var listed = prices.entries
            if let model {
                listed.removeAll { !$0.key.lowercased().contains(model.lowercased()) }
                guard !listed.isEmpty else { throw Self.noPrice(of: model, prices) }
            }
            listed.sort { ($0.provider, $0.key) < ($1.provider, $1.key) }
            print(PriceRow.table(listed))
            if model == nil { print("\n" + Self.age(configuration.priceTableTime)) }
        }
    }

    private func show(_ name: String, _ prices: PriceBook, _ factors: PriceFactors) throws {
        guard let match = PriceCheck.match(of: name, prices) else { throw Self.noPrice(of: name, prices) }
        if let obstacle = match.obstacle {
            throw Failure("no price for \(name): \(obstacle); give one with --prices.file or --config.file")
        }
        print(PriceRow.table(match.models))
        print(
            "\nCalls of \(name) are billed by \(match.models.map(\.key).joined(separator: ", ")): found \(match.steps)."
        )
        let parts = name.split(separator: "/", maxSplits: 1, omittingEmptySubsequences: false).map(String.init)
        let factor = factors.factor(provider: parts.count > 1 ? parts[0] : "", model: parts.last ?? "", billedBy: match)
        if factor != .one { print("Computed costs are multiplied by \(factor.text) (price_factors).") }
    }

    private static func noPrice(of name: String, _ prices: PriceBook) -> Failure {
        Failure("no price for \(name): give one with --prices.file or --config.file\(prices.nearness.list(near: name))")
    }

    /// How old the table is, and how to renew it.
    private static func age(_ time: Instant?) -> String {
        guard let time else { return "The prices are those of the configuration alone." }
        let days = max(0, Instant.wallClock.unixMilliseconds - time.unixMilliseconds) / 86_400_000
        let date = CivilDate(daysSince1970: Int(time.unixMilliseconds / 86_400_000))
        let age = days == 1 ? "1 day" : "\(days) days"
        return """
            The table is of \(date.text), \(age) old. To renew it, download LiteLLM's model price table, give it with \
            --prices.file, and reload:
            https://raw.githubusercontent.com/BerriAI/litellm/main/model_prices_and_context_window.json
            """
    }
}

/// A price in the list.
private struct PriceRow {
    let model: PricedModel
    let price: Price

    /// Columns that most prices have; those beside them are shown as lines of their own.
    private static let kinds: [TokenKind] = [.input, .cacheRead, .cacheWrite, .cacheWrite1h, .output, .reasoning]
    private static let otherKinds = TokenKind.allCases.filter { !kinds.contains($0) }
    private static let heads = ["provider", "model"] + kinds.map(\.title)

    /// The price, and below it what holds for long calls, other service tiers and hours, and what costs otherwise.
    private var lines: [[String]] {
        var lines = [Self.line(model.provider, model.key + mark, price.standard.base)] + steps(of: price.standard, "")
        for (name, plan) in [("batch", price.batch), ("flex", price.flex), ("priority", price.priority)] {
            guard let plan else { continue }
            lines.append(Self.line("", "  \(name)", plan.base))
            lines += steps(of: plan, "\(name), ")
        }
        if let offPeak = price.offPeak {
            lines.append(Self.line("", "  off-peak", offPeak.rates))
            lines.append(["", "  off-peak is \(offPeak.hours)"])
        }
        let others = Self.otherKinds.compactMap { kind in
            price.standard.base[kind].map { "\(kind.title) \($0.perMillionTokens)" }
        }
        if !others.isEmpty { lines.append(["", "  \(others.joined(separator: ", "))"]) }
        if let fees { lines.append(["", "  \(fees)"]) }
        if price.isIncomplete { lines.append(["", "  also charges citations: only a reported cost is one"]) }
        return lines
    }

    private var mark: String { price.isRetired ? " (retired)" : price.origin.map { " (\($0))" } ?? "" }

    private func steps(of plan: RatePlan, _ name: String) -> [[String]] {
        let sign = price.stepsBeginAtThreshold ? ">=" : ">"
        return plan.steps.map { Self.line("", "  \(name)input \(sign) \($0.threshold) tokens", $0.rates) }
    }

    private var fees: String? {
        var parts: [String] = []
        if let request = price.fees.request { parts.append("\(request.usd) USD a request") }
        let sizes = SearchContextSize.allCases.compactMap { size in
            price.fees.search[size].map { "\($0.usd) (\(size.rawValue))" }
        }
        if !sizes.isEmpty {
            let unit =
                switch price.fees.unit {
                case .search: "a search"
                case .searchingCall: "a call that searches"
                case .searchOrCall: "a search, at least one a call"
                case .call: "a call"
                }
            parts.append("\(sizes.joined(separator: ", ")) USD \(unit)")
        }
        return parts.isEmpty ? nil : parts.joined(separator: "; ")
    }

    private static func line(_ provider: String, _ name: String, _ rates: Rates) -> [String] {
        [provider, name] + kinds.map { rates[$0]?.perMillionTokens ?? "-" }
    }

    static func table(_ models: [PricedModel]) -> String {
        let rows = models.compactMap { model in model.price.map { PriceRow(model: model, price: $0) } }
        let lines = [heads] + rows.flatMap(\.lines)
        // Notes have no columns, and may be longer than names.
        let widths = heads.indices.map { column in
            lines.lazy.filter { $0.count == heads.count }.map { $0[column].count }.max() ?? 0
        }
        return lines.map { line in
            let cells = zip(line, widths).enumerated().map { column, cell in
                let padding = String(repeating: " ", count: max(0, cell.1 - cell.0.count))
                // Numbers are right-aligned, so that their magnitudes can be compared.
                return column < 2 ? cell.0 + padding : padding + cell.0
            }
            return cells.joined(separator: "  ").trimmingEnd
        }.joined(separator: "\n")
    }
}

extension String {
    fileprivate var trimmingEnd: Substring {
        var text = self[...]
        while text.last == " " { text.removeLast() }
        return text
    }
}

extension CivilDate {
    fileprivate var text: String {
        func two(_ number: Int) -> String { number < 10 ? "0\(number)" : "\(number)" }
        return "\(year)-\(two(month))-\(two(day))"
    }
}
