import Bodies
import Concurrency
import HTTP
import Ledger
import Metrics
import Model

/// Scrapes that wait for the rendering that is under way.
struct WaitingScrapes: Sendable {
    struct Form: Hashable, Sendable {
        let format: ExpositionFormat
        /// `nil` is none.
        let coding: ContentCoding?
    }

    var replies: [Form: [Reply]] = [:]
    var isRendering = false
}

extension Service {
    /// `GET /metrics`: a snapshot of what is committed, rendered whole before the first byte is sent.
    ///
    /// What comes while one is rendered shares the next: hundreds of scrapers keep nobody waiting for longer than two.
    func telemetry(_ request: borrowing Request, _ reply: Reply) {
        let form = WaitingScrapes.Form(
            format: Negotiation.format(accept: request.header("Accept")),
            coding: Negotiation.coding(acceptEncoding: request.header("Accept-Encoding")))
        let isFirst = waitingScrapes.withLock { waiting in
            defer { waiting.isRendering = true }
            waiting.replies[form, default: []].append(reply)
            return !waiting.isRendering
        }
        if isFirst { answerScrapes() }
    }

    /// Bytes of scrapes for which slow readers are waited for.
    private static let slowReadersLimit = 256 << 20
    /// Bytes of scrapes that are being read at all.
    private static let scrapesLimit = 1 << 30

    private func answerScrapes() {
        // Taken before the snapshot: it has all that was acknowledged before any of them came.
        let taken = waitingScrapes.withLock { waiting in
            let taken = waiting.replies
            waiting.replies = [:]
            waiting.isRendering = !taken.isEmpty
            return taken
        }
        if taken.isEmpty { return }
        ledger.snapshot { [self] snapshot in
            render { [self] in
                if SharedBody.liveBytes > Self.slowReadersLimit { endSlowAnswers() }
                for (form, replies) in taken {
                    guard SharedBody.liveBytes < Self.scrapesLimit else {
                        let problem = Problem.retryLater(
                            "readers of earlier scrapes are slow, and hold the memory for more")
                        for reply in replies { reply.send(problem) }
                        continue
                    }
                    var response = exposition(of: snapshot, form)
                    if let body = SharedBody(response.body) {
                        response.sharedBody = body
                        response.body = []
                    }
                    for reply in replies { reply.send(response) }
                }
                answerScrapes()
            }
        }
    }

    private func exposition(of snapshot: LedgerSnapshot, _ form: WaitingScrapes.Form) -> Response {
        let own =
            BudgetFamilies.families(snapshot.budgets)
            + metrics.families(
                ledger: snapshot, waitingBytes: ledger.waitingBytes, waitingBytesLimit: ledger.waitingBytesLimit,
                priceEntries: pricer.book.count)
            + ProcessMetrics.families()
        let body = Exposition.render(snapshot.totals, own: own, format: form.format)
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
