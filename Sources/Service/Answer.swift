import Bodies
import Formats
import HTTP
import Logging
import Model

/// The way to answer one request: once, from any thread, and counted.
struct Answer: Sendable {
    /// The form in which refusals are written.
    enum Form: Sendable {
        /// RFC 9457.
        case problem
        /// A `google.rpc.Status` in this encoding.
        case otlp(OTLPEncoding)
    }

    private let answering: any Answering
    /// The place in the route table.
    private let place: Int
    private let form: Form
    private let service: Service
    /// `user ann` or `token ci`; `nil` if the client is not known, or not known yet.
    private let client: String?
    /// For shares among clients.
    let clientNumber: UInt64
    /// When the request was complete.
    let began = ContinuousClock.now

    init(to exchange: borrowing Exchange, at route: Route, of service: Service) {
        answering = exchange.answering
        place = exchange.tag
        form =
            route.answersAsOTLP
            ? .otlp(OTLPEncoding(contentType: exchange.header("Content-Type")) ?? .json) : .problem
        self.service = service
        client = exchange.client
        clientNumber = answering.clientNumber
    }

    private var route: Route { service.routes[place] }

    /// The sender, as shares among senders go: by user or token, else by network.
    var sender: Sender { Sender(client ?? "address \(answering.network)") }

    /// The client's share in the memory for bodies.
    func memoryShare() -> (any MemoryShare)? { answering.memoryShare() }

    /// Who made the request, for the log.
    var origin: Logger.Metadata {
        var origin: Logger.Metadata = ["peer": "\(answering.peer)"]
        if let client { origin["client"] = "\(client)" }
        return origin
    }

    /// Counted before it is sent: a client that has the answer finds it in the next scrape.
    func send(_ response: Response) {
        service.metrics.answered(place, status: response.status, in: .now - began)
        var response = response
        if let web = service.web { response.headers += web.headers }
        answering.answer(response)
    }

    /// Says why nothing of the request was applied. If it is not known whether it was, the
    /// connection closes.
    ///
    /// - Parameter agentName: the agent that the request names, if it is known.
    func send(_ refusal: Refusal, of agentName: LabelValue? = nil) {
        guard let problem = refusal.problem(bodyLimitBytes: service.settings.bodyLimitBytes) else {
            service.metrics.unanswered.add()
            answering.abandon()
            return
        }
        report(refusal, status: problem.status, of: agentName)
        switch form {
        case .problem: send(problem.response)
        case .otlp(let encoding): send(OTLPAnswer.error(problem, encoding))
        }
    }

    // MARK: Rejections

    private func report(_ refusal: Refusal, status: Int, of agentName: LabelValue?) {
        if refusal.blamesContent, route.readsBody {
            service.rejections.add([rejection(of: agentName, field: nil, code: refusal.code)])
        }
        debug(
            "Refused a request",
            ["agent_name": agentName?.text, "code": refusal.code, "status": "\(status)"])
    }

    /// Shows operators the records that were rejected.
    func report(_ rejected: RejectedRecords) {
        guard !rejected.isEmpty else { return }
        service.rejections.add(
            rejected.listed.map {
                rejection(of: $0.agentName, field: $0.rejection.field, code: $0.rejection.code.rawValue)
            })
        for one in rejected.listed {
            debug(
                "Rejected a record",
                [
                    "agent_name": one.agentName?.text, "index": "\(one.index)", "field": one.rejection.field,
                    "code": one.rejection.code.rawValue,
                ])
        }
        let rest = rejected.count - rejected.listed.count
        if rest > 0 { debug("Rejected more records of this request", ["records": "\(rest)"]) }
    }

    /// Says which spans were taken for one call.
    func report(_ merged: MergedReports) {
        for one in merged.listed {
            debug(
                "Counted two reports as one call",
                [
                    "by": one.reason.rawValue, "report": one.span?.text ?? "log record",
                    "first": one.first?.text ?? "log record",
                ])
        }
        let rest = merged.count - merged.listed.count
        if rest > 0 { debug("Counted more reports of this request as others' calls", ["reports": "\(rest)"]) }
    }

    private func rejection(of agentName: LabelValue?, field: String?, code: String) -> Rejections.Rejection {
        Rejections.Rejection(
            time: service.clock(), peer: answering.peer, route: route.path, agentName: agentName, field: field,
            code: code)
    }

    private func debug(_ message: Logger.Message, _ fields: KeyValuePairs<String, String?>) {
        service.log.debug(
            message,
            metadata: fields.reduce(into: origin.merging(["route": "\(route.path)"]) { $1 }) { metadata, field in
                if let value = field.value { metadata[field.key] = "\(value)" }
            })
    }
}
