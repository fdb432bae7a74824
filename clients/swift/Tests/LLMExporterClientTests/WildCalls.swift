@testable import LLMExporterClient

/// Calls whose every value is drawn from those inside, at and outside its bounds; the same for the same seed.
struct WildCalls {
    private var random: SplitMix

    init(seed: UInt64) { random = SplitMix(state: seed) }

    private static let texts = [
        "", " ", "_x", "__", "a", "gpt-4o", "a\nb\u{0}", "é\u{301}\u{85}", "\"\\/\u{7F}", "Ünknown Error!", "9", "a-b",
        "On-Demand", "flex", "batch", "auto", "\u{200B}", "\u{FEFF}a", "0A", " padded ",
        String(repeating: "😀", count: 100), String(repeating: "x", count: 300), String(repeating: "_", count: 300),
        String(repeating: "e\u{301}", count: 90) + " ", "a" + String(repeating: "-", count: 40),
    ]
    private static let counts = [
        .min, -1, 0, 1, 2, 3, 5, 9, 10, 100, 999_999, 1_000_000, 1_000_001, 999_999_999_999, 1_000_000_000_000,
        1_000_000_000_001, .max,
    ]
    private static let amounts = [
        -1, .nan, .infinity, -.infinity, 1e300, -0.0, .leastNonzeroMagnitude, 0.1, 1.5e-7, 1, 123_456.789, 1e6,
        1e6.nextUp,
        864e5, 1e9, 1e9.nextUp, 1e18,
    ]
    private static let times: [Duration] = [
        .seconds(-1), .nanoseconds(-1), .zero, .nanoseconds(1), .nanoseconds(499), .nanoseconds(500),
        .nanoseconds(1500),
        .microseconds(1), .milliseconds(1), .microseconds(1001), .milliseconds(150), .seconds(86_400),
        .seconds(86_400) + .nanoseconds(400), .seconds(86_400) + .microseconds(1), .seconds(1e15),
    ]

    /// The id is always one that the client makes: two calls with one id would be rejected for that.
    mutating func next() -> LLMCallMetrics {
        var call = LLMCallMetrics(agentName: text() ?? "A", provider: text() ?? "p", model: text() ?? "m")
        call.responseModel = text()
        call.status = LLMCallStatus(rawValue: text() ?? "success")
        call.errorType = text()
        call.usage = TokenUsage(
            input: count(), output: count(), total: count(), cacheRead: count(), cacheWrite: count(),
            cacheWrite1h: count(), reasoning: count(), inputAudio: count(), outputAudio: count(), inputImage: count(),
            outputImage: count(), webSearches: count())
        call.searchContextSize = pick(LLMSearchContextSize.allCases)
        call.serviceTier = text()
        call.costUSD = pick(Self.amounts)
        call.billing = pick(LLMBilling.allCases)
        (call.latency, call.apiLatency) = (pick(Self.times), pick(Self.times))
        call.timeToFirstToken = pick(Self.times)
        (call.memoryResidentMB, call.memoryAvailableMB) = (pick(Self.amounts), pick(Self.amounts))
        (call.timestamp, call.traceID) = (pick(Self.amounts), text())
        return call
    }

    private mutating func text() -> String? { pick(Self.texts) }

    /// Small ones more often: they are what makes parts fit their whole, or not by little.
    private mutating func count() -> Int? {
        Bool.random(using: &random) ? Int.random(in: 0...20, using: &random) : pick(Self.counts)
    }

    /// Nothing in one of four draws.
    private mutating func pick<Value>(_ values: [Value]) -> Value? {
        Int.random(in: 0..<4, using: &random) == 0 ? nil : values.randomElement(using: &random)
    }
}

/// Steele, Lea and Flood, "Fast splittable pseudorandom number generators", 2014.
private struct SplitMix: RandomNumberGenerator {
    var state: UInt64

    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var mixed = state
        mixed = (mixed ^ (mixed >> 30)) &* 0xBF58_476D_1CE4_E5B9
        mixed = (mixed ^ (mixed >> 27)) &* 0x94D0_49BB_1331_11EB
        return mixed ^ (mixed >> 31)
    }
}
