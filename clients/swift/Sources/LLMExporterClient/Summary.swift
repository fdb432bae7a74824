/// The exporter's totals: all, by agent, by model.
public struct Summary: Decodable, Equatable, Sendable {
    /// The totals of one agent or one model.
    public struct Totals: Decodable, Equatable, Sendable {
        /// Calls, whatever their status.
        public let calls: Int
        /// Tokens, input and output.
        public let tokens: Int
        /// US dollars, of calls whose cost is known.
        public let costUSD: Double
        /// Calls with another status than `success`.
        public let errors: Int

        private enum CodingKeys: String, CodingKey {
            case calls, tokens, costUSD = "cost_usd", errors
        }
    }

    /// Calls, whatever their status.
    public let totalCalls: Int
    /// Calls that succeeded.
    public let successCalls: Int
    /// Calls with another status than `success`.
    public let errorCalls: Int
    /// Tokens, input and output.
    public let totalTokens: Int
    /// US dollars, of calls whose cost is known.
    public let totalCostUSD: Double
    /// By name of the agent.
    public let agents: [String: Totals]
    /// By `provider/model`.
    public let models: [String: Totals]

    private enum CodingKeys: String, CodingKey {
        case totalCalls = "total_calls", successCalls = "success_calls", errorCalls = "error_calls"
        case totalTokens = "total_tokens", totalCostUSD = "total_cost_usd", agents, models
    }
}
