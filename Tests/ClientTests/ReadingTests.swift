import FoundationEssentials
import Testing

@testable import Client

@Suite("What is read back") struct ReadingTests {
    @Test("a summary's numbers are read to the last digit")
    func summary() throws {
        let json = """
            {"total_calls":9223372036854775807,"success_calls":3,"error_calls":1,"total_tokens":536,
             "total_cost_usd":123456789012345678.123456789012,
             "agents":{"Ä \\"x\\"":{"calls":4,"tokens":536,"cost_usd":0.0002766,"errors":1}},
             "models":{"openai/gpt-4o-mini":{"calls":4,"tokens":536,"cost_usd":0.0002766,"errors":1}}}
            """
        let summary = try Summary.decoding(Array(json.utf8))
        #expect("\(summary.total.calls)" == "9223372036854775807")
        #expect("\(summary.total.costUSD)" == "123456789012345678.123456789012")
        #expect(summary.successCalls == 3 && summary.total.errors == 1)
        let expected = Tally(calls: 4, errors: 1, tokens: 536, costUSD: Example.day.costUSD)
        #expect(summary.agents == ["Ä \"x\"": expected])
        #expect(summary.models == ["openai/gpt-4o-mini": expected])
    }

    @Test(
        "what is not a summary is an error that names the request",
        arguments: ["", "{}", "[]", "<html>", #"{"total_calls":1}"#, #"{"total_calls":"1"}"#])
    func notASummary(json: String) {
        #expect(throws: SimulationError.unreadable(request: "GET /summary", reason: "not the JSON of a summary")) {
            try Summary.decoding(Array(json.utf8))
        }
    }

    @Test("samples of the agent are read, of others skipped, hostile labels intact")
    func exposition() throws {
        let text = """
            # HELP a text with {braces} 1
            a{agent_name="R",x="q\\"}, b\\\\ \\n é"} 1.5
            a{agent_name="S",x=""} 2
            b 3

            a{x="y",agent_name="R",} 4 1700000000000
            c{agent_name="R"} +Inf
            d{agent_name="R"} 2e-3
            """
        let exposition = try Exposition(text: Array(text.utf8), agent: "R")
        #expect(exposition.sizeBytes == text.utf8.count)
        #expect(
            exposition.samples == [
                .init(name: "a", labels: ["agent_name": "R", "x": "q\"}, b\\ \n é"], value: Decimal(string: "1.5")),
                .init(name: "a", labels: ["agent_name": "R", "x": "y"], value: 4),
                .init(name: "c", labels: ["agent_name": "R"], value: nil),
                .init(name: "d", labels: ["agent_name": "R"], value: Decimal(string: "0.002")),
            ])
        #expect(exposition.sum("a") == Decimal(string: "5.5"))
        #expect(exposition.sum("a", ["x": "y"]) == 4)
        #expect(exposition.sum("a", ["z": "y"]) == 0)
        #expect(exposition.sum("c").isNaN)
    }

    @Test(
        "a line that is no sample is named",
        arguments: ["a", "a{", "a{x}", "a{x=\"y} 1", "a{x=\"y\"}", "a 1x", "a 1 2 3", "{x=\"y\"} 1", "a{x=y} 1", "<p>"])
    func notASample(line: String) {
        #expect(throws: SimulationError.unreadable(request: "GET /metrics", reason: "line 3 is not a sample")) {
            try Exposition(text: Array("# TYPE a gauge\na 1\n\(line)".utf8), agent: "R")
        }
    }
}
