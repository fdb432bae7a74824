/// Tokens of one call, as reported; each 0 to 1e12.
package struct Usage: Sendable {
    /// Includes cached and written tokens, audio and images.
    package var input: Int64?
    /// Includes reasoning tokens, audio and images.
    package var output: Int64?
    package var total: Int64?
    /// By the place of the kind; -1 is absent.
    private var parts = InlineArray<10, Int64>(repeating: -1)

    package init(
        input: Int64? = nil, output: Int64? = nil, total: Int64? = nil, cacheRead: Int64? = nil,
        cacheWrite: Int64? = nil, reasoning: Int64? = nil
    ) {
        self.input = input
        self.output = output
        self.total = total
        self[.cacheRead] = cacheRead
        self[.cacheWrite] = cacheWrite
        self[.reasoning] = reasoning
    }

    /// The tokens of a part; `nil` if they were not reported. `cacheWrite` includes `cacheWrite1h`.
    ///
    /// - Parameter part: a part of the input or the output, neither `input` nor `output` itself.
    package subscript(part: TokenKind) -> Int64? {
        get { parts[part.rawValue] < 0 ? nil : parts[part.rawValue] }
        set { parts[part.rawValue] = newValue ?? -1 }
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
        return TokenKinds(parts: parts, input: input ?? rest, output: output ?? rest)
    }
}

extension Usage: Equatable {
    package static func == (left: Usage, right: Usage) -> Bool {
        left.input == right.input && left.output == right.output && left.total == right.total
            && left.parts.indices.allSatisfy { left.parts[$0] == right.parts[$0] }
    }
}
