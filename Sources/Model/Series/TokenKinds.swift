/// Tokens by kind; the kinds do not overlap and sum to input + output.
package struct TokenKinds: Sendable {
    private var counts = InlineArray<10, Int64>(repeating: 0)

    package init(input: Int64 = 0, cacheRead: Int64 = 0, cacheWrite: Int64 = 0, output: Int64 = 0, reasoning: Int64 = 0)
    {
        self[.input] = input
        self[.cacheRead] = cacheRead
        self[.cacheWrite] = cacheWrite
        self[.output] = output
        self[.reasoning] = reasoning
    }

    package subscript(kind: TokenKind) -> Int64 {
        get { counts[kind.rawValue] }
        set { counts[kind.rawValue] = newValue }
    }

    /// Tokens as a sender reports them: `parts` of the input and the output, of which `cacheWrite` includes
    /// `cacheWrite1h`; -1 is absent.
    init(parts: InlineArray<10, Int64>, input: Int64, output: Int64) {
        for place in 0..<TokenKind.count { counts[place] = max(0, parts[place]) }
        self[.input] = input - partsOfInput
        self[.output] = output - partsOfOutput
        self[.cacheWrite] -= self[.cacheWrite1h]
    }

    /// Whether there are any of the kinds that few calls have.
    package var hasRare: Bool {
        self[.cacheWrite1h] | self[.inputAudio] | self[.inputImage] | self[.outputAudio] | self[.outputImage] != 0
    }

    /// Without `cacheWrite1h`.
    var partsOfInput: Int64 { self[.cacheRead] + self[.cacheWrite] + self[.inputAudio] + self[.inputImage] }
    var partsOfOutput: Int64 { self[.reasoning] + self[.outputAudio] + self[.outputImage] }

    /// All parts of the input.
    package var allInput: Int64 { self[.input] + self[.cacheWrite1h] + partsOfInput }
    /// All parts of the output.
    package var allOutput: Int64 { self[.output] + partsOfOutput }
}

extension TokenKinds: Equatable {
    package static func == (left: TokenKinds, right: TokenKinds) -> Bool {
        left.counts.indices.allSatisfy { left.counts[$0] == right.counts[$0] }
    }
}

extension TokenKinds: BoundedSum {
    /// The sum, or `nil` if a kind would pass `Int64.max`.
    func adding(_ other: TokenKinds) -> TokenKinds? {
        var sum = self
        // Both are 0 or above, so a sum that is too large is below 0.
        var signs: Int64 = 0
        for place in 0..<TokenKind.count {
            let count = counts[place] &+ other.counts[place]
            sum.counts[place] = count
            signs |= count
        }
        return signs < 0 ? nil : sum
    }

    /// Combines the counts of each kind.
    // Inlined, so that the operation is.
    @inline(__always) mutating func combine(with other: TokenKinds, _ operation: (Int64, Int64) -> Int64) {
        for place in 0..<TokenKind.count { counts[place] = operation(counts[place], other.counts[place]) }
    }
}
