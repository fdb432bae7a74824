internal import Bodies
internal import Model

/// The counts of one JSON object: the usage that a provider's API or LangChain reports, as senders pass it on, and that
/// of Langfuse.
struct UsageDetails {
    private(set) var input: Int64?
    private(set) var output: Int64?
    private(set) var total: Int64?
    /// By kind of tokens, as far as they are reported; `cacheWrite` includes `cacheWrite1h`.
    private(set) var parts: [TokenKind: Int64] = [:]
    private(set) var webSearches: Int64?
    private(set) var serviceTier: String?
    /// Whether Anthropic served it in its fast mode.
    let isFast: Bool
    /// Whether the input leaves out what a cache gave or took.
    private(set) var excludesCached = false

    /// `nil` if the text is no JSON object.
    init?(_ text: String) {
        guard let counts = JSONCounts<Path>(text) else { return nil }
        // Few objects have any of these.
        let isTiered = ["flex", "priority", "modality"].contains { text.contains($0) }
        let tiered = isTiered ? JSONCounts<TieredPath>(text) : nil
        func sum(_ paths: TieredPath...) -> Int64 { tiered?.sum(paths) ?? 0 }

        let parts: [(kind: TokenKind, count: Int64?)] = [
            (
                .cacheRead,
                counts.first(.promptCached, .inputCached, .cacheReadInput, .cacheRead, .besideInputRead)
                    ?? tiered?.first(.flexRead, .priorityRead, .besideFlexRead, .besidePriorityRead)
            ),
            (
                .reasoning,
                counts.first(.completionReasoning, .outputReasoning, .reasoning, .besideOutputReasoning)
                    ?? tiered?.first(.flexReasoning, .priorityReasoning, .besideFlexReasoning, .besidePriorityReasoning)
            ),
            (.inputAudio, counts.first(.promptAudio, .inputAudio, .audio, .besideInputAudio)),
            (.outputAudio, counts.first(.completionAudio, .outputAudio, .audioOut, .besideOutputAudio)),
            (.inputImage, counts.first(.promptImage, .inputImage)),
            (.outputImage, counts.first(.completionImage, .outputImage)),
            (
                .cacheWrite1h,
                counts.first(.longCacheCreation, .rawLongCacheCreation, .langfuseLong, .besideLong, .mlflowLong)
            ),
        ]
        for (kind, count) in parts { self.parts[kind] = count }
        // LangChain writes the two lives of what was written, and then 0 for their sum.
        let written =
            counts.first(.cacheCreationInput, .cacheCreation, .besideInputCreation) ?? tiered?.first(.flexWritten)
        let lives =
            counts.sum([.shortCacheCreation, .longCacheCreation]) + counts.sum([.besideShort, .besideLong])
            + counts.sum([.rawShortCacheCreation, .rawLongCacheCreation])
        self.parts[.cacheWrite] = written ?? 0 > 0 || lives == 0 ? written : lives

        // Langfuse takes these from `input` and `output` (langfuse-python, CallbackHandler).
        let besideInput =
            counts.sum([.besideInputRead, .besideInputCreation, .besideInputAudio, .besideShort, .besideLong])
            + sum(.besideFlex, .besideFlexRead, .inputText, .inputModalityAudio, .inputModalityImage, .inputVideo)
            + sum(.cachedText, .cachedAudio, .cachedImage)
        let besideOutput =
            counts.sum([.besideOutputReasoning, .besideOutputAudio])
            + sum(.besideOutputFlex, .besideFlexReasoning, .outputText, .outputModalityAudio, .outputModalityImage)
        input = counts.first(.inputTokens, .promptTokens, .input).map { $0 + besideInput }
        output = counts.first(.outputTokens, .completionTokens, .output).map { $0 + besideOutput }
        total = counts.first(.totalTokens, .total)
        if let tiered {
            let modalities: [(kind: TokenKind, path: TieredPath)] = [
                (.inputAudio, .inputModalityAudio), (.inputImage, .inputModalityImage),
                (.outputAudio, .outputModalityAudio), (.outputImage, .outputModalityImage),
            ]
            for (kind, path) in modalities { self.parts[kind] = self.parts[kind] ?? tiered.first(path) }
            let cached = sum(.cachedText, .cachedAudio, .cachedImage)
            if cached > 0 { self.parts[.cacheRead] = self.parts[.cacheRead] ?? cached }
        }
        // Anthropic's own object, as Langfuse passes it on.
        excludesCached = counts.first(.input) != nil && total == nil && counts.first(.cacheReadInput) != nil

        webSearches = counts.first(.webSearches)
        serviceTier = counts.text(.serviceTier)
        isFast = counts.text(.speed) == "fast"
        if sum(.flex, .flexRead, .outputFlex, .flexReasoning, .besideFlex, .besideFlexRead, .besideOutputFlex) > 0 {
            serviceTier = "flex"
        } else if sum(.priority, .priorityRead, .outputPriority, .besidePriority, .besideOutputPriority) > 0 {
            serviceTier = "priority"
        }
    }

