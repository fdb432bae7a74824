/// Tokens of kinds that few calls have, as senders report them: counts of audio and images include those that a cache
/// gave or took.
struct RareTokens {
    var cacheWrite1h: Int64 = 0
    var inputAudio: Int64 = 0
    var inputImage: Int64 = 0
    var outputAudio: Int64 = 0
    var outputImage: Int64 = 0

    /// Limits the counts to what they are parts of: no more is left for audio and images than no cache gave or took.
    ///
    /// - Parameters:
    ///   - cacheWrite: all tokens written to a cache.
    ///   - uncached: input that no cache gave or took.
    ///   - plain: output without reasoning.
    mutating func limit(cacheWrite: Int64, uncached: Int64, plain: Int64) {
        cacheWrite1h = max(0, min(cacheWrite1h, cacheWrite))
        inputAudio = max(0, min(inputAudio, uncached))
        inputImage = max(0, min(inputImage, uncached - inputAudio))
        outputAudio = max(0, min(outputAudio, plain))
        outputImage = max(0, min(outputImage, plain - outputAudio))
    }

    /// How many of the kinds there are.
    var count: Int { all.count { $0.tokens > 0 } }

    /// Sets the fields of those that there are.
    func write(to draft: inout RecordDraft) {
        for (field, tokens) in all where tokens > 0 { draft.set(field, number: "\(tokens)".utf8) }
    }

    private var all: [(field: Field, tokens: Int64)] {
        [
            (.cacheWrite1hTokens, cacheWrite1h), (.inputAudioTokens, inputAudio), (.inputImageTokens, inputImage),
            (.outputAudioTokens, outputAudio), (.outputImageTokens, outputImage),
        ]
    }
}
