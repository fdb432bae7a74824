import HTTPServer
import OpenTelemetry

extension Service {
    /// `POST /v1/metrics` and `/v1/logs`: taken and dropped, so that a sender with one endpoint for all signals need not be
    /// told to keep them.
    func ignore(_ request: borrowing Request, _ reply: Reply) {
        let encoding: OTLPEncoding
        do throws(PostRefusal) {
            encoding = try OTLPEncoding(request)
        } catch {
            reply.send(error.problem)
            return
        }
        metrics.ignored(reply.route)
        reply.send(.accepted(encoding))
    }
}
