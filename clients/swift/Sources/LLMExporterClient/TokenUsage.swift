/// Tokens as the exporter means them: input includes what a cache gave or took, output includes reasoning.
struct TokenUsage: Equatable, Sendable {
    var input: Int?
    var output: Int?
    var total: Int?
    var cacheRead: Int?
    var cacheWrite: Int?
    var reasoning: Int?

    /// What `newer` knows, and what only `self` does.
    func updated(by newer: Self) -> Self {
        Self(
            input: newer.input ?? input, output: newer.output ?? output, total: newer.total ?? total,
            cacheRead: newer.cacheRead ?? cacheRead, cacheWrite: newer.cacheWrite ?? cacheWrite,
            reasoning: newer.reasoning ?? reasoning)
    }

    /// The sum, where nil adds nothing.
    func adding(_ other: Self) -> Self {
        Self(
            input: Self.sum(input, other.input), output: Self.sum(output, other.output),
            total: Self.sum(total, other.total), cacheRead: Self.sum(cacheRead, other.cacheRead),
            cacheWrite: Self.sum(cacheWrite, other.cacheWrite), reasoning: Self.sum(reasoning, other.reasoning))
    }

    private static func sum(_ first: Int?, _ second: Int?) -> Int? {
        guard let first, let second else { return first ?? second }
        let (sum, isOverflow) = first.addingReportingOverflow(second)
        // Out of bounds either way, and told as that.
        return isOverflow ? Int.max : sum
    }
}

/// What one JSON object of a provider tells: a whole answer, or an event of a streamed one.
///
/// By its shape: providers that speak another's language need not be known by name. Whatever is absent, null or of
/// another type is as if it were not there.
///
/// - OpenAI's chat completions and responses, and LiteLLM: the input includes what a cache gave or took.
/// - Anthropic's messages: it excludes both, so they are added.
struct AnswerPart: Decodable, Sendable {
    /// Totals so far: in a stream the last holds.
    var usage: TokenUsage?
    /// The same of Anthropic, whose events tell it in parts.
    var anthropic: AnthropicUsage?
    /// The kind of a failure that came as an answer, also with a 200: an `error` object, in a stream an `error` event,
    /// or `"status": "failed"` of OpenAI's responses.
    var failure: String?

    init(from decoder: any Decoder) throws {
        let part = try JSONObject(from: decoder)
        switch part.text("type") {
        case "message_start": anthropic = AnthropicUsage(part.object("message")?.object("usage"))
        case "message_delta": anthropic = AnthropicUsage(part.object("usage"))
        case "response.completed", "response.incomplete", "response.failed": read(part.object("response"))
        // Totals of an answer in the making.
        case let type? where type.hasPrefix("response."): break
        case "error": failure = part.object("error").map(Self.kind) ?? Self.kind(of: part)
        default: read(part)
        }
    }

    /// OpenAI has a code, where it is not null, which others make the HTTP status; Anthropic a type.
    private static func kind(of error: JSONObject) -> String {
        error.text("code") ?? error.count("code").map(String.init) ?? error.text("type") ?? "error"
    }

    private mutating func read(_ answer: JSONObject?) {
        guard let answer else { return }
        if let error = answer.object("error") {
            failure = Self.kind(of: error)
        } else if answer.text("object") == "response", answer.text("status") == "failed" {
            failure = "failed"
        }
        guard let counts = answer.object("usage") else { return }
        if let (input, output) = counts.counts("prompt_tokens", "completion_tokens") {
            let details = counts.object("prompt_tokens_details")
            usage = TokenUsage(
                input: input, output: output, total: counts.total(input, output),
                cacheRead: details?.count("cached_tokens") ?? counts.count("cache_read_input_tokens")
                    ?? counts.count("prompt_cache_hit_tokens"),  // DeepSeek
                cacheWrite: details?.count("cache_write_tokens") ?? details?.count("cache_creation_tokens")
                    ?? counts.count("cache_creation_input_tokens"),
                reasoning: counts.object("completion_tokens_details")?.count("reasoning_tokens"))
        } else if let details = counts.object("input_tokens_details") {
            guard let (input, output) = counts.counts("input_tokens", "output_tokens") else { return }
            usage = TokenUsage(
                input: input, output: output, total: counts.total(input, output),
                cacheRead: details.count("cached_tokens"), cacheWrite: details.count("cache_write_tokens"),
                reasoning: counts.object("output_tokens_details")?.count("reasoning_tokens"))
        } else {
            anthropic = AnthropicUsage(counts)
        }
    }
}

/// Anthropic's counts as they come: the three inputs do not overlap.
struct AnthropicUsage: Equatable, Sendable {
    private var uncached: Int?
    private var cacheRead: Int?
    private var cacheWrite: Int?
    private var output: Int?
    private var thinking: Int?

    fileprivate init?(_ counts: JSONObject?) {
        guard let counts, let (input, output) = counts.counts("input_tokens", "output_tokens") else { return nil }
        (uncached, self.output) = (input, output)
        cacheRead = counts.count("cache_read_input_tokens")
        cacheWrite = counts.count("cache_creation_input_tokens")
        thinking = counts.object("output_tokens_details")?.count("thinking_tokens")
    }

    /// What `newer` knows, and what only `self` does.
    func updated(by newer: Self) -> Self {
        var updated = newer
        updated.uncached = newer.uncached ?? uncached
        updated.cacheRead = newer.cacheRead ?? cacheRead
        updated.cacheWrite = newer.cacheWrite ?? cacheWrite
        updated.output = newer.output ?? output
        updated.thinking = newer.thinking ?? thinking
        return updated
    }

    var usage: TokenUsage {
        TokenUsage(
            // The bounds of a count keep this sum from overflowing.
            input: uncached.map { $0 + (cacheRead ?? 0) + (cacheWrite ?? 0) }, output: output, cacheRead: cacheRead,
            cacheWrite: cacheWrite, reasoning: thinking)
    }
}

/// A JSON object, asked for one value at a time. To be used within `init(from:)` only.
private struct JSONObject: Decodable {
    private struct Key: CodingKey {
        let stringValue: String
        var intValue: Int? { nil }
        init(stringValue: String) { self.stringValue = stringValue }
        init?(intValue: Int) { nil }
    }

    private let fields: KeyedDecodingContainer<Key>

    init(from decoder: any Decoder) throws { fields = try decoder.container(keyedBy: Key.self) }

    func object(_ name: String) -> JSONObject? { value(name) }

    func text(_ name: String) -> String? { value(name) }

    func count(_ name: String) -> Int? {
        let count: Int? = value(name)
        return count.flatMap { (0...1_000_000_000_000).contains($0) ? $0 : nil }
    }

    /// Two counts of which at least one is there.
    func counts(_ first: String, _ second: String) -> (Int?, Int?)? {
        let counts = (count(first), count(second))
        return counts.0 == nil && counts.1 == nil ? nil : counts
    }

    /// The total, only where input and output do not make it up.
    func total(_ input: Int?, _ output: Int?) -> Int? {
        input != nil && output != nil ? nil : count("total_tokens")
    }

    private func value<Value: Decodable>(_ name: String) -> Value? {
        try? fields.decode(Value.self, forKey: Key(stringValue: name))
    }
}
