import Foundation
import HTTP
import Model
import Testing

@testable import Service

@Suite("Handlers") struct HandlerTests {
    @Test("a budget is 200 while money is left and 402 when it is spent")
    func budgets() throws {
        let service = try ServiceUnderTest(
            configuration: "budgets:\n  - {name: daily, limit_usd: 0.9, period: day}\n")
        #expect(try service.get("/api/v1/budgets/daily").status == 200)
        _ = try service.post("/record", "[\(record),\(record)]")
        let spent = try service.get("/api/v1/budgets/daily")
        #expect(spent.status == 402)
        #expect(spent.json["spent_usd"] as? Double == 1)
        #expect(spent.json["remaining_usd"] as? Double == -0.1)
        let list = try #require(try service.get("/api/v1/budgets").json["budgets"] as? [[String: Any]])
        #expect(list.map { $0["name"] as? String } == ["daily"])
        #expect(try service.sample(#"llm_budget_spent_usd{budget="daily",period="day"}"#) == "1")
    }

    @Test("the summary adds up agents and models")
    func summary() throws {
        let service = try ServiceUnderTest()
        _ = try service.post("/record", record)
        let summary = try service.get("/summary").json
        #expect(summary["total_calls"] as? Int == 1)
        #expect(summary["total_cost_usd"] as? Double == 0.5)
        #expect((summary["models"] as? [String: Any])?["openai/gpt-4o-mini"] != nil)
    }

    @Test("reset removes all series; forget removes an agent's and reports them")
    func admin() throws {
        let service = try ServiceUnderTest()
        _ = try service.post("/record", record)
        let forgotten = try service.post("/api/v1/admin/forget?agent_name=a")
        #expect(forgotten.json["series"] as? Int == 1)
        #expect(forgotten.json["cost_usd"] as? Double == 0.5)
        _ = try service.post("/record", record)
        #expect(try service.post("/api/v1/admin/reset").status == 204)
        #expect(try service.get("/summary").json["total_calls"] as? Int == 0)
    }

    @Test(
        "arguments that would widen what is removed are refused, and nothing is removed",
        arguments: [
            "/api/v1/admin/forget", "/api/v1/admin/forget?agent=a", "/api/v1/admin/forget?agent_name=",
            "/api/v1/admin/forget?agent_name=a&modell=x", "/api/v1/admin/reset?budget=true",
            "/api/v1/admin/reset?budgets=yes",
        ])
    func arguments(target: String) throws {
        let service = try ServiceUnderTest()
        _ = try service.post("/record", record)
        #expect(try service.post(target).status == 400)
        #expect(try service.get("/summary").json["total_calls"] as? Int == 1)
    }

    @Test("the admin routes are off unless the operator turns them on")
    func adminIsOff() throws {
        let service = try ServiceUnderTest { $0.allowsAdminRoutes = false }
        #expect(try service.post("/api/v1/admin/reset").status == 403)
        #expect(try service.post("/api/v1/admin/forget?agent_name=a").status == 403)
    }

    @Test("a scrape has the form and the coding that Accept asks for")
    func scrape() throws {
        let service = try ServiceUnderTest()
        let text = try service.get("/metrics")
        #expect(text.header("Content-Type")?.hasPrefix("text/plain") == true)
        let open = try service.get("/metrics", headers: ["Accept": "application/openmetrics-text;version=1.0.0"])
        #expect(open.text.hasSuffix("# EOF\n"))
        let packed = try service.get("/metrics", headers: ["Accept-Encoding": "gzip"])
        #expect(packed.header("Content-Encoding") == "gzip")
        #expect(packed.header("Vary") == "Accept, Accept-Encoding")
    }

    @Test("a reload takes what the files say now, or says why not and keeps what was in force")
    func reload() throws {
        let path = try ServiceUnderTest.file("budgets: [{name: one, limit_usd: 1, period: day}]\n")
        let service = try ServiceUnderTest { $0.configuration.configurationFile = path }
        try Data("budgets: [{name: two, limit_usd: 1, period: day}]\n".utf8).write(to: URL(filePath: path))
        #expect(try service.post("/-/reload").status == 200)
        #expect(try service.get("/api/v1/budgets/two").status == 200)
        try Data("budgets: [{name: two}]\n".utf8).write(to: URL(filePath: path))
        let failed = try service.post("/-/reload")
        #expect(failed.status == 500)
        #expect(failed.text.contains(path))
        #expect(try service.get("/api/v1/budgets/two").status == 200)
        #expect(try service.sample(#"llm_exporter_config_reloads_total{result="failure"}"#) == "1")
        #expect(try service.sample("llm_exporter_config_last_reload_successful") == "0")
    }

    @Test("a reload that finds the file empty changes nothing; a budget that is gone for a while keeps its spending")
    func emptyReload() throws {
        let text = "budgets: [{name: daily, limit_usd: 9, period: day}]\n"
        let path = try ServiceUnderTest.file(text)
        let service = try ServiceUnderTest { $0.configuration.configurationFile = path }
        func reload(_ text: String) throws -> Int {
            try Data(text.utf8).write(to: URL(filePath: path))
            return try service.post("/-/reload").status
        }
        func spent() throws -> Double? { try service.get("/api/v1/budgets/daily").json["spent_usd"] as? Double }
        _ = try service.post("/record", record)
        for empty in ["", "# nothing\n", "---\n", "budgets: []\n", "budgets:\nprices: {}\naliases: {models: {}}\n"] {
            #expect(try reload(empty) == 500, "\(empty)")
            #expect(try spent() == 0.5, "\(empty)")
        }
        #expect(try reload("aliases: {providers: {corp: openai}}\n") == 200)
        #expect(try service.get("/api/v1/budgets/daily").status == 404)
        let listed = try service.get("/api/v1/budgets").json["budgets"] as? [Any]
        #expect(listed?.isEmpty == true)
        #expect(try !service.get("/metrics").text.contains("budget=\"daily\""))
        #expect(try reload(text) == 200)
        #expect(try spent() == 0.5)
        // Without content from the beginning, an empty file is what it was.
        let empty = try ServiceUnderTest.file("# later\n")
        let other = try ServiceUnderTest { $0.configuration.configurationFile = empty }
        #expect(try other.post("/-/reload").status == 200)
    }

    @Test("not ready while starting or stopping, healthy all the time")
    func health() throws {
        let service = try ServiceUnderTest()
        service.service.isReady.store(false, ordering: .relaxed)
        #expect(try service.get("/-/ready").status == 503)
        #expect(try service.get("/-/healthy").status == 200)
        service.service.isReady.store(true, ordering: .relaxed)
        #expect(try service.get("/-/ready").status == 200)
    }

    @Test("the landing page shows the address that was asked, without its markup")
    func landingPage() throws {
        let page = try ServiceUnderTest().get("/", headers: ["Host": "<b>:1"])
        #expect(page.text.contains("&lt;b&gt;:1"))
        #expect(!page.text.contains("<b>"))
    }
}
