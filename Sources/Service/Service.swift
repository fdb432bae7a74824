import Access
import Bodies
import Concurrency
import Configuration
import Dispatch
import Formats
import HTTP
import Ledger
import Logging
import Metrics
import Model
import Store
import Synchronization

/// Answers requests: finds the route, checks the method, and hands over to the route's handler.
final class Service: Sendable {
    let settings: ExporterSettings
    let log: Logger
    let ledger: Ledger
    let metrics: OwnMetrics
    let pricer: Pricer
    let clock: Ledger.Clock
    /// Whether posts and scrapes are served; false while starting and stopping.
    let isReady = Atomic(false)
    private let routes: [String: Route]
    /// Cuts off those that have been reading one answer for more than a second.
    let endSlowAnswers: @Sendable () -> Void
    /// `nil` lets everybody in.
    let web: WebAccess?
    /// Renders scrapes, one at a time: neither server threads nor the ledger wait for it.
    private let renderer = DispatchQueue(label: "llm-exporter.renderer")
    let waitingScrapes = Locked(WaitingScrapes())
    /// Decodes large bodies, one at a time: the server's threads stay free for everybody else.
    let decoder = DispatchQueue(label: "llm-exporter.decoder")

    /// Those that no thread uses: as many as threads decode at once.
    let decoders = RecordDecoders()

    /// Of bodies that wait for it.
    let decodingBytes = Atomic(0)
    /// Reads configurations, one at a time.
    private let reloader = DispatchQueue(label: "llm-exporter.reloader", qos: .utility)

    /// - Parameter clock: the time of day, for exemplars.
    init(
        settings: ExporterSettings, configuration: Configuration, web: WebAccess?,
        endSlowAnswers: @escaping @Sendable () -> Void, log: Logger, state: LedgerState,
        storage: sending any Storage, clock: @escaping Ledger.Clock, ledgerClock: @escaping Ledger.Clock
    ) {
        pricer = Pricer(configuration.prices)
        self.settings = settings
        self.web = web
        self.endSlowAnswers = endSlowAnswers
        self.log = log
        self.clock = clock
        let metrics = OwnMetrics(settings)
        self.metrics = metrics
        ledger = Ledger(
            state: state, storage: storage, settings: Ledger.Settings(lease: settings.activeCallLease),
            clock: ledgerClock, timeOfDay: clock, observer: Observer(metrics: metrics, log: log))
        routes = Dictionary(
            uniqueKeysWithValues: Route.allCases.filter { $0 != .unknown && $0 != .budget }
                .map { ($0.path(telemetry: settings.telemetryPath), $0) })
    }

    private func route(to path: String) -> Route {
        routes[path] ?? (path.hasPrefix(Route.budgetPrefix) ? .budget : .unknown)
    }

    /// Decides whether the body of a request is read.
    func admit(_ request: borrowing Request, _ admission: Admission, by web: WebAccess) {
        guard let scopes = route(to: request.path).scopes else {
            admission.decide(nil)
            return
        }
        web.admit(request.header("Authorization"), needing: scopes, admission)
    }

    /// Whether anybody reads the body of a request.
    func readsBody(of request: borrowing Request) -> Bool {
        route(to: request.path).readsBody && request.method == "POST"
    }

    func handle(_ request: borrowing Request, _ responder: Responder) {
        let path = request.path
        let route = route(to: path)
        let errorForm: ErrorForm = route.isOTLP ? .otlp(request) : .problem
        let reply = Reply(
            route: route, began: .now, responder: responder, metrics: metrics, errorForm: errorForm,
            headers: web?.headers ?? [])
        if let fault = request.fault, let problem = refusal(of: fault, route) {
            reply.send(problem)
            return
        }
        if route == .unknown {
            reply.send(
                Problem(status: 404, detail: "there is nothing at this path; GET / lists what there is"))
            return
        }
        let method = request.method
        guard route.methods.contains(method) else {
            let allowed = route.methods.joined(separator: ", ")
            reply.send(
                Problem(status: 405, detail: "this path answers \(allowed)", headers: [("Allow", allowed)]))
            return
        }
        switch route {
        case .record, .liteLLM, .traces: record(request, reply)
        case .otherMetrics, .otherLogs: ignore(request, reply)
        case .telemetry: telemetry(request, reply)
        case .summary: summary(reply)
        case .landing: reply.send(landingPage(host: request.header("Host")))
        case .healthy: reply.send(.text(200, "healthy\n"))
        case .ready: readiness(reply)
        case .reload:
            reload { failure in
                if let failure {
                    reply.send(Problem(status: 500, detail: failure))
                } else {
                    reply.send(.text(200, "reloaded\n"))
                }
            }
        case .budgets: budgets(reply)
        case .budget: budget(String(path.dropFirst(Route.budgetPrefix.count)), reply)
        case .reset: reset(request, reply)
        case .forget: forget(request, reply)
        case .unknown: break
        }
    }

    /// Runs `body` where it may take its time.
    func render(_ body: @escaping @Sendable () -> Void) {
        renderer.async(execute: DispatchWorkItem(block: body))
    }

