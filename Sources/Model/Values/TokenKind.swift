/// A kind of tokens. Kinds do not overlap, and each may have a rate of its own in the price table.
package enum TokenKind: Int, CaseIterable, Sendable {
    /// Input of text that no cache gave or took.
    case input
    case cacheRead
    /// Written to a cache for less than an hour.
    case cacheWrite
    /// Written to a cache for an hour or longer.
    case cacheWrite1h
    case inputAudio
    case inputImage
    /// Output of text without reasoning.
    case output
    case reasoning
    case outputAudio
    case outputImage

    /// The number of kinds.
    package static let count = 10

    /// Its value of the label `token_type`.
    package var name: String {
        switch self {
        case .input: "input"
        case .cacheRead: "cache_read"
        case .cacheWrite: "cache_write"
        case .cacheWrite1h: "cache_write_1h"
        case .inputAudio: "input_audio"
        case .inputImage: "input_image"
        case .output: "output"
        case .reasoning: "reasoning"
        case .outputAudio: "output_audio"
        case .outputImage: "output_image"
        }
    }

    /// Kinds that few calls have, shown once they are above 0; the others always.
    package static let rare: [TokenKind] = [.cacheWrite1h, .inputAudio, .inputImage, .outputAudio, .outputImage]

    /// Parts of the input; those of `cacheWrite1h` are a part of those of `cacheWrite` where a sender reports them.
    static let partsOfInput: [TokenKind] = [.cacheRead, .cacheWrite, .inputAudio, .inputImage]
    static let partsOfOutput: [TokenKind] = [.reasoning, .outputAudio, .outputImage]
}
