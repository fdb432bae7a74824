/// Tokens as a provider reports them: of a whole answer, or so far in a stream.
///
/// They are read by their shape, so providers that speak the language of another need not be known by name. "Input" and
/// "output" mean different things:
///
/// - OpenAI's chat completions and responses, and LiteLLM: input includes what a cache gave or took, output includes
///   reasoning.
/// - Anthropic's messages and Bedrock's Converse: input excludes what a cache gave or took.
/// - Gemini: output excludes thoughts.
struct ReportedUsage: Equatable, Sendable {
    private var counts = TokenUsage()
    /// Whether `counts.input` leaves out what a cache gave or took.
    private var inputExcludesCache = false
    /// Whether `counts.output` leaves out reasoning.
    private var outputExcludesReasoning = false

    /// - Returns: nil if the answer reports neither input nor output.
    init?(_ answer: JSONObject, model: String?) {
        if let counts = answer.object("usageMetadata") {
            readGemini(counts)
        } else if let counts = answer.object("usage") ?? answer.object("x_groq")?.object("usage") {
            if counts.count("prompt_tokens", "completion_tokens") != nil {
                readChat(counts, isGemini: model?.contains("gemini") == true)
            } else if let details = counts.object("input_tokens_details") ?? counts.object("input_token_details") {
                readResponse(counts, details)
            } else if counts.count("inputTokens", "outputTokens") != nil {
                readConverse(counts)
            } else {
                readMessage(counts)
            }
        }
        if counts.input == nil, counts.output == nil, counts.reasoning == nil { return nil }
        counts.webSearches = counts.webSearches ?? Self.searches(in: answer)
    }

    /// The counts of `newer`; if it has none, those of `self`.
    func updated(by newer: Self) -> Self {
        var updated = newer
        updated.counts = counts.updated(by: newer.counts)
        return updated
    }

    /// The tokens as the exporter counts them.
    var usage: TokenUsage {
        var usage = counts
        // The bounds of a count keep these sums from overflowing.
        if inputExcludesCache {
            usage.input = usage.input.map { $0 + (usage.cacheRead ?? 0) + (usage.cacheWrite ?? 0) }
        }
        if outputExcludesReasoning, let reasoning = usage.reasoning { usage.output = (usage.output ?? 0) + reasoning }
        if let total = usage.total, total <= (usage.input ?? 0) + (usage.output ?? 0) { usage.total = nil }
        usage.limitParts()
        return usage
    }

    // MARK: Shapes

    /// OpenAI's chat completions, LiteLLM, and providers that answer as OpenAI does.
    private mutating func readChat(_ usage: JSONObject, isGemini: Bool) {
        let input = usage.object("prompt_tokens_details")
        let output = usage.object("completion_tokens_details")
        counts = TokenUsage(
            input: usage.count("prompt_tokens"), output: usage.count("completion_tokens"),
            total: usage.count("total_tokens"),
            cacheRead: input?.count("cached_tokens")
                ?? usage.count("cache_read_input_tokens", "prompt_cache_hit_tokens"),  // the latter is DeepSeek's
            cacheWrite: input?.count("cache_write_tokens", "cache_creation_tokens")
                ?? usage.count("cache_creation_input_tokens"),
            cacheWrite1h: Self.writtenForAnHour(input?.object("cache_creation_token_details"))
                ?? Self.writtenForAnHour(usage.object("cache_creation")),
            reasoning: output?.count("reasoning_tokens"),
            webSearches: Self.positive(
                usage.object("server_tool_use")?.count("web_search_requests") ?? input?.count("web_search_requests")
                    ?? usage.count("num_search_queries")))  // Perplexity's
        readParts(input: input, output: output)
        readExcess(isGemini: isGemini)
    }

    /// OpenAI's responses, images, transcriptions and realtime answers.
    private mutating func readResponse(_ usage: JSONObject, _ input: JSONObject) {
        let output = usage.object("output_tokens_details") ?? usage.object("output_token_details")
        counts = TokenUsage(
            input: usage.count("input_tokens"), output: usage.count("output_tokens"),
            total: usage.count("total_tokens"), cacheRead: input.count("cached_tokens"),
            cacheWrite: input.count("cache_write_tokens"), reasoning: output?.count("reasoning_tokens"))
        readParts(input: input, output: output)
    }

