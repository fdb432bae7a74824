/// Tokens of a call, as the exporter counts them: input includes what a cache gave or took, output includes reasoning.
struct TokenUsage: Equatable, Sendable {
    var input: Int?
    var output: Int?
    var total: Int?
    var cacheRead: Int?
    var cacheWrite: Int?
    /// Part of `cacheWrite`.
    var cacheWrite1h: Int?
    var reasoning: Int?
    var inputAudio: Int?
    var outputAudio: Int?
    var inputImage: Int?
    var outputImage: Int?
    /// Searches of the web, which are billed beside the tokens.
    var webSearches: Int?

    /// The values of `newer`; if it has none, those of `self`.
    func updated(by newer: Self) -> Self { combined(with: newer) { $1 ?? $0 } }

    /// The sum; nil adds nothing.
    func adding(_ other: Self) -> Self {
        var sum = combined(with: other, Self.sum)
        // A total of one of the two alone would leave out the tokens of the other.
        if total != nil || other.total != nil { sum.total = Self.sum(whole, other.whole) }
        return sum
    }

    /// Limits the rare parts to what the counts that contain them leave. Providers count audio and images that came
    /// from a cache as audio and images, too.
    mutating func limitParts() {
        let uncached = max(0, (input ?? 0) - (cacheRead ?? 0) - (cacheWrite ?? 0))
        let plain = max(0, (output ?? 0) - (reasoning ?? 0))
        cacheWrite1h = cacheWrite1h.map { min($0, cacheWrite ?? 0) }
        inputAudio = inputAudio.map { min($0, uncached) }
        inputImage = inputImage.map { min($0, uncached - (inputAudio ?? 0)) }
        outputAudio = outputAudio.map { min($0, plain) }
        outputImage = outputImage.map { min($0, plain - (outputAudio ?? 0)) }
    }

    private var whole: Int? { total ?? Self.sum(input, output) }

    private func combined(with other: Self, _ rule: (Int?, Int?) -> Int?) -> Self {
        Self(
            input: rule(input, other.input), output: rule(output, other.output), total: rule(total, other.total),
            cacheRead: rule(cacheRead, other.cacheRead), cacheWrite: rule(cacheWrite, other.cacheWrite),
            cacheWrite1h: rule(cacheWrite1h, other.cacheWrite1h), reasoning: rule(reasoning, other.reasoning),
            inputAudio: rule(inputAudio, other.inputAudio), outputAudio: rule(outputAudio, other.outputAudio),
            inputImage: rule(inputImage, other.inputImage), outputImage: rule(outputImage, other.outputImage),
            webSearches: rule(webSearches, other.webSearches))
    }

    private static func sum(_ first: Int?, _ second: Int?) -> Int? {
        guard let first, let second else { return first ?? second }
        let (sum, isOverflow) = first.addingReportingOverflow(second)
        // Out of bounds either way, and reported as that.
        return isOverflow ? Int.max : sum
    }
}

extension LLMCallMetrics {
    /// The tokens and searches of the record.
    var usage: TokenUsage {
        get {
            TokenUsage(
                input: inputTokens, output: outputTokens, total: totalTokens, cacheRead: cacheReadTokens,
                cacheWrite: cacheWriteTokens, cacheWrite1h: cacheWrite1hTokens, reasoning: reasoningTokens,
                inputAudio: inputAudioTokens, outputAudio: outputAudioTokens, inputImage: inputImageTokens,
                outputImage: outputImageTokens, webSearches: webSearchRequests)
        }
        set {
            (inputTokens, outputTokens, totalTokens) = (newValue.input, newValue.output, newValue.total)
            (cacheReadTokens, cacheWriteTokens) = (newValue.cacheRead, newValue.cacheWrite)
            (cacheWrite1hTokens, reasoningTokens) = (newValue.cacheWrite1h, newValue.reasoning)
            (inputAudioTokens, outputAudioTokens) = (newValue.inputAudio, newValue.outputAudio)
            (inputImageTokens, outputImageTokens) = (newValue.inputImage, newValue.outputImage)
            webSearchRequests = newValue.webSearches
        }
    }
}
