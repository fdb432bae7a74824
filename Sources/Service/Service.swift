import Bodies
import Concurrency
import Configuration
import Dispatch
import Formats
import HTTP
import Ledger
import Logging
import Model
import Store
import Synchronization

/// Answers requests: finds the row of the route table, checks access and method, and calls the row's handler.
final class Service: HTTPService {
    let settings: Settings
    let routes: Routes
    let log: Logger
    let ledger: Ledger
    let metrics: OwnMetrics
    let rejections = Rejections()
    let metricsNotice = Notice(every: .seconds(3600))
    private let http2Notice = Notice(every: .seconds(60))
    let pricer: Pricer
    /// Those of the configuration in force.
    let operatorAttributes: Locked<OperatorAttributes>
    let sources: Locked<CountedSources>
    let suspicions = Suspicions()
    /// When the prices in force were made; `nil` if that is not known.
    let priceTableTime: Locked<Instant?>
    /// Whether the configuration in force has content of `--config.file`.
    let hasFileContent: Atomic<Bool>
    /// The time of day, for exemplars.
    let clock: Ledger.Clock
    /// When the exporter's own counters began.
    let started: Instant
    /// `nil` lets everyone in.
    let web: WebAccess?
    /// Whether posts and scrapes are served; false while starting and stopping.
    let isReady = Atomic(false)
    /// Cuts off clients that have been reading one answer for more than a second.
    let endSlowAnswers: @Sendable () -> Void

    /// Renders scrapes, one at a time: neither server threads nor the ledger wait for it.
    private let renderer = DispatchQueue(label: "llm-exporter.renderer")
    let waitingScrapes = Locked(WaitingScrapes())

    /// Decodes large bodies, a part of one at a time: the server threads stay free for other requests.
    let decoder: TurnQueue<LargePost>
    /// Bodies that are decoded at a time. One that is not decoded in parts takes the place of all.
    static let decodingWeightLimit = 4
    let decoders = RecordDecoders()

    /// Reads configurations, one at a time.
    let reloader = DispatchQueue(label: "llm-exporter.reloader", qos: .utility)

    init(
        settings: Settings, configuration: Configuration, web: WebAccess?,
        endSlowAnswers: @escaping @Sendable () -> Void, log: Logger, state: LedgerState,
        storage: sending any Storage, clock: @escaping Ledger.Clock, ledgerClock: @escaping Ledger.Clock
    ) {
        self.settings = settings
        self.web = web
        self.endSlowAnswers = endSlowAnswers
        self.log = log
        self.clock = clock
        started = clock()
        pricer = Pricer(PriceRules(configuration))
        operatorAttributes = Locked(OperatorAttributes(configuration))
        sources = Locked(CountedSources(configuration.sourceRules, spellings: configuration.prices.spellings))
        hasFileContent = Atomic(configuration.hasFileContent)
        priceTableTime = Locked(configuration.priceTableTime)
        routes = Routes(telemetryPath: settings.telemetryPath)
        let freeMemory = FreeMemory()
        decoder = TurnQueue(
            label: "llm-exporter.decoder", weightLimit: Self.decodingWeightLimit, idle: { freeMemory.returnSoon() })
        let metrics = OwnMetrics(settings, routes)
        self.metrics = metrics
        ledger = Ledger(
            state: state, storage: storage, settings: Ledger.Settings(lease: settings.activeCallLease),
            clock: ledgerClock, timeOfDay: clock, observer: LedgerReporter(metrics: metrics, log: log))
    }

    // MARK: Requests

    /// Finds the route, and decides whether the request may go on and whether its body is read.
    func open(_ exchange: borrowing Exchange) {
        let place = routes.place(of: exchange.path)
        let route = routes[place]
        exchange.tag = place
        // While the last records are answered, a last scrape is welcome.
        if let fault = exchange.fault, fault != .draining || route.methods.contains("POST") {
            Answer(to: exchange, at: route, of: self).send(.fault(fault))
            return
        }
        if let name = exchange.repeatedHeader {
            Answer(to: exchange, at: route, of: self).send(.repeatedHeader(name))
            return
        }
        let body: BodyTreatment = route.readsBody && exchange.method == "POST" ? .read : .discard
        let answering = exchange.answering
        guard let web, let scopes = route.scopes else {
            answering.proceed(body)
            return
        }
        let answer = Answer(to: exchange, at: route, of: self)
        web.judge(exchange.header("Authorization"), needing: scopes, from: { answering.network }) { decision in
            switch decision {
            case .success(let principal): answering.proceed(body, client: principal?.name)
            case .failure(let refusal): answer.send(refusal)
            }
        }
    }

    func handle(_ exchange: borrowing Exchange) {
        let route = routes[exchange.tag]
        let answer = Answer(to: exchange, at: route, of: self)
        if let fault = exchange.fault {
            answer.send(.fault(fault))
        } else if !route.methods.isEmpty, !route.methods.contains(exchange.method) {
            answer.send(.method(allowed: route.methods))
        } else {
            route.handler(self, exchange, answer)
        }
    }

    /// Posts are gathered only if nothing is written to a disk: what comes during a commit is a batch anyway.
    var gathers: Bool { !ledger.isDurable }

    func flush() { ledger.flush() }

    func log(_ message: String) {
        log.debug("libmicrohttpd", metadata: ["message": "\(message)"])
    }

    func refusedHTTP2() {
        metrics.http2Attempts.add()
        guard http2Notice.isDue() else { return }
        log.warning(
            """
            A client speaks HTTP/2, as gRPC does, and was refused: the exporter takes HTTP/1.1; set \
            OTEL_EXPORTER_OTLP_PROTOCOL=http/protobuf in the client
            """)
    }

    /// Gives a post its next turn.
    func resume(_ post: LargePost) { decoder.resume(post) }

    func resumeLater(_ post: LargePost, after delay: DispatchTimeInterval) {
        DispatchQueue.global().asyncAfter(deadline: .now() + delay) { self.decoder.resume(post) }
    }

    /// A post is answered.
    func end(_ post: LargePost) { decoder.end(post) }

    /// Runs `body` on the renderer's queue, where it may take its time.
    func render(_ body: @escaping @Sendable () -> Void) {
        renderer.async(execute: DispatchWorkItem(block: body))
    }
}
