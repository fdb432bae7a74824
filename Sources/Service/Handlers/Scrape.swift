import Bodies
import Concurrency
import HTTP
import Ledger
import Metrics

/// Scrapes that wait for the rendering that is under way.
struct WaitingScrapes: Sendable {
    struct Form: Hashable, Sendable {
        let format: ExpositionFormat
        /// `nil` is none.
        let coding: ContentCoding?
    }

    var answers: [Form: [Answer]] = [:]
    var isRendering = false
}

extension Service {
    /// `GET /metrics`: a snapshot of what is committed, rendered whole before the first byte is sent.
    ///
    /// Scrapes that arrive during a rendering share the next one: with hundreds of scrapers, none waits for more than
    /// two.
    func telemetry(_ exchange: borrowing Exchange, _ answer: Answer) {
        let form = WaitingScrapes.Form(
            format: Negotiation.format(accept: exchange.list("Accept"), of: settings.formats),
            coding: Negotiation.coding(acceptEncoding: exchange.list("Accept-Encoding")))
        let isFirst = waitingScrapes.withLock { waiting in
            defer { waiting.isRendering = true }
            waiting.answers[form, default: []].append(answer)
            return !waiting.isRendering
        }
        if isFirst { answerScrapes() }
    }

    /// Bytes of scrapes being read above which slow readers are cut off.
    private static let slowReadersLimit = 256 << 20
    /// Bytes of scrapes being read above which further scrapes are refused.
    private static let scrapesLimit = 1 << 30

    private func answerScrapes() {
        // Taken before the snapshot, which therefore has all that was acknowledged before any of them came.
        let taken = waitingScrapes.withLock { waiting in
            let taken = waiting.answers
            waiting.answers = [:]
            waiting.isRendering = !taken.isEmpty
            return taken
        }
        if taken.isEmpty { return }
        ledger.snapshot { [self] snapshot in
            render { [self] in
                if SharedBody.liveBytes > Self.slowReadersLimit { endSlowAnswers() }
                for (form, answers) in taken {
                    guard SharedBody.liveBytes < Self.scrapesLimit else {
                        for answer in answers { answer.send(.readersAreSlow) }
                        continue
                    }
                    var response = exposition(of: snapshot, form)
                    if let body = SharedBody(response.body) {
                        response.sharedBody = body
                        response.body = []
                    }
                    for answer in answers { answer.send(response) }
                }
                answerScrapes()
            }
        }
    }

    private func exposition(of snapshot: LedgerSnapshot, _ form: WaitingScrapes.Form) -> Response {
        let moment = OwnMetrics.Moment(
            ledger: snapshot, waitingBytes: ledger.waitingBytes, waitingBytesLimit: ledger.waitingBytesLimit,
            priceEntries: pricer.rules.book.count, priceTableTime: priceTableTime.withLock { $0 })
        let own =
            BudgetFamilies.families(snapshot.budgets) + metrics.families(moment) + ProcessMetrics.families()
        let body = Exposition.render(snapshot.totals, own: own, started: started, format: form.format)
        var response = Response(
            status: 200,
            headers: [("Content-Type", form.format.contentType), ("Vary", "Accept, Accept-Encoding")], body: body)
        if let coding = form.coding, let encoded = coding.encode(body) {
            response.body = encoded
            response.headers.append(("Content-Encoding", coding.rawValue))
        }
        return response
    }
}
