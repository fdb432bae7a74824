/// Tokens of one call, as reported; each 0 to 1e12.
package struct Usage: Sendable, Equatable {
    /// Includes cached and written tokens.
    package var input: Int64?
    /// Includes reasoning tokens.
    package var output: Int64?
    package var total: Int64?
    package var cacheRead: Int64?
    package var cacheWrite: Int64?
    package var reasoning: Int64?

    package init(
        input: Int64? = nil, output: Int64? = nil, total: Int64? = nil, cacheRead: Int64? = nil,
        cacheWrite: Int64? = nil, reasoning: Int64? = nil
    ) {
        self.input = input
        self.output = output
        self.total = total
        self.cacheRead = cacheRead
        self.cacheWrite = cacheWrite
        self.reasoning = reasoning
    }

    /// The growth of `llm_tokens_total`: `total`, else input + output.
    package var billedTokens: Int64 { total ?? (input ?? 0) + (output ?? 0) }

    /// Whether no token count was reported.
    package var isMissing: Bool { input == nil && output == nil && total == nil }

    /// The parts that do not overlap, or `nil` if neither input nor output is known. If only one of the two is known
    /// beside the total, the other is the rest.
    package var kinds: TokenKinds? {
        guard input != nil || output != nil else { return nil }
        // A total below the reported side is ignored.
        let rest = max(0, (total ?? 0) - (input ?? output ?? 0))
        let input = input ?? rest
        let output = output ?? rest
        return TokenKinds(
            input: input - (cacheRead ?? 0) - (cacheWrite ?? 0), cacheRead: cacheRead ?? 0,
            cacheWrite: cacheWrite ?? 0, output: output - (reasoning ?? 0), reasoning: reasoning ?? 0)
    }
}
