/// The values of one JSON object of a provider: a whole answer, or an event of a streamed one.
///
/// A value that is null or of another type counts as absent. See `ReportedUsage` for the shapes that are known.
struct AnswerPart: Decodable, Sendable {
    /// The totals so far: in a stream the last ones count.
    private(set) var usage: ReportedUsage?
    /// The kind of a failure that came as an answer, also with a 200: an `error` object, in a stream an `error` event,
    /// or `"status": "failed"` of OpenAI's responses.
    private(set) var failure: String?
    /// The model that answered.
    private(set) var model: String?
    /// How the provider served the call.
    private(set) var serviceTier: String?
    private(set) var searchContextSize: LLMSearchContextSize?
    /// Whether it is a part of an answer whose end is announced.
    private(set) var isBegun = false
    /// Whether it carries a token: text, reasoning, audio, or a part of a tool call.
    private(set) var hasToken = false
    /// Whether it announces the end: nothing of the answer is left out after it but its usage.
    private(set) var isEnd = false

    init(from decoder: any Decoder) throws {
        let part = try JSONObject(from: decoder)
        switch part.text("type") {
        case "message_start":
            isBegun = true
            read(part.object("message"))
        case "content_block_delta": (isBegun, hasToken) = (true, true)
        case "message_stop": isEnd = true
        case "response.completed", "response.incomplete", "response.failed", "response.done":
            isEnd = true
            read(part.object("response"))
        case let type? where type.hasPrefix("response."):
            // The usage here, if any, is that of an unfinished answer.
            (isBegun, hasToken) = (true, type.hasSuffix(".delta"))
        case "error": failure = part.object("error").map(Self.kind) ?? Self.kind(of: part)
        default:
            read(part)
            readChoices(part.objects("choices"))
            readCandidates(part.objects("candidates"))
        }
    }

    private mutating func read(_ answer: JSONObject?) {
        guard let answer else { return }
        if let error = answer.object("error") {
            failure = Self.kind(of: error)
        } else if answer.text("object") == "response", answer.text("status") == "failed" {
            failure = "failed"
        }
        model = (answer.text("model") ?? answer.text("modelVersion")).flatMap(RecordLine.fittingName)
        usage = ReportedUsage(answer, model: model)
        serviceTier = Self.tier(of: answer).flatMap(RecordLine.fittingWord)
        let tool = answer.objects("tools").first { $0.text("type")?.hasPrefix("web_search") == true }
        searchContextSize = (tool ?? answer.object("usage"))?.text("search_context_size")
            .flatMap(LLMSearchContextSize.init)
    }

    /// OpenAI's, in a stream.
    private mutating func readChoices(_ choices: [JSONObject]) {
        let names = ["content", "reasoning_content", "reasoning", "refusal", "audio", "tool_calls", "function_call"]
        for choice in choices {
            isBegun = true
            isEnd = isEnd || choice.text("finish_reason") != nil
            let delta = choice.object("delta")
            hasToken = hasToken || choice.hasContent("text") || names.contains { delta?.hasContent($0) == true }
        }
    }

    /// Gemini's.
    private mutating func readCandidates(_ candidates: [JSONObject]) {
        for candidate in candidates {
            isBegun = true
            isEnd = isEnd || candidate.text("finishReason") != nil
            hasToken = hasToken || candidate.object("content")?.hasContent("parts") == true
        }
    }

    /// OpenAI has a code, unless it is null, which others make the HTTP status; Anthropic has a type.
    private static func kind(of error: JSONObject) -> String {
        error.text("code") ?? error.count("code").map(String.init) ?? error.text("type") ?? "error"
    }

    private static func tier(of answer: JSONObject) -> String? {
        let usage = answer.object("usage")
        let tier =
            answer.text("service_tier") ?? usage?.text("service_tier")  // OpenAI; Anthropic
            ?? answer.object("serviceTier")?.text("type")  // Bedrock
            ?? geminiTier(answer.object("usageMetadata"))
        // Anthropic reports its fast mode beside the tier.
        if usage?.text("speed") == "fast", tier ?? "standard" == "standard" { return "fast" }
        // This leaves the choice to the provider: it is no tier that served the call.
        return tier == "auto" ? nil : tier
    }

    private static func geminiTier(_ usage: JSONObject?) -> String? {
        if let tier = usage?.text("serviceTier") { return tier }
        switch usage?.text("trafficType") {
        case "ON_DEMAND_PRIORITY": return "priority"
        case "ON_DEMAND_FLEX": return "flex"
        default: return nil
        }
    }
}
