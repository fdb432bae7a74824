import HTTP

extension Service {
    /// `GET /`: for the person who opens the port in a browser.
    ///
    /// The example names this exporter as the request does, so that it can be pasted.
    func landingPage(_ exchange: borrowing Exchange, _ answer: Answer) {
        let host = Self.escaped(exchange.header("Host") ?? "127.0.0.1:10140")
        let telemetry = Self.escaped(settings.telemetryPath)
        let page = """
            <!DOCTYPE html>
            <html lang="en">
            <head><meta charset="utf-8"><title>llm-exporter</title></head>
            <body>
            <h1>llm-exporter \(Self.escaped(settings.build.version))</h1>
            <p>Counts the calls, tokens, cost, latency and errors of LLM agents for Prometheus.</p>
            <ul>
            <li><a href="\(telemetry)">\(telemetry)</a>: the metrics, for Prometheus</li>
            <li><a href="/summary">/summary</a>: totals by agent and by model, as JSON</li>
            <li><a href="/api/v1/budgets">/api/v1/budgets</a>: what is left of the budgets, as JSON</li>
            <li><a href="/-/ready">/-/ready</a> and <a href="/-/healthy">/-/healthy</a></li>
            </ul>
            <p><code>POST /-/reload</code>, <code>/api/v1/admin/reset</code> and
            <code>/api/v1/admin/forget</code> are for the operator. Agents post their calls to <code>/record</code>:</p>
            <pre>curl -H 'Content-Type: application/json' -d '{"agent_name":"ReviewerGPT","provider":"openai",\
            "model":"gpt-4o-mini","input_tokens":25,"output_tokens":109,"latency_ms":150,"id":"first-call"}' \
            http://\(host)/record</pre>
            </body>
            </html>

            """
        answer.send(
            Response(status: 200, headers: [("Content-Type", "text/html; charset=utf-8")], body: Array(page.utf8)))
    }

    private static func escaped(_ text: String) -> String {
        text.reduce(into: "") { result, character in
            switch character {
            case "&": result += "&amp;"
            case "<": result += "&lt;"
            case ">": result += "&gt;"
            case "\"": result += "&quot;"
            default: result.append(character)
            }
        }
    }
}
