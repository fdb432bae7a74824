import Formats
import HTTP

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
    private let route: Int
    private let form: Form
    private let service: Service
    /// When the request was complete.
    let began = ContinuousClock.now

    init(to exchange: borrowing Exchange, at route: Route, of service: Service) {
        answering = exchange.answering
        self.route = exchange.tag
        form =
            route.answersAsOTLP
            ? .otlp(OTLPEncoding(contentType: exchange.header("Content-Type")) ?? .json) : .problem
        self.service = service
    }

    /// Lets the request go on.
    func proceed(_ body: BodyTreatment) { answering.proceed(body) }

    /// Counted before it is sent: a client that has the answer finds it in the next scrape.
    func send(_ response: Response) {
        service.metrics.answered(route, status: response.status, in: .now - began)
        var response = response
        if let web = service.web { response.headers += web.headers }
        answering.answer(response)
    }

    /// Says why nothing of the request was applied. If it is not known whether it was, the
    /// connection closes.
    func send(_ refusal: Refusal) {
        guard let problem = refusal.problem(bodyLimitBytes: service.settings.bodyLimitBytes) else {
            service.metrics.unanswered.add()
            answering.abandon()
            return
        }
        switch form {
        case .problem: send(problem.response)
        case .otlp(let encoding): send(OTLPAnswer.error(problem, encoding))
        }
    }
}
