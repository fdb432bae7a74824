import FoundationEssentials
import Testing

@testable import Client

@Suite("Report of the day") struct DayReportTests {
    @Test("what was read back is what was sent: the whole table")
    func golden() throws {
        let report = try Example.report()
        #expect(report.differences == [])
        #expect(
            report.description == """
                Summary of the reviewer's day, read back from http://127.0.0.1:1

                                            calls  success  errors  tokens  cost in USD
                sent by this day                4        4       0     536   0.00027660
                read back: all agents           4        4       0     536   0.00027660
                  agent ReviewerGPT             4        4       0     536   0.00027660
                  model openai/gpt-4o-mini      4        4       0     536   0.00027660

                Size of the exposition: \(Example.exposition.utf8.count) bytes
                What was read back is what was sent.
                """)
    }

    @Test("each figure of the summary that differs is named, by the agent, the total and the model")
    func summaryDiffers() throws {
        let wrong = Tally(calls: 4, errors: 0, tokens: 535, costUSD: Example.day.costUSD)
        let report = try Example.report(summary: Example.summary(of: ["ReviewerGPT": wrong]))
        #expect(
            report.differences.map(\.description) == [
                "GET /summary, growth of agent ReviewerGPT: tokens: sent 536, read back 535",
                "GET /summary, growth of all agents: tokens: sent 536, read back 535",
                "GET /summary, growth of model openai/gpt-4o-mini: tokens: sent 536, read back 535",
            ])
        #expect(report.description.contains("differs from what was sent:\n  GET /summary, growth of agent"))
    }

    @Test("a missing agent, as of an exporter that folded it away, differs in every figure but errors")
    func agentMissing() throws {
        let report = try Example.report(summary: Example.summary(of: ["_other": Example.day], model: Example.day))
        #expect(
            report.differences.map(\.place)
                == ["calls", "success", "tokens", "cost in USD"].map {
                    "GET /summary, growth of agent ReviewerGPT: \($0)"
                })
    }

    @Test("a difference in the last digit of the money is found")
    func lastDigit() throws {
        var wrong = Example.day
        wrong.costUSD += Decimal(1) / 1_000_000_000_000
        let report = try Example.report(summary: Example.summary(of: ["ReviewerGPT": wrong]))
        #expect(
            report.differences.first?.description
                == "GET /summary, growth of agent ReviewerGPT: cost in USD: sent 0.0002766, read back 0.000276600001")
    }

    @Test("success_calls must be the calls that are not errors")
    func successCalls() throws {
        var summary = Example.summary(of: ["ReviewerGPT": Example.day])
        summary.successCalls = 3
        #expect(try Example.report(summary: summary).differences.map(\.readBack) == ["3"])
    }

    @Test("growth is compared: totals of former runs and of other agents do not matter")
    func growth() throws {
        let other = Tally(calls: 7, errors: 2, tokens: 70, costUSD: 1)
        let before = Example.summary(of: ["ReviewerGPT": Example.day, "Other": other], model: Example.day + other)
        let twice = Example.day + Example.day
        let after = Example.summary(of: ["ReviewerGPT": twice, "Other": other + other], model: twice + other + other)
        let report = try Example.report(summary: after, before: before)
        #expect(report.differences == [])
        #expect(report.description.contains("growth since the day began"))
    }

    @Test("more growth of the model than other agents explain is a difference")
    func unexplained() throws {
        let other = Tally(calls: 1, errors: 0, tokens: 0, costUSD: 0)
        for (growth, differences) in [(Example.day + other, 0), (Example.day + other + other, 2)] {
            let after = Example.summary(of: ["ReviewerGPT": Example.day, "Other": other], model: growth)
            #expect(try Example.report(summary: after).differences.count == differences)
        }
    }

    @Test(
        "each family of the exposition that differs is named",
        arguments: [
            ("status=\"success\"} 4", "status=\"success\"} 5", "growth of llm_calls_total"),
            ("status=\"error\"} 0", "status=\"error\"} 1", "growth of llm_calls_total"),
            ("} 536", "} 537", "growth of llm_tokens_total"),
            ("0.0002766", "0.00027659", "growth of llm_cost_usd_total"),
            ("0.604936", "0.604937", "growth of llm_latency_seconds_sum"),
            ("0.596004", "0.596", "growth of llm_api_latency_seconds_sum"),
            ("rss_mb{agent_name=\"ReviewerGPT\"} 256.5", "rss_mb{agent_name=\"ReviewerGPT\"} 256", "llm_memory_rss_mb"),
            ("llm_input_tokens_last_call", "llm_inputs", "llm_input_tokens_last_call"),
            ("} 128", "} 12", "llm_output_tokens_last_call"),
            (
                "active_calls{agent_name=\"ReviewerGPT\"} 0", "active_calls{agent_name=\"ReviewerGPT\"} 1",
                "llm_active_calls after the last call"
            ),
        ])
    func expositionDiffers(old: String, new: String, place: String) throws {
        let differences = try Example.report(replacing: old, with: new).differences
        #expect(differences.first?.place == "GET /metrics, \(place)")
    }

    @Test(
        "money is shown exactly, with eight places or more",
        arguments: [("0.0002766", "0.00027660"), ("0", "0.00000000"), ("12", "12.00000000"), ("0.000276600001", nil)])
    func dollars(amount: String, shown: String?) throws {
        #expect(DayReport.dollars(try #require(Decimal(string: amount))) == shown ?? amount)
    }

    @Test("of many agents twenty are listed and the others counted")
    func manyAgents() throws {
        var agents = ["ReviewerGPT": Example.day]
        for number in 0..<30 { agents["a\(number)"] = Tally() }
        let text = try Example.report(summary: Example.summary(of: agents)).description
        #expect(text.contains("  and 11 agents more\n"))
        #expect(text.split(separator: "\n").count { $0.hasPrefix("  agent ") } == 20)
    }
}
