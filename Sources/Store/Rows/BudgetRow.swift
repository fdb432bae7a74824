internal import Model

extension BudgetAccount: Row {
    static var table: String { "budgets" }

    static var schema: [Int64: String] { [2: creation] }

    private static var creation: String {
        """
        CREATE TABLE budgets (
            number INTEGER PRIMARY KEY, checksum INTEGER NOT NULL, name TEXT NOT NULL, agent_name TEXT, provider TEXT,
            model TEXT, limit_usd INTEGER NOT NULL, limit_pico_usd INTEGER NOT NULL, period TEXT NOT NULL,
            window_ms INTEGER NOT NULL, spent_usd INTEGER NOT NULL, spent_pico_usd INTEGER NOT NULL,
            unpriced_calls INTEGER NOT NULL
        ) STRICT
        """
    }

    static var columns: [String] {
        [
            "name", "agent_name", "provider", "model", "limit_usd", "limit_pico_usd", "period", "window_ms",
            "spent_usd", "spent_pico_usd", "unpriced_calls",
        ]
    }

    var values: [Value] {
        [
            .text(budget.name.text), Value(budget.agentName?.text), Value(budget.provider?.text),
            Value(budget.model?.text),
            .integer(budget.limit.wholeUSD), .integer(budget.limit.remainingPicoUSD), .text(budget.period.rawValue),
            .integer(windowStart.unixMilliseconds), .integer(spent.wholeUSD), .integer(spent.remainingPicoUSD),
            .integer(unpricedCalls),
        ]
    }

    init(number: Int64, values: [Value]) throws(StoreError) {
        var reader = ValueReader(values)
        let name = LabelValue(try reader.text())
        let agentName = try reader.optionalText().map(LabelValue.init)
        let provider = try reader.optionalText().map(LabelValue.init)
        let model = try reader.optionalText().map(LabelValue.init)
        let limit = try Money(storedUSD: reader.optionalNatural(), picoUSD: reader.optionalNatural())
        let period = BudgetPeriod(rawValue: try reader.text())
        let windowStart = Instant(unixMilliseconds: try reader.integer())
        let spent = try Money(storedUSD: reader.optionalNatural(), picoUSD: reader.optionalNatural())
        guard let limit, let period, let spent else { throw StoreError(.damaged, "not a budget") }
        self.init(
            number: number,
            budget: Budget(
                name: name, agentName: agentName, provider: provider, model: model, limit: limit, period: period),
            windowStart: windowStart, spent: spent, unpricedCalls: try reader.natural())
    }
}
