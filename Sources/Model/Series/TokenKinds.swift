/// Tokens by kind; the kinds do not overlap and sum to input + output.
package struct TokenKinds: Equatable, Sendable {
    /// Input that was neither read from nor written to a cache.
    package var input: Int64 = 0
    package var cacheRead: Int64 = 0
    package var cacheWrite: Int64 = 0
    /// Output without reasoning.
    package var output: Int64 = 0
    package var reasoning: Int64 = 0

    package init(input: Int64 = 0, cacheRead: Int64 = 0, cacheWrite: Int64 = 0, output: Int64 = 0, reasoning: Int64 = 0)
    {
        self.input = input
        self.cacheRead = cacheRead
        self.cacheWrite = cacheWrite
        self.output = output
        self.reasoning = reasoning
    }
}

extension TokenKinds: BoundedSum {
    /// The sum, or `nil` if a kind would pass `Int64.max`.
    func adding(_ other: TokenKinds) -> TokenKinds? {
        guard let input = input.adding(other.input), let cacheRead = cacheRead.adding(other.cacheRead),
            let cacheWrite = cacheWrite.adding(other.cacheWrite), let output = output.adding(other.output),
            let reasoning = reasoning.adding(other.reasoning)
        else { return nil }
        return TokenKinds(
            input: input, cacheRead: cacheRead, cacheWrite: cacheWrite, output: output, reasoning: reasoning)
    }
}