    private enum Path: String, JSONPath {
        static let keyTable = table

        case inputTokens = "input_tokens"
        case promptTokens = "prompt_tokens"
        case input
        case outputTokens = "output_tokens"
        case completionTokens = "completion_tokens"
        case output
        case totalTokens = "total_tokens"
        case total

        case promptCached = "prompt_tokens_details.cached_tokens"
        case inputCached = "input_tokens_details.cached_tokens"
        case cacheReadInput = "cache_read_input_tokens"
        case cacheRead = "input_token_details.cache_read"
        case besideInputRead = "input_cache_read"

        case cacheCreationInput = "cache_creation_input_tokens"
        case cacheCreation = "input_token_details.cache_creation"
        case besideInputCreation = "input_cache_creation"
        case shortCacheCreation = "input_token_details.ephemeral_5m_input_tokens"
        case longCacheCreation = "input_token_details.ephemeral_1h_input_tokens"
        case rawShortCacheCreation = "cache_creation.ephemeral_5m_input_tokens"
        case rawLongCacheCreation = "cache_creation.ephemeral_1h_input_tokens"
        case langfuseLong = "cache_creation_ephemeral_1h_input_tokens"
        case besideShort = "input_ephemeral_5m_input_tokens"
        case besideLong = "input_ephemeral_1h_input_tokens"
        case mlflowLong = "cache_creation_input_tokens_above_1hr"

        case completionReasoning = "completion_tokens_details.reasoning_tokens"
        case outputReasoning = "output_tokens_details.reasoning_tokens"
        case reasoning = "output_token_details.reasoning"
        case besideOutputReasoning = "output_reasoning"

        case promptAudio = "prompt_tokens_details.audio_tokens"
        case inputAudio = "input_tokens_details.audio_tokens"
        case audio = "input_token_details.audio"
        case besideInputAudio = "input_audio"
        case completionAudio = "completion_tokens_details.audio_tokens"
        case outputAudio = "output_tokens_details.audio_tokens"
        case audioOut = "output_token_details.audio"
        case besideOutputAudio = "output_audio"

        case promptImage = "prompt_tokens_details.image_tokens"
        case inputImage = "input_tokens_details.image_tokens"
        case completionImage = "completion_tokens_details.image_tokens"
        case outputImage = "output_tokens_details.image_tokens"

        case webSearches = "server_tool_use.web_search_requests"
        case serviceTier = "service_tier"
        case speed
    }

    /// Counts in whose names LangChain puts the service tier, and Langfuse the modality.
    private enum TieredPath: String, JSONPath {
        static let keyTable = table

        case flex = "input_token_details.flex"
        case flexRead = "input_token_details.flex_cache_read"
        case flexWritten = "input_token_details.flex_cache_creation"
        case outputFlex = "output_token_details.flex"
        case flexReasoning = "output_token_details.flex_reasoning"
        case priority = "input_token_details.priority"
        case priorityRead = "input_token_details.priority_cache_read"
        case outputPriority = "output_token_details.priority"
        case priorityReasoning = "output_token_details.priority_reasoning"

        case besideFlex = "input_flex"
        case besideFlexRead = "input_flex_cache_read"
        case besideOutputFlex = "output_flex"
        case besideFlexReasoning = "output_flex_reasoning"
        // Langfuse leaves these in `input` and `output`.
        case besidePriority = "input_priority"
        case besidePriorityRead = "input_priority_cache_read"
        case besideOutputPriority = "output_priority"
        case besidePriorityReasoning = "output_priority_reasoning"

        case inputText = "input_modality_TEXT"
        case inputModalityAudio = "input_modality_AUDIO"
        case inputModalityImage = "input_modality_IMAGE"
        case inputVideo = "input_modality_VIDEO"
        case outputText = "output_modality_TEXT"
        case outputModalityAudio = "output_modality_AUDIO"
        case outputModalityImage = "output_modality_IMAGE"
        case cachedText = "cached_modality_TEXT"
        case cachedAudio = "cached_modality_AUDIO"
        case cachedImage = "cached_modality_IMAGE"
    }
}
