/// One request that posts lines of a file, and what its answer means for them.
struct RecordPost {
    let lines: [Batch.Line]
    /// The `Idempotency-Key`, from which records without an id get theirs. It must be the same whenever these lines are
    /// sent.
    let key: String

    enum Outcome {
        /// All lines were answered.
        case answered(RecordReply)
        /// The body passes the exporter's limit; nothing of it was applied.
        case tooLarge(reason: String)
        /// The exporter does not take the lines now.
        ///
        /// - Parameter wait: how long the answer asks to wait.
        case postponed(obstacle: String, wait: Duration)
        /// No answer came. Whether the lines were counted is unknown, and the same key makes them count once.
        case unanswered(obstacle: String)
        /// Sending the lines again would not help.
        case refused(reason: String)

        var isAnswer: Bool { if case .unanswered = self { false } else { true } }
    }

    /// An answer that asks for a longer wait is asked again after this: it may be over sooner.
    private static let longestWait: Duration = .seconds(10)

    func send(over client: inout HTTPClient) -> Outcome {
        let answer: HTTPAnswer
        do throws(HTTPClientError) {
            answer = try client.send(
                "POST", "/record", headers: [("Content-Type", "application/x-ndjson"), ("Idempotency-Key", key)],
                body: lines.flatMap(\.text))
        } catch {
            return .unanswered(obstacle: error.description)
        }
        let place = "\(client.shownURL)/record"
        let problem = Problem(answer.body)?.text
        let line = "\(place) answers \(answer.status): \(problem ?? "is this the exporter's address?")"
        switch answer.status {
        case 200, 422:
            guard let reply = RecordReply(answer.body, status: answer.status, records: lines.count) else {
                return .refused(reason: "\(place) does not answer as an exporter does; is this its address?")
            }
            return .answered(reply)
        case 413:
            return .tooLarge(reason: problem ?? "it is too large")
        case 408, 429, 500, 502, 503, 504, 507:
            return .postponed(obstacle: line, wait: min(answer.retryAfter ?? .zero, Self.longestWait))
        default:
            return .refused(reason: line)
        }
    }
}
