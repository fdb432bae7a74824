import FoundationEssentials
import Testing

@testable import Client

@Suite("The day as planned") struct DayTests {
    @Test("three code reviews and one security audit use 100 input and 436 output tokens")
    func plan() {
        #expect(Assignment.day.map(\.kind) == [.codeReview, .codeReview, .codeReview, .securityAudit])
        #expect(Assignment.day.map(\.usage).reduce(Usage(inputTokens: 0, outputTokens: 0), +) == Example.usage)
    }

    @Test(
        "cost is exact to the last digit, and the costs of the calls add up to the cost of the day",
        arguments: [
            (1, 0, "0.00000015"), (0, 1, "0.0000006"), (0, 0, "0"), (100, 436, "0.0002766"), (22, 98, "0.0000621"),
            (1_000_000, 1_000_000, "0.75"), (3_333_333, 7, "0.50000415"),
        ] as [(Int64, Int64, String)])
    func cost(input: Int64, output: Int64, usd: String) {
        #expect("\(CallCost(of: Usage(inputTokens: input, outputTokens: output)).usd)" == usd)
        #expect(Example.calls.reduce(0) { $0 + $1.cost.picoUSD } == CallCost(of: Example.usage).picoUSD)
    }

    @Test("the eight phases, in their order")
    func phases() {
        #expect(
            Phase.allCases.map(\.rawValue) == [
                "preparation", "API call", "response received", "metrics extraction", "cost calculation",
                "memory tracking", "performance analysis", "recording",
            ])
        #expect(Phase.allCases.map(\.place) == Array(1...8))
    }

    @Test("an end record carries every measured field, with plain exact numbers")
    func endRecord() throws {
        let json = String(decoding: try Example.calls[0].record.json(), as: UTF8.self)
        #expect(
            json == """
                {"agent_name":"ReviewerGPT","api_latency_ms":149.001,"cost_usd":0.0000621,"event":"end",\
                "id":"ReviewerGPT-1-1","input_tokens":22,"latency_ms":151.234,"memory_available_mb":8000.25,\
                "memory_rss_mb":256.5,"model":"gpt-4o-mini","output_tokens":98,"provider":"openai","status":"success"}
                """)
    }

    @Test("a start record carries agent and id, and nothing else")
    func startRecord() throws {
        let json = try SentRecord(event: "start", agentName: "ReviewerGPT", id: "a/1").json()
        #expect(String(decoding: json, as: UTF8.self) == #"{"agent_name":"ReviewerGPT","event":"start","id":"a/1"}"#)
    }

    @Test("the model stands in for about 150 ms, really slept")
    func standIn() {
        let waited = ContinuousClock().measure {
            #expect(ModelStandIn().answer(Assignment.day[3]) == Usage(inputTokens: 29, outputTokens: 128))
        }
        #expect(waited >= .milliseconds(135) && waited < .seconds(5))
    }

    @Test(
        "memory is read from the line of the field, in MB",
        arguments: [
            ("VmPeak:\t  999 kB\nVmRSS:\t   262144 kB\nVmData: 1 kB\n", 256.0), ("VmRSS: 1 kB", 0.0009765625),
            ("VmRSS: 0 kB", 0), ("XVmRSS: 1 kB", nil), ("VmRSS: 1 MB", nil), ("VmRSS: -1 kB", nil),
            ("VmRSS: x kB", nil), ("VmRSS:", nil), ("", nil),
        ] as [(String, Double?)])
    func memory(text: String, megabytes: Double?) {
        #expect(MemoryReading.megabytes(of: "VmRSS", in: text) == megabytes)
    }

    @Test("the kernel's own figures are read")
    func memoryNow() throws {
        let reading = try MemoryReading.now()
        #expect(reading.residentMB > 1 && reading.residentMB < 1_000_000)
        #expect(reading.availableMB > 1)
    }
}
