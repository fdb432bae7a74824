internal import FoundationEssentials
package import Logging
private import Model

/// A day of the agent ReviewerGPT: three code reviews and one security audit, recorded over real HTTP.
///
/// It shows what an agent sends and what the exporter counts, and proves that the two are the same.
package struct ReviewerDay {
    static let agent = "ReviewerGPT"
    static let provider = "openai"
    static let model = "gpt-4o-mini"

    /// Longest exposition: 10,000 sets of labels, the default limit, take some 50 MB.
    private static let answerLimitBytes = 512 << 20

    private let url: String
    private let access: HTTPAccess
    private let log: Logger
    private let standIn = ModelStandIn()
    /// Makes the ids of one run differ from those of any other.
    private let runID = String(UInt64.random(in: .min ... .max), radix: 16)

    /// Plans the day; nothing is sent yet.
    ///
    /// - Parameters:
    ///   - url: the exporter's address, `http://HOST:PORT`.
    ///   - access: credentials and authorities.
    ///   - log: gets the eight phases of each call, at level info.
    package init(url: String, access: HTTPAccess = .none, log: Logger) {
        self.url = url
        self.access = access
        self.log = log
    }

    /// Plays the day, in about 0.6 s, and reads back what the exporter counted.
    ///
    /// - Returns: the report; its `differences` list every figure that differs.
    package func run() throws(SimulationError) -> DayReport {
        var client: HTTPClient
        do {
            client = try HTTPClient(baseURL: url, access: access, answerLimitBytes: Self.answerLimitBytes)
        } catch {
            throw SimulationError(error)
        }
        let before = try readBack(&client)
        var calls: [MeasuredCall] = []
        for assignment in Assignment.day {
            calls.append(try call(assignment, number: calls.count + 1, &client))
        }
        let after = try readBack(&client)
        return DayReport(url: client.shownURL, calls: calls, before: before, after: after)
    }

    // MARK: One call

    private func call(
        _ assignment: Assignment, number: Int, _ client: inout HTTPClient
    ) throws(SimulationError) -> MeasuredCall {
        var log = log
        log[metadataKey: "call"] = "\(number)/\(Assignment.day.count)"
        log[metadataKey: "task"] = "\(assignment.kind.rawValue)"
        let clock = ContinuousClock()

        let id = "\(Self.agent)-\(runID)-\(number)"
        report(.preparation, to: log, ["subject": "\(assignment.subject)", "id": "\(id)"])
        try post(SentRecord(event: "start", agentName: Self.agent, id: id), &client)

        // The latency begins here: the post to the exporter is no part of it.
        let begun = clock.now
        report(.apiCall, to: log, ["provider": "\(Self.provider)", "model": "\(Self.model)"])
        let asked = clock.now
        let usage = standIn.answer(assignment)
        let apiLatency = (clock.now - asked).wholeMicroseconds

        report(.responseReceived, to: log, ["api_latency_ms": "\(Decimal(apiLatency) / 1000)"])
        report(
            .metricsExtraction, to: log,
            ["input_tokens": "\(usage.inputTokens)", "output_tokens": "\(usage.outputTokens)"])
        report(.costCalculation, to: log, ["cost_usd": "\(CallCost(of: usage).usd)"])
        let memory = try MemoryReading.now()
        report(
            .memoryTracking, to: log,
            ["memory_rss_mb": "\(memory.residentMB)", "memory_available_mb": "\(memory.availableMB)"])
        let measured = MeasuredCall(
            id: id, usage: usage, latencyMicroseconds: (clock.now - begun).wholeMicroseconds,
            apiLatencyMicroseconds: apiLatency, memory: memory)
        report(
            .performanceAnalysis, to: log,
            [
                "latency_ms": "\(Decimal(measured.latencyMicroseconds) / 1000)",
                "output_tokens_per_second": "\(usage.outputTokens * 1_000_000 / max(1, apiLatency))",
            ])

        try post(measured.record, &client)
        report(.recording, to: log, ["accepted": "1"])
        return measured
    }

    private func report(_ phase: Phase, to log: Logger, _ metadata: Logger.Metadata) {
        var metadata = metadata
        metadata["phase"] = "\(phase.place)/\(Phase.allCases.count)"
        log.info("\(phase.rawValue)", metadata: metadata)
    }

    // MARK: The exporter

    /// Posts one record and checks that it was accepted, not only answered.
    private func post(_ record: SentRecord, _ client: inout HTTPClient) throws(SimulationError) {
        let headers = [("Content-Type", "application/json"), ("X-Agent-Name", Self.agent)]
        let body = try ask("POST", "/record", headers, body: record.json(), &client)
        guard let reply = RecordReply(body, status: 200, records: 1) else {
            throw .unreadable(request: "POST /record", reason: "the reply does not count the accepted records")
        }
        guard reply.accepted == 1 else {
            throw .refused(
                request: "POST /record", status: 200, detail: "accepted \(reply.accepted) records of the 1 sent")
        }
    }

    private func readBack(_ client: inout HTTPClient) throws(SimulationError) -> ReadBack {
        let summary = try Summary.decoding(ask("GET", "/summary", [], body: nil, &client))
        let text = try ask("GET", "/metrics", [("Accept", "text/plain;version=0.0.4")], body: nil, &client)
        return ReadBack(summary: summary, exposition: try Exposition(text: text, agent: Self.agent))
    }

    /// Sends a request.
    ///
    /// - Returns: the body of an answer with status 200.
    private func ask(
        _ method: String, _ path: String, _ headers: [(name: String, value: String)], body: [UInt8]?,
        _ client: inout HTTPClient
    ) throws(SimulationError) -> [UInt8] {
        let answer: HTTPAnswer
        do {
            answer = try client.send(method, path, headers: headers, body: body)
        } catch {
            throw SimulationError(error)
        }
        guard answer.status == 200 else {
            throw .refused(
                request: "\(method) \(client.shownURL)\(path)", status: answer.status,
                detail: Problem(answer.body)?.text ?? "without a reason")
        }
        return answer.body
    }
}
