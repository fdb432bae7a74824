import Model
import Testing

@testable import Formats

private let large = 1_000_000_000_000

/// The fields of a record that decide its price beside the usual counts.
@Suite("Fields of the bill") struct BillFieldTests {
    /// The counts of parts, each with what it is a part of.
    private static let parts: [(field: String, kind: TokenKind, whole: String)] = [
        ("cache_write_1h_tokens", .cacheWrite1h, #""input_tokens":1e12,"cache_write_tokens":1e12"#),
        ("input_audio_tokens", .inputAudio, #""input_tokens":1e12"#),
        ("output_audio_tokens", .outputAudio, #""output_tokens":1e12"#),
        ("input_image_tokens", .inputImage, #""input_tokens":1e12"#),
        ("output_image_tokens", .outputImage, #""output_tokens":1e12"#),
    ]

    @Test("parts are whole numbers from 0 to 1e12", arguments: 0..<5)
    func bounds(place: Int) throws {
        let (field, kind, whole) = Self.parts[place]
        let cases: [(String, Int64?, RecordRejection.Code?)] = [
            ("0", 0, nil), ("-0.0", 0, nil), ("5", 5, nil), ("5.0", 5, nil), ("1e3", 1000, nil),
            ("1e12", Int64(large), nil), ("null", nil, nil), ("1000000000001", nil, .outOfRange),
            ("1e400", nil, .outOfRange), ("-1", nil, .outOfRange), ("5.5", nil, .notInteger),
            ("\"5\"", nil, .wrongType),
            ("true", nil, .wrongType), ("[]", nil, .wrongType),
        ]
        for (value, tokens, code) in cases {
            let batch = try decode(record("\(whole),\"\(field)\":\(value)"))
            #expect(batch.onlyRejection?.code == code, "\(value)")
            #expect(batch.onlyRejection?.field == (code == nil ? nil : field))
            if code == nil { #expect(try #require(batch.onlyRecord).usage[kind] == tokens, "\(value)") }
        }
    }

    @Test("searches are whole numbers from 0 to 1e6")
    func searches() throws {
        let cases: [(String, Int64?, RecordRejection.Code?)] = [
            ("0", 0, nil), ("3", 3, nil), ("1e6", 1_000_000, nil), ("null", nil, nil), ("1000001", nil, .outOfRange),
            ("-1", nil, .outOfRange), ("0.5", nil, .notInteger), ("\"1\"", nil, .wrongType),
        ]
        for (value, searches, code) in cases {
            let batch = try decode(record("\"web_search_requests\":\(value)"))
            #expect(batch.onlyRejection?.code == code, "\(value)")
            #expect(batch.onlyRejection?.field == (code == nil ? nil : "web_search_requests"))
            if code == nil { #expect(try #require(batch.onlyRecord).details?.webSearches == searches) }
        }
    }

    @Test(
        "parts that do not fit into their whole are refused",
        arguments: [
            Broken(#""cache_write_1h_tokens":1"#, "cache_write_1h_tokens", .inconsistent),
            Broken(#""input_tokens":9,"cache_write_1h_tokens":1"#, "cache_write_1h_tokens", .inconsistent),
            Broken(
                #""input_tokens":9,"cache_write_tokens":4,"cache_write_1h_tokens":5"#, "cache_write_1h_tokens",
                .inconsistent),
            Broken(#""input_audio_tokens":1"#, "input_audio_tokens", .inconsistent),
            Broken(#""input_tokens":5,"input_audio_tokens":6"#, "input_audio_tokens", .inconsistent),
            Broken(
                #""input_tokens":5,"cache_read_tokens":3,"input_audio_tokens":3"#, "input_audio_tokens", .inconsistent),
            Broken(
                #"""
                "input_tokens":5,"cache_write_tokens":3,"input_audio_tokens":3
                """#, "input_audio_tokens", .inconsistent),
            Broken(
                #"""
                "input_tokens":5,"input_audio_tokens":3,"input_image_tokens":3
                """#, "input_image_tokens", .inconsistent),
            Broken(
                #""input_tokens":5,"cache_read_tokens":1,"cache_write_tokens":1,"input_audio_tokens":2,"#
                    + #""input_image_tokens":2"#, "input_image_tokens", .inconsistent),
            Broken(#""output_audio_tokens":1"#, "output_audio_tokens", .inconsistent),
            Broken(
                #""output_tokens":5,"reasoning_tokens":3,"output_audio_tokens":3"#, "output_audio_tokens", .inconsistent
            ),
            Broken(
                #""output_tokens":5,"reasoning_tokens":1,"output_audio_tokens":2,"output_image_tokens":3"#,
                "output_image_tokens", .inconsistent),
            Broken(#""total_tokens":9,"output_image_tokens":1"#, "output_image_tokens", .inconsistent),
            Broken(#""service_tier":"""#, "service_tier", .invalidFormat),
            Broken(#""service_tier":"Flex""#, "service_tier", .invalidFormat),
            Broken(#""service_tier":"on-demand""#, "service_tier", .invalidFormat),
            Broken(#""service_tier":"1st""#, "service_tier", .invalidFormat),
            Broken(#""service_tier":"a23456789012345678901234567890123""#, "service_tier", .invalidFormat),
            Broken(#""service_tier":5"#, "service_tier", .wrongType),
            Broken(#""search_context_size":"""#, "search_context_size", .invalidFormat),
            Broken(#""search_context_size":"Low""#, "search_context_size", .invalidFormat),
            Broken(#""search_context_size":"huge""#, "search_context_size", .invalidFormat),
            Broken(#""search_context_size":1"#, "search_context_size", .wrongType),
            Broken(#""billing":"""#, "billing", .invalidFormat),
            Broken(#""billing":"free""#, "billing", .invalidFormat),
            Broken(#""billing":"Plan""#, "billing", .invalidFormat), Broken(#""billing":true"#, "billing", .wrongType),
            Broken(#""response_model":"""#, "response_model", .empty),
            Broken(#""response_model":"  ""#, "response_model", .empty),
            Broken(#""response_model":"_x""#, "response_model", .reserved),
            Broken(#""response_model":"a\tb""#, "response_model", .controlCharacter),
            Broken(#""response_model":5"#, "response_model", .wrongType),
            Broken(#""response_model":""# + String(repeating: "x", count: 257) + #"""#, "response_model", .tooLong),
            Broken(#""billing":"plan","billing":"plan""#, "billing", .duplicateKey),
            Broken(#""service_tier":null,"service_tier":null"#, "service_tier", .duplicateKey),
        ])
    func codes(broken: Broken) throws {
        let rejection = try #require(try decode(record(broken.members)).onlyRejection)
        #expect(rejection.code == broken.code)
        #expect(rejection.field == broken.field)
        #expect(rejection.message.contains(broken.field))
        #expect(rejection.message.utf8.count < 250)
    }

    @Test("parts that fill their whole are taken")
    func full() throws {
        let members =
            #""input_tokens":15,"cache_read_tokens":1,"cache_write_tokens":2,"cache_write_1h_tokens":2,"#
            + #""input_audio_tokens":4,"input_image_tokens":8,"output_tokens":7,"reasoning_tokens":1,"#
            + #""output_audio_tokens":2,"output_image_tokens":4"#
        let usage = try #require(try decode(record(members)).onlyRecord).usage
        let kinds = try #require(usage.kinds)
        let expected: [Int64] = [0, 1, 0, 2, 4, 8, 0, 1, 2, 4]
        #expect(TokenKind.allCases.map { kinds[$0] } == expected)
    }

    @Test(
        "a service tier has the price that its name means",
        arguments: [
            ("batch", ServiceTier.batch), ("flex", .flex), ("priority", .priority), ("fast", .priority),
            ("default", .standard), ("standard", .standard), ("auto", .standard), ("on_demand", .standard),
        ])
    func tiers(name: String, tier: ServiceTier) throws {
        let batch = try decode(record(#""service_tier":"\#(name)""#))
        #expect(try #require(batch.onlyRecord).details?.serviceTier ?? .standard == tier)
        #expect(batch.warnings.isEmpty)
    }

    @Test("a service tier that is not known is the standard one, and warned of")
    func unknownTier() throws {
        let batch = try decode(
            "[\(record()),\(record(#""service_tier":"scale""#)),\(record(#""service_tier":"hyper""#))]")
        #expect(batch.events.count == 3 && batch.rejections.isEmpty)
        for event in batch.events {
            guard case .end(let record) = event.event else { continue }
            #expect(record.details?.serviceTier ?? .standard == .standard)
        }
        let warnings = batch.warnings.joined(separator: "\n")
        #expect(warnings.contains("service_tier") && warnings.contains("scale") && warnings.contains("hyper"))
    }

    @Test("a record carries all that decides its price")
    func wholeRecord() throws {
        let details = try #require(
            try decode(
                record(
                    #""service_tier":"flex","web_search_requests":2,"search_context_size":"high","#
                        + #""response_model":" gpt-4o ","billing":"plan""#)
            ).onlyRecord?.details)
        #expect(details.serviceTier == .flex)
        #expect(details.webSearches == 2)
        #expect(details.searchContextSize == .high)
        #expect(details.responseModel == LabelValue("gpt-4o"))
        #expect(details.billing == .plan)
        #expect(try decode(record(#""billing":"metered""#)).onlyRecord?.details?.billing == .metered)
        let nulls = Field.allCases.filter { Field.placesOfBill.contains($0.place) }.map { "\"\($0.name)\":null" }
            .joined(separator: ",")
        let plain = try #require(try decode(record(nulls)).onlyRecord)
        #expect(plain.details == nil && plain.usage == Usage())
    }

    @Test("each field is known, and none of them is a label")
    func known() throws {
        let batch = try decode(record(#""response_model":"x","service_tier":"flex","billing":"plan""#))
        #expect(batch.warnings.isEmpty)
        #expect(batch.onlyRecord?.labels.model == LabelValue("gpt-4o-mini"))
    }

    @Test(
        "of several errors the first in the order of the contract's table is reported",
        arguments: [
            (
                #""billing":5,"response_model":5,"search_context_size":5,"web_search_requests":-1"#,
                "web_search_requests"
            ),
            (#""billing":5,"response_model":5,"search_context_size":5"#, "search_context_size"),
            (#""billing":5,"response_model":5"#, "response_model"),
            (#""billing":5,"error_type":5,"status":"error""#, "billing"),
            (#""service_tier":5,"input_image_tokens":-1,"input_audio_tokens":-1"#, "input_audio_tokens"),
            (#""service_tier":5,"input_audio_tokens":-1,"cache_write_1h_tokens":-1"#, "cache_write_1h_tokens"),
            (#""cache_write_1h_tokens":-1,"trace_id":5"#, "trace_id"),
        ])
    func order(members: String, field: String) throws {
        #expect(try decode(record(members)).onlyRejection?.field == field)
    }

    @Test(
        "the price of a record goes by its timestamp if that is within 24 hours before its arrival, else by that",
        arguments: [
            ("1750000000", 0), ("1749999999.5", -500), ("1749913600", -86_400_000), ("1749913599.999", 0),
            ("1750000000.001", 0), ("0", 0), ("null", 0), ("\"2025-06-15T14:06:40Z\"", -3_600_000),
        ] as [(String, Int64)])
    func time(timestamp: String, offset: Int64) throws {
        let record = try #require(try decode(record("\"timestamp\":\(timestamp)")).onlyRecord)
        #expect(record.time?.unixMilliseconds == arrival.unixMilliseconds + offset)
    }

    // MARK: Contents

    private func content(_ members: String) throws -> UInt64 {
        try #require(try decode(record(#""id":"1""# + members)).onlyRecord?.id?.content)
    }

    @Test(
        "a field that is there is part of the content",
        arguments: [
            #""cache_write_1h_tokens":0"#, #""input_audio_tokens":0"#, #""output_audio_tokens":0"#,
            #""input_image_tokens":0"#, #""output_image_tokens":0"#, #""service_tier":"flex""#,
            #""service_tier":"standard""#, #""service_tier":"hyper""#, #""web_search_requests":0"#,
            #""search_context_size":"low""#, #""response_model":"x""#, #""billing":"metered""#, #""billing":"plan""#,
        ])
    func present(members: String) throws {
        #expect(try content("," + members) != content(""))
    }

    @Test("a field that is absent or null does not enter the content, which stays what it was in 0.1.0")
    func absent() throws {
        let nulls = Field.allCases.filter { Field.placesOfBill.contains($0.place) }.map { ",\"\($0.name)\":null" }
            .joined()
        let members = #","latency_ms":5,"cost_usd":0.5,"memory_rss_mb":2"#
        #expect(try content(members) == 17_913_420_791_946_655_395)
        #expect(try content(members + nulls) == 17_913_420_791_946_655_395)
    }

    @Test("no two fields with one value are one content")
    func distinct() throws {
        let whole = #","input_tokens":9,"output_tokens":9,"cache_write_tokens":3"#
        let contents =
            try [
                #""cache_write_1h_tokens":1"#, #""input_audio_tokens":1"#, #""output_audio_tokens":1"#,
                #""input_image_tokens":1"#, #""output_image_tokens":1"#, #""web_search_requests":1"#,
                #""service_tier":"low""#, #""search_context_size":"low""#, #""response_model":"low""#,
                #""service_tier":"batch""#, #""service_tier":"flex""#,
            ].map { members in try content("\(whole),\(members)") }
        #expect(Set(contents).count == contents.count)
    }
}
