import HTTP
import Testing

@testable import Service

@Suite("Routes") struct RouteTests {
    @Test(
        "each path answers its methods",
        arguments: [
            ("GET", "/metrics", 200), ("HEAD", "/metrics", 200), ("GET", "/summary", 200), ("GET", "/", 200),
            ("GET", "/-/healthy", 200), ("GET", "/-/ready", 200), ("POST", "/-/reload", 200),
            ("GET", "/api/v1/budgets", 200), ("GET", "/api/v1/budgets/none", 404),
            ("POST", "/api/v1/admin/reset", 204), ("POST", "/api/v1/admin/forget?agent_name=none", 404),
            ("POST", "/v1/metrics", 415), ("POST", "/v1/logs", 415), ("GET", "/nowhere", 404), ("PUT", "/nowhere", 404),
            ("GET", "/record/", 404), ("GET", "/api/v1/budgets/", 404),
        ])
    func answers(method: String, target: String, status: Int) throws {
        let answer = try #require(try ServiceUnderTest().response(to: ExchangeDouble(method, target)))
        #expect(answer.status == status)
    }

    @Test("another method is 405 and names those that there are")
    func methods() throws {
        let service = try ServiceUnderTest()
        for row in Routes.table(telemetryPath: "/metrics") {
            let answer = try #require(try service.response(to: ExchangeDouble("DELETE", row.path)))
            #expect(answer.status == 405, "\(row.path)")
            #expect(answer.header("Allow") == row.methods.joined(separator: ", "), "\(row.path)")
            let isOTLP = ["/v1/traces", "/v1/metrics", "/v1/logs"].contains(row.path)
            #expect(answer.header("Content-Type") == (isOTLP ? "application/json" : "application/problem+json"))
        }
    }

    @Test("the telemetry path is the operator's choice and no other route's")
    func telemetryPath() throws {
        let service = try ServiceUnderTest { $0.telemetryPath = "/prometheus" }
        #expect(try service.get("/prometheus").status == 200)
        #expect(try service.get("/metrics").status == 404)
        for path in [
            "/metrics", "/probe", "/a/b", "/x-1_2.3~", "/v1/tracesx", "/xv1/traces", "/v1/traces/", "/v2/logs",
        ] {
            #expect(Settings.canBeTelemetryPath(path), "\(path)")
        }
        for path in [
            "/record", "/", "/v1/traces", "/a/v1/traces", "/otel/v1/metrics", "/v1/v1/logs", "//v1/logs",
            "/api/v1/budgets", "/api/v1/budgets/x", "/-/ready", "metrics", "/m?x=1", "/a b", "/ä", "",
        ] {
            #expect(!Settings.canBeTelemetryPath(path), "\(path)")
        }
    }

    @Test(
        "a path that ends in that of a signal is the same route",
        arguments: [
            ("/v1/traces", "/v1/traces"), ("/otel/v1/traces", "/v1/traces"),
            ("/api/public/otel/v1/traces", "/v1/traces"), ("/api/v1/budgets/one/v1/traces", "/v1/traces"),
            ("//v1/traces", "/v1/traces"), ("/é/v1/traces", "/v1/traces"), ("/\u{600}/v1/traces", "/v1/traces"),
            ("/otel/v1/metrics", "/v1/metrics"), ("/v1/traces/v1/metrics", "/v1/metrics"),
            ("/api/public/otel/v1/logs", "/v1/logs"),
            ("/v1/tracesx", "other"), ("/xv1/traces", "other"), ("v1/traces", "other"), ("/v1/traces/", "other"),
            ("/v1/Traces", "other"), ("/otel/v1/trace", "other"), ("/otel/record", "other"), ("/x/metrics", "other"),
            ("/api/v1/budgets/v1", "/api/v1/budgets/NAME"), ("/metrics", "/metrics"),
        ])
    func endings(path: String, route: String) {
        let routes = Routes(telemetryPath: "/metrics")
        #expect(routes[routes.place(of: path)].path == route)
    }

    @Test("a route's other paths answer its methods, and count under its own path")
    func sameRoute() throws {
        let service = try ServiceUnderTest()
        for path in ["/v1/traces", "/otel/v1/traces", "/api/public/otel/v1/traces"] {
            #expect(try service.post(path, "{}").status == 200)
        }
        #expect(try service.sample(#"llm_exporter_http_requests_total{route="/v1/traces",code="200"}"#) == "3")
        let get = try service.get("/otel/v1/traces")
        #expect(get.status == 405)
        #expect(get.header("Content-Type") == "application/json")
    }

    @Test("only bodies that a handler reads are kept")
    func bodies() throws {
        let service = try ServiceUnderTest().service
        let kept: Set = ["/record", "/litellm", "/v1/traces", "/v1/logs", "/v1/metrics"]
        for row in Routes.table(telemetryPath: "/metrics") {
            for method in ["GET", "POST"] {
                let exchange = ExchangeDouble(method, row.path)
                service.open(Exchange(exchange))
                guard case .proceeded(let body) = try exchange.decision() else {
                    Issue.record("\(method) \(row.path) was decided before its body")
                    continue
                }
                #expect((body == .read) == (method == "POST" && kept.contains(row.path)), "\(method) \(row.path)")
            }
        }
    }

    @Test("answers are counted by route and code before they are sent; paths that lead nowhere share a name")
    func counted() throws {
        let service = try ServiceUnderTest()
        _ = try service.get("/summary")
        _ = try service.get("/a")
        _ = try service.get("/b")
        _ = try service.get("/api/v1/budgets/one")
        #expect(try service.sample(#"llm_exporter_http_requests_total{route="/summary",code="200"}"#) == "1")
        #expect(try service.sample(#"llm_exporter_http_requests_total{route="other",code="404"}"#) == "2")
        #expect(
            try service.sample(#"llm_exporter_http_requests_total{route="/api/v1/budgets/NAME",code="404"}"#) == "1")
        #expect(try service.sample(#"llm_exporter_http_request_duration_seconds_count{route="other"}"#) == "2")
    }
}
