import Model

@testable import Pricing

/// The price of an entry with these fields.
func price(_ fields: String, key: String = "m", provider: String = "p") throws -> Price? {
    let entry = #"{"\#(key)": {"litellm_provider": "\#(provider)", \#(fields)}}"#
    return try PriceFile(Array(entry.utf8), spellings: ProviderSpellings()).layer[key]?.price
}

/// A call with these tokens; `cacheWrite` includes `cacheWrite1h`.
func call(
    input: Int64? = nil, output: Int64? = nil, parts: [TokenKind: Int64] = [:], _ details: CallDetails? = nil,
    time: Instant? = nil
) -> CallRecord {
    var usage = Usage(input: input, output: output)
    for (kind, tokens) in parts { usage[kind] = tokens }
    var record = CallRecord(
        labels: SeriesLabels(agentName: LabelValue("A"), provider: LabelValue("p"), model: LabelValue("m")),
        usage: usage)
    record.details = details
    record.time = time
    return record
}

/// The cost of a call by an entry with these fields, in USD; `nil` if it is unpriced.
func cost(
    _ fields: String, _ record: CallRecord, key: String = "m", provider: String = "p", factor: PriceFactor = .one
) throws -> String? {
    guard let price = try price(fields, key: key, provider: provider) else { return nil }
    return usd(Price.cost(of: record, by: [price], factor: factor))
}

func usd(_ cost: ComputedCost) -> String? {
    if case .amount(let money) = cost { money.description } else { nil }
}

/// The whole shipped table. Reading it takes seconds in a debug build: once for all tests.
enum Shipped {
    static let book = Result {
        let providers = try ShippedProviders.read.get()
        var table = PriceTable()
        table.add(try PriceFile.shipped(providers.spellings))
        return PriceBook(table: table, spellings: providers.spellings, roles: providers.roles)
    }
}
