import ContentCoding
import Exposition
import HTTPServer

extension Service {
    /// `GET /metrics`: a snapshot of what is committed, rendered whole before the first byte is sent.
    func telemetry(_ request: borrowing Request, _ reply: Reply) {
        let format = Negotiation.format(accept: request.header("Accept"))
        let coding = Negotiation.coding(acceptEncoding: request.header("Accept-Encoding"))
        ledger.snapshot { [self] snapshot in
            render { [metrics, ledger, pricer] in
                let own =
                    BudgetFamilies.families(snapshot.budgets)
                    + metrics.families(
                        ledger: snapshot, waitingBytes: ledger.waitingBytes,
                        waitingBytesLimit: ledger.waitingBytesLimit, priceEntries: pricer.book.count)
                    + ProcessMetrics.families()
                let body = Exposition.render(snapshot.totals, own: own, format: format)
                var response = Response(
                    status: 200,
                    headers: [("Content-Type", format.contentType), ("Vary", "Accept, Accept-Encoding")], body: body)
                if let coding, let encoded = coding.encode(body) {
                    response.body = encoded
                    response.headers.append(("Content-Encoding", coding.rawValue))
                }
                reply.send(response)
            }
        }
    }
}