    /// Reads prices, budgets and the web configuration anew, and uses them once the budgets are stored; whatever fails, all
    /// old ones stay.
    ///
    /// - Parameter reply: called once, with what is wrong and where; `nil` when all is in force.
    func reload(_ reply: @escaping @Sendable (_ failure: String?) -> Void) {
        @Sendable func fail(_ reason: String) {
            metrics.reloaded(succeeded: false)
            log.error("Reload failed: the old configuration stays in force", metadata: ["reason": "\(reason)"])
            reply("the old configuration stays in force: \(reason)")
        }
        reloader.async(
            execute: DispatchWorkItem { [self] in
                let configuration: Configuration
                let candidate: WebAccess.Candidate?
                do throws(ConfigurationError) {
                    configuration = try Configuration(settings.configuration)
                    candidate = try web?.candidate()
                } catch {
                    fail(error.description)
                    return
                }
                let prices = configuration.prices.count
                ledger.configure(configuration.budgets) { [self] in
                    pricer.use(configuration.prices)
                    if let candidate { web?.use(candidate) }
                    metrics.reloaded(succeeded: true)
                    log.info(
                        "Reloaded", metadata: ["prices": "\(prices)", "budgets": "\(configuration.budgets.count)"])
                } reply: { result in
                    switch result {
                    case .success: reply(nil)
                    case .failure(.outcomeUnknown):
                        fail(
                            "whether the new ones are stored cannot be told yet; if so, they will be used, which the log says"
                        )
                    case .failure(let refusal): fail(refusal.problem?.detail ?? "\(refusal)")
                    }
                }
            })
    }

    /// `nil` where the request can be answered all the same.
    private func refusal(of fault: RequestFault, _ route: Route) -> Problem? {
        switch fault {
        case .bodyTooLarge: bodyTooLarge
        case .contradictoryLength:
            Problem(
                status: 400,
                detail: "send one Content-Length, or Transfer-Encoding: chunked, and not both (RFC 9112, section 6.3)",
                closesConnection: true)
        case .contradictoryHost:
            Problem(status: 400, detail: "send one Host header (RFC 9112, section 3.2)", closesConnection: true)
        // While the last records are answered, a last scrape is welcome.
        case .draining where !route.methods.contains("POST"): nil
        case .draining, .stopping: .retryLater("the exporter is stopping; nothing was applied", closesConnection: true)
        case .outdated:
            .retryLater("the certificates changed: connect anew; nothing was applied", closesConnection: true)
        case .unreadBody: nil
        case .outOfMemory: .retryLater("no memory for this body; nothing was applied", closesConnection: true)
        case .tooManyConnections:
            .retryLater(
                status: 429,
                "your address has as many connections open as it may (--web.max-connections-per-address); use one for several requests; nothing was applied",
                closesConnection: true)
        case .unauthenticated: .unauthenticated
        case .forbidden: .forbidden(route)
        case .tooManyAttempts:
            .retryLater(status: 429, "too many passwords wait to be checked; nothing was applied")
        }
    }

    var bodyTooLarge: Problem {
        Problem(
            status: 413,
            detail: "the body exceeds \(settings.bodyLimitBytes) bytes after decompression; "
                + "send fewer records at a time, or raise --web.max-body-size")
    }

    private func readiness(_ reply: Reply) {
        if let obstacle {
            reply.send(.retryLater(obstacle))
        } else {
            reply.send(.text(200, "ready\n"))
        }
    }

    /// What keeps records from being taken; `nil` when nothing does.
    var obstacle: String? {
        if !isReady.load(ordering: .relaxed) { return "the exporter is starting or stopping" }
        return ledger.obstacle.map { "records cannot be committed: \($0)" }
    }

    /// Takes the ledger's word for what it did.
    private struct Observer: LedgerObserver {
        let metrics: OwnMetrics
        let log: Logger

        func committed(records: Int, overflowRecords: Int, in duration: Duration) {
            metrics.committed(records: records, overflowRecords: overflowRecords, in: duration)
        }

        func commitFailed(_ error: StoreError, isUndecided: Bool, isNew: Bool) {
            metrics.commitFailed(error, isUndecided: isUndecided)
            guard isNew else { return }
            log.error(
                isUndecided
                    ? "A commit failed and cannot be settled yet: its senders got no answer, records are refused until it is"
                    : "A commit failed: its records were refused and nothing of them was applied; each next one is tried",
                metadata: ["reason": "\(error)"])
        }

        func recovered() {
            log.info("Commits succeed again")
        }

        func checkpointFailed(_ error: StoreError) {
            // Tried again after each commit.
            if metrics.checkpointFailed() {
                log.warning(
                    "The write-ahead log could not be written back and grows; nothing is lost",
                    metadata: ["reason": "\(error)"])
            }
        }

        func limitReached(maxSeries: Int) {
            log.warning(
                "The limit of series is reached: calls of new agents, providers and models count as _other; raise --limits.max-series, or forget series that are not needed",
                metadata: ["max_series": "\(maxSeries)"])
        }

        func windowShortened(to window: Duration, maxIDs: Int) {
            log.warning(
                "Ids are forgotten before --dedup.window is over, so late retries would count twice; raise --dedup.max-ids",
                metadata: [
                    "max_ids": "\(maxIDs)",
                    "window_seconds": "\(PlainDecimal.text(Int128(window.wholeMicroseconds), scale: 6))",
                ])
        }
    }
}

/// The way to answer one request, counted as it is taken.
struct Reply: Sendable {
    let route: Route
    let began: ContinuousClock.Instant
    let responder: Responder
    let metrics: OwnMetrics
    let errorForm: ErrorForm
    /// The web configuration's.
    let headers: [(name: String, value: String)]

    /// Counted first: who has the answer finds it in the next scrape.
    func send(_ response: Response) {
        metrics.answered(route, status: response.status, in: .now - began)
        if !headers.isEmpty {
            var response = response
            response.headers += headers
            responder.respond(response)
            return
        }
        responder.respond(response)
    }

    func send(_ problem: Problem) {
        send(errorForm.response(to: problem))
    }

    /// Says why nothing of the request was applied; where nobody can say whether it was, closes the connection.
    func send(_ refusal: LedgerRefusal) {
        if let problem = refusal.problem {
            send(problem)
        } else {
            metrics.abandoned()
            responder.abandon()
        }
    }
}