    private mutating func readMessage(_ usage: JSONObject) {
        counts = TokenUsage(
            input: usage.count("input_tokens"), output: usage.count("output_tokens"),
            cacheRead: usage.count("cache_read_input_tokens"), cacheWrite: usage.count("cache_creation_input_tokens"),
            cacheWrite1h: Self.writtenForAnHour(usage.object("cache_creation")),
            reasoning: usage.object("output_tokens_details")?.count("thinking_tokens"),
            webSearches: Self.positive(usage.object("server_tool_use")?.count("web_search_requests")))
        inputExcludesCache = true
    }

    private mutating func readConverse(_ usage: JSONObject) {
        let written = usage.objects("cacheDetails").filter { $0.text("ttl") == "1h" }
        counts = TokenUsage(
            input: usage.count("inputTokens"), output: usage.count("outputTokens"),
            cacheRead: usage.count("cacheReadInputTokens"), cacheWrite: usage.count("cacheWriteInputTokens"),
            cacheWrite1h: Self.positive(written.reduce(0) { $0 + ($1.count("inputTokens") ?? 0) }))
        inputExcludesCache = true
    }

    private mutating func readGemini(_ usage: JSONObject) {
        let (prompt, toolUse) = (usage.count("promptTokenCount"), usage.count("toolUsePromptTokenCount"))
        func tokens(_ modality: String, of names: String...) -> Int {
            let details = names.flatMap { usage.objects($0) }.filter { $0.text("modality") == modality }
            return details.reduce(0) { $0 + ($1.count("tokenCount") ?? 0) }
        }
        func sent(_ modality: String) -> Int? {
            Self.positive(
                tokens(modality, of: "promptTokensDetails", "toolUsePromptTokensDetails")
                    - tokens(modality, of: "cacheTokensDetails"))
        }
        func received(_ modality: String) -> Int? { Self.positive(tokens(modality, of: "candidatesTokensDetails")) }
        counts = TokenUsage(
            input: prompt == nil && toolUse == nil ? nil : (prompt ?? 0) + (toolUse ?? 0),
            output: usage.count("candidatesTokenCount"), total: usage.count("totalTokenCount"),
            cacheRead: usage.count("cachedContentTokenCount"), reasoning: usage.count("thoughtsTokenCount"),
            inputAudio: sent("AUDIO"), outputAudio: received("AUDIO"), inputImage: sent("IMAGE"),
            outputImage: received("IMAGE"))
        outputExcludesReasoning = true
    }

    // MARK: Parts

    /// Audio and images; of the input without those that a cache gave.
    private mutating func readParts(input: JSONObject?, output: JSONObject?) {
        let cached = input?.object("cached_tokens_details")
        func sent(_ name: String) -> Int? {
            Self.positive((input?.count(name) ?? 0) - (cached?.count(name) ?? 0))
        }
        (counts.inputAudio, counts.inputImage) = (sent("audio_tokens"), sent("image_tokens"))
        counts.outputAudio = Self.positive(output?.count("audio_tokens"))
        counts.outputImage = Self.positive(output?.count("image_tokens"))
    }

    /// A total above input and output is reasoning beside the output: xAI reports it as such, and Gemini's answers in
    /// OpenAI's shape leave its number out.
    private mutating func readExcess(isGemini: Bool) {
        guard let total = counts.total, let input = counts.input, let output = counts.output else { return }
        let (excess, reasoning) = (total - input - output, counts.reasoning ?? 0)
        guard excess > 0, reasoning == excess || (isGemini && reasoning == 0) else { return }
        counts.reasoning = excess
        outputExcludesReasoning = true
    }

    private static func writtenForAnHour(_ creation: JSONObject?) -> Int? {
        positive(creation?.count("ephemeral_1h_input_tokens"))
    }

    /// The searches that an answer made, by its content: those of OpenAI's responses that searched rather than opened
    /// a page, which OpenAI does not bill; Gemini's by their queries.
    private static func searches(in answer: JSONObject) -> Int? {
        let calls = answer.objects("output").count { item in
            item.text("type") == "web_search_call" && item.object("action")?.text("type") ?? "search" == "search"
        }
        let queries = answer.objects("candidates").reduce(0) { sum, candidate in
            sum + (candidate.object("groundingMetadata")?.texts("webSearchQueries").count ?? 0)
        }
        return positive(calls + queries)
    }

    /// The count, unless it is 0: answers name kinds of tokens that a call has none of.
    private static func positive(_ count: Int?) -> Int? { count.flatMap { $0 > 0 ? $0 : nil } }
}
