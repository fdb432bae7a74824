import Bodies
import Model
import Testing

@testable import Formats

/// The facts of spans that decide a price, beside input and output.
@Suite("The bill in spans") struct SpanBillTests {
    private static let arrival = Instant(unixMilliseconds: 1_796_000_002_000)

    /// The record of one span with these attributes: numbers as integers, all else as texts.
    private static func record(
        _ attributes: [(String, String)], arrival: Instant = arrival, warns: Bool = false
    ) throws -> CallRecord {
        let needed = [("gen_ai.operation.name", "chat"), ("gen_ai.provider.name", "p"), ("gen_ai.request.model", "m")]
        let list = (needed + attributes).map { name, value in
            let escaped = value.replacing("\\", with: "\\\\").replacing("\"", with: "\\\"")
            let kind = Int64(value) == nil ? "stringValue" : "intValue"
            return #"{"key":"\#(name)","value":{"\#(kind)":"\#(escaped)"}}"#
        }
        let body = #"""
            {"resourceSpans":[{"scopeSpans":[{"scope":{"name":"s"},"spans":[{
            "traceId":"00000000000000000000000000000007","spanId":"0000000000000001",
            "startTimeUnixNano":"1796000000000000000","endTimeUnixNano":"1796000001500000000",
            "attributes":[\#(list.joined(separator: ","))]}]}]}]}
            """#
        let batch = try TracesFormat(.json).decode(PaddedBytes(Array(body.utf8)), arrival: arrival)
        #expect(batch.warnings.isEmpty != warns && batch.rejections.isEmpty)
        return try #require(batch.onlyRecord)
    }

    /// 1,000 input tokens of which 300 came from a cache and 200 were written, 100 output tokens of which 20 are
    /// reasoning.
    private static let usage = [
        ("gen_ai.usage.input_tokens", "1000"), ("gen_ai.usage.output_tokens", "100"),
        ("gen_ai.usage.cache_read.input_tokens", "300"), ("gen_ai.usage.cache_creation.input_tokens", "200"),
        ("gen_ai.usage.reasoning.output_tokens", "20"),
    ]

    @Test(
        "tokens written for an hour are input, also if the sender names them beside it and nowhere else",
        arguments: [
            ("anthropic.usage.cache_creation.ephemeral_1h_input_tokens", "1000"),
            ("gen_ai.usage.raw", #"{"input_tokens":10,"cache_creation":{"ephemeral_1h_input_tokens":1000}}"#),
        ])
    func hourBesideInput(name: String, value: String) throws {
        let usage = try Self.record([
            ("gen_ai.usage.input_tokens", "10"), ("gen_ai.usage.output_tokens", "5"), (name, value),
        ]).usage
        #expect(usage.input == 1010 && usage[.cacheWrite] == 1000 && usage[.cacheWrite1h] == 1000)
    }

    @Test(
        "each attribute has its kind of tokens, also as a text",
        arguments: [
            ("anthropic.usage.cache_creation.ephemeral_1h_input_tokens", TokenKind.cacheWrite1h),
            ("gen_ai.usage.details.ephemeral_1h_input_tokens", .cacheWrite1h),
            ("gen_ai.usage.audio.input_tokens", .inputAudio), ("gen_ai_usage_audio_input_tokens", .inputAudio),
            ("llm.token_count.prompt_details.audio", .inputAudio),
            ("gen_ai.usage.details.input_audio_tokens", .inputAudio),
            ("gen_ai.usage.audio.output_tokens", .outputAudio),
            ("llm.token_count.completion_details.audio", .outputAudio),
            ("gen_ai.usage.details.output_audio_tokens", .outputAudio),
            ("gen_ai.usage.image.input_tokens", .inputImage), ("gen_ai.usage.details.image_prompt_tokens", .inputImage),
            ("gen_ai.usage.image.output_tokens", .outputImage),
            ("gen_ai.usage.details.image_candidates_tokens", .outputImage),
        ])
    func kinds(name: String, kind: TokenKind) throws {
        let usage = try Self.record(Self.usage + [(name, "50")]).usage
        #expect(usage[kind] == 50)
        #expect(usage.input == 1000 && usage.output == 100)
        // A 0 under one name does not hide another's count, and is not a count itself.
        #expect(try Self.record(Self.usage + [(name, "0")]).usage[kind] ?? 0 == 0)
    }

    @Test(
        "of audio and images that a cache gave too, only the rest is theirs",
        arguments: [
            ("gen_ai.usage.audio.input_tokens", "gen_ai.usage.audio.cache_read.input_tokens", TokenKind.inputAudio),
            ("gen_ai.usage.details.input_audio_tokens", "gen_ai.usage.details.cache_audio_read_tokens", .inputAudio),
            ("gen_ai.usage.image.input_tokens", "gen_ai.usage.image.cache_read.input_tokens", .inputImage),
            ("gen_ai.usage.details.image_prompt_tokens", "gen_ai.usage.details.image_cache_tokens", .inputImage),
        ])
    func cachedMedia(name: String, cachedName: String, kind: TokenKind) throws {
        #expect(try Self.record(Self.usage + [(name, "120"), (cachedName, "100")]).usage[kind] == 20)
        #expect(try Self.record(Self.usage + [(name, "100"), (cachedName, "100")]).usage[kind] ?? 0 == 0)
    }

    @Test("audio and images get no more than caches and reasoning leave")
    func capped() throws {
        let usage = try Self.record(
            Self.usage + [
                ("gen_ai.usage.audio.input_tokens", "450"), ("gen_ai.usage.image.input_tokens", "450"),
                ("gen_ai.usage.audio.output_tokens", "70"), ("gen_ai.usage.image.output_tokens", "70"),
            ]
        ).usage
        #expect(usage[.inputAudio] == 450 && usage[.inputImage] == 50)
        #expect(usage[.outputAudio] == 70 && usage[.outputImage] == 10)
        #expect(try #require(usage.kinds)[.input] == 0)
        #expect(try #require(usage.kinds)[.output] == 0)
    }

    @Test("what was written for an hour is a part of what was written, or all of it where no other count says")
    func longCache() throws {
        let name = "anthropic.usage.cache_creation.ephemeral_1h_input_tokens"
        #expect(try Self.record(Self.usage + [(name, "150")]).usage[.cacheWrite1h] == 150)
        #expect(try Self.record(Self.usage + [(name, "250")]).usage[.cacheWrite1h] == 200)
        let alone = [
            ("gen_ai.usage.input_tokens", "1000"), ("gen_ai.usage.output_tokens", "1"),
            ("gen_ai.usage.cache_creation.input_tokens", "0"), (name, "250"),
        ]
        let usage = try Self.record(alone).usage
        #expect(usage[.cacheWrite] == 250 && usage[.cacheWrite1h] == 250)
    }

    @Test(
        "counts in one JSON object are read in the words of its sender",
        arguments: [
            // Langfuse takes the parts from input and output.
            (
                "langfuse.observation.usage_details",
                #"""
                {"input":600,"input_cache_read":300,"input_audio":100,"output":60,"output_reasoning":20,\#
                "output_audio":20,"total":1100}
                """#,
                [.cacheRead: 300, .inputAudio: 100, .reasoning: 20, .outputAudio: 20]
            ),
            (
                "langfuse.observation.usage_details",
                #"{"input":400,"input_cache_creation":600,"input_ephemeral_1h_input_tokens":0,"output":100}"#,
                [.cacheWrite: 600]
            ),
            (
                "langfuse.observation.usage_details",
                #"""
                {"input":700,"input_ephemeral_5m_input_tokens":100,"input_ephemeral_1h_input_tokens":200,\#
                "output":100}
                """#,
                [.cacheWrite: 300, .cacheWrite1h: 200]
            ),
            (
                "langfuse.observation.usage_details",
                #"""
                {"input":0,"input_modality_TEXT":700,"input_modality_AUDIO":200,"input_modality_IMAGE":100,\#
                "output":0,"output_modality_TEXT":60,"output_modality_IMAGE":40}
                """#,
                [.inputAudio: 200, .inputImage: 100, .outputImage: 40]
            ),
            (
                "langfuse.observation.usage_details",
                #"""
                {"prompt_tokens":1000,"completion_tokens":100,"prompt_tokens_details":{"cached_tokens":300,\#
                "audio_tokens":50},"completion_tokens_details":{"reasoning_tokens":20,"audio_tokens":30}}
                """#,
                [.cacheRead: 300, .inputAudio: 50, .reasoning: 20, .outputAudio: 30]
            ),
            (
                "langsmith.metadata.usage_metadata",
                #"""
                {"input_tokens":1000,"output_tokens":100,"input_token_details":{"cache_read":300,\#
                "cache_creation":0,"ephemeral_5m_input_tokens":50,"ephemeral_1h_input_tokens":150,"audio":40},\#
                "output_token_details":{"reasoning":20,"audio":10}}
                """#,
                [
                    .cacheRead: 300, .cacheWrite: 200, .cacheWrite1h: 150, .inputAudio: 40, .reasoning: 20,
                    .outputAudio: 10,
                ]
            ),
            (
                "mlflow.chat.tokenUsage",
                #"""
                {"input_tokens":1000,"output_tokens":100,"total_tokens":1100,"cache_read_input_tokens":300,\#
                "cache_creation_input_tokens":200,"cache_creation_input_tokens_above_1hr":150}
                """#,
                [.cacheRead: 300, .cacheWrite: 200, .cacheWrite1h: 150]
            ),
        ] as [(String, String, [TokenKind: Int64])])
    func json(name: String, text: String, parts: [TokenKind: Int64]) throws {
        let usage = try Self.record([(name, text)]).usage
        #expect(usage.input == 1000 && usage.output == 100)
        for kind in TokenKind.allCases where kind != .input && kind != .output {
            #expect(usage[kind] ?? 0 == parts[kind] ?? 0, "\(kind)")
        }
    }

    @Test("of the provider's own object only the details are read: its input may leave out cached tokens")
    func raw() throws {
        let raw =
            #"""
            {"input_tokens":7,"output_tokens":7,"cache_creation":{"ephemeral_5m_input_tokens":50,\#
            "ephemeral_1h_input_tokens":150},"server_tool_use":{"web_search_requests":3},"service_tier":"batch"}
            """#
        let record = try Self.record(Self.usage + [("gen_ai.usage.raw", raw)])
        #expect(record.usage.input == 1000 && record.usage.output == 100)
        #expect(record.usage[.cacheWrite1h] == 150 && record.usage[.cacheWrite] == 200)
        #expect(record.details?.webSearches == 3)
        #expect(record.details?.serviceTier == .batch)
    }

    @Test(
        "LangChain's names of counts say the tier",
        arguments: [
            (#""input_token_details":{"flex":500,"flex_cache_read":300}"#, ServiceTier.flex, 300),
            (
                #""input_token_details":{"flex_cache_read":300},"output_token_details":{"flex_reasoning":20}"#, .flex,
                300
            ),
            (#""output_token_details":{"flex":80}"#, .flex, 0),
            (#""input_token_details":{"priority":700,"priority_cache_read":300}"#, .priority, 300),
            (#""output_token_details":{"priority":80}"#, .priority, 0),
            (#""input_token_details":{"flex":0,"priority":0}"#, .standard, 0),
            (#""input_token_details":{"cache_read":300}"#, .standard, 300),
        ] as [(String, ServiceTier, Int64)])
    func tierInNames(details: String, tier: ServiceTier, cacheRead: Int64) throws {
        let text = #"{"input_tokens":1000,"output_tokens":100,"total_tokens":1100,\#(details)}"#
        let record = try Self.record([("langsmith.metadata.usage_metadata", text)])
        #expect(record.details?.serviceTier ?? .standard == tier)
        #expect(record.usage.input == 1000 && record.usage.output == 100)
        #expect(record.usage[.cacheRead] ?? 0 == cacheRead)
    }

    @Test(
        "Langfuse's counts of a tier are beside those of input if flex, and in them if priority",
        arguments: [
            (
                #"{"input":0,"input_flex":700,"input_flex_cache_read":300,"output":20,"output_flex":80}"#,
                ServiceTier.flex
            ),
            (#"{"input":1000,"input_priority":700,"input_priority_cache_read":300,"output":100}"#, .priority),
        ])
    func langfuseTiers(text: String, tier: ServiceTier) throws {
        let record = try Self.record([("langfuse.observation.usage_details", text)])
        #expect(record.details?.serviceTier == tier)
        #expect(record.usage.input == 1000 && record.usage.output == 100)
        #expect(record.usage[.cacheRead] == 300)
    }

    // MARK: Tiers

    @Test(
        "each attribute says how the call was served",
        arguments: [
            "openai.response.service_tier", "gen_ai.openai.response.service_tier",
            "gen_ai_openai_response_service_tier",
            "anthropic.response.service_tier", "gen_ai.response.service_tier", "openai.request.service_tier",
            "gen_ai.openai.request.service_tier", "anthropic.request.service_tier", "gen_ai.request.service_tier",
        ])
    func tierAttributes(name: String) throws {
        for (text, tier) in [
            ("flex", ServiceTier.flex), ("priority", .priority), ("FLEX", .flex), ("batch", .batch),
            ("default", .standard),
        ] {
            #expect(try Self.record(Self.usage + [(name, text)]).details?.serviceTier ?? .standard == tier)
        }
    }

    @Test(
        "what served goes before what was asked for, and `auto` says nothing",
        arguments: [
            (
                [("openai.response.service_tier", "default"), ("openai.request.service_tier", "flex")],
                ServiceTier.standard
            ),
            ([("openai.request.service_tier", "flex"), ("openai.response.service_tier", "default")], .standard),
            ([("openai.response.service_tier", "auto"), ("openai.request.service_tier", "flex")], .flex),
            ([("openai.response.service_tier", "auto"), ("gen_ai.response.service_tier", "priority")], .priority),
            ([("openai.response.service_tier", "standard_only"), ("openai.request.service_tier", "flex")], .flex),
            ([("openai.request.service_tier", "auto")], .standard),
            (
                [("gen_ai.usage.raw", #"{"service_tier":"priority"}"#), ("openai.request.service_tier", "flex")],
                .priority
            ),
            ([("speed", "fast")], .priority), ([("speed", "standard")], .standard),
            ([("speed", "fast"), ("anthropic.response.service_tier", "batch")], .batch),
            ([("langfuse.observation.model.parameters", #"{"service_tier":"flex"}"#)], .flex),
            ([("langfuse.observation.model.parameters", #"{"service_tier":"auto","temperature":1}"#)], .standard),
            ([("langfuse.observation.model.parameters", "flex")], .standard),
            ([("ai.response.providerMetadata", #"{"openai":{"serviceTier":"flex"}}"#)], .flex),
            ([("ai.response.providerMetadata", #"{"azure":{"serviceTier":"priority"}}"#)], .priority),
            ([("ai.response.providerMetadata", #"{"google":{"serviceTier":"flex"}}"#)], .flex),
            ([("ai.response.providerMetadata", #"{"anthropic":{"usage":{"service_tier":"batch"}}}"#)], .batch),
            (
                [
                    ("ai.response.providerMetadata", #"{"openai":{"serviceTier":"default"}}"#),
                    ("openai.request.service_tier", "flex"),
                ], .standard
            ),
            // The tier that served goes before the one that was asked for, also within Langfuse's and Vercel's objects.
            (
                [
                    ("langfuse.observation.model.parameters", #"{"service_tier":"flex"}"#),
                    ("ai.response.providerMetadata", #"{"openai":{"serviceTier":"default"}}"#),
                ], .standard
            ),
        ] as [([(String, String)], ServiceTier)])
    func tierOrder(attributes: [(String, String)], tier: ServiceTier) throws {
        #expect(try Self.record(Self.usage + attributes).details?.serviceTier ?? .standard == tier)
    }

    @Test(
        "a tier without a price of its own is the standard one, and warned of unless that is its meaning",
        arguments: [
            ("scale", false), ("performance", false), ("standard", false), ("on_demand", false), ("auto", false),
        ])
    func otherTiers(name: String, warns: Bool) throws {
        let record = try Self.record(Self.usage + [("openai.response.service_tier", name)], warns: warns)
        #expect(record.details?.serviceTier ?? .standard == .standard)
    }

    // MARK: Searches and models

    @Test(
        "searches are read where senders put them",
        arguments: [
            ("gen_ai.usage.details.web_search_requests", "3", 3),
            ("gen_ai.usage.details.web_search_requests", "0", nil),
            ("metadata", #"{"server_tool_use":{"web_search_requests":3}}"#, 3),
            (
                "ai.response.providerMetadata",
                #"{"anthropic":{"usage":{"server_tool_use":{"web_search_requests":3}}}}"#, 3
            ),
            (
                "langfuse.observation.usage_details",
                #"{"input":10,"output":5,"server_tool_use":{"web_search_requests":3}}"#, 3
            ),
            ("gen_ai.usage.raw", #"{"server_tool_use":{"web_search_requests":3}}"#, 3),
            ("metadata", #"{"web_search_requests":3}"#, nil), ("metadata", "web_search_requests", nil),
            ("metadata", #"{"server_tool_use":{"web_search_requests":-3}}"#, nil),
        ] as [(String, String, Int64?)])
    func searches(name: String, value: String, searches: Int64?) throws {
        let record = try Self.record(Self.usage + [(name, value)])
        #expect(record.details?.webSearches == searches)
    }

    @Test(
        "the model that answered is read if it is another one",
        arguments: [
            ("gen_ai.response.model", "gpt-4o", "gpt-4o"), ("llm.response.model_name", "gpt-4o", "gpt-4o"),
            ("ai.response.model", "gpt-4o", "gpt-4o"), ("mlflow.llm.model", #""gpt-4o""#, "gpt-4o"),
            ("gen_ai.response.model", "m", nil),
        ] as [(String, String, String?)])
    func responseModel(name: String, value: String, model: String?) throws {
        let record = try Self.record(Self.usage + [(name, value)])
        #expect(record.details?.responseModel?.text == model)
        #expect(record.labels.model.text == "m")
    }

    @Test(
        "the price of a span goes by its end if that is within 24 hours before its arrival, else by its arrival",
        arguments: [(0, true), (1, true), (86_400_000, true), (86_400_001, false), (-1, false)] as [(Int64, Bool)])
    func time(age: Int64, isEnd: Bool) throws {
        let end: Int64 = 1_796_000_001_500
        let arrival = Instant(unixMilliseconds: end + age)
        #expect(try Self.record(Self.usage, arrival: arrival).time?.unixMilliseconds == (isEnd ? end : end + age))
    }
}
