import Access
import Formats
import HTTP

/// One row of the route table: a path, who may use it, and what answers it.
final class Route: Sendable {
    /// The path, as the exporter's own metrics show it. One that ends in `NAME` stands for all paths that continue
    /// there.
    let path: String
    /// Empty if the route answers any method.
    let methods: [String]
    /// One of these is needed (docs/securing.md); `nil` if anyone may ask, empty if it is enough to be known.
    let scopes: Set<Scope>?
    /// Whether refusals have the form that OTLP clients expect. Such a route also answers every path that ends in its
    /// own: a sender appends the path of a signal to the base URL that it is configured with.
    let answersAsOTLP: Bool
    /// Whether the body of a request is read; else it is discarded.
    let readsBody: Bool
    let handler: Handler

    /// Called on a server thread; it must not wait.
    typealias Handler = @Sendable (Service, borrowing Exchange, Answer) -> Void

    private init(
        path: String, methods: [String], scopes: Set<Scope>?, answersAsOTLP: Bool = false, readsBody: Bool = false,
        handler: @escaping Handler
    ) {
        self.path = path
        self.methods = methods
        self.scopes = scopes
        self.answersAsOTLP = answersAsOTLP
        self.readsBody = readsBody
        self.handler = handler
    }

    /// All paths that lead nowhere: they share one name, so that clients cannot add to the exporter's own series.
    static let unknown = Route(path: "other", methods: [], scopes: []) { _, _, answer in answer.send(.nothingHere) }

    static func get(_ path: String, _ scopes: Set<Scope>?, handler: @escaping Handler) -> Route {
        Route(path: path, methods: ["GET", "HEAD"], scopes: scopes, handler: handler)
    }

    static func post(_ path: String, _ scopes: Set<Scope>, handler: @escaping Handler) -> Route {
        Route(path: path, methods: ["POST"], scopes: scopes, handler: handler)
    }

    /// A route that takes calls.
    static func intake(
        _ path: String, answersAsOTLP: Bool = false,
        format: @escaping @Sendable (borrowing Exchange, Service) throws(Refusal) -> any Format
    ) -> Route {
        Route(
            path: path, methods: ["POST"], scopes: [.record], answersAsOTLP: answersAsOTLP, readsBody: true
        ) { service, exchange, answer in
            service.intake(exchange, answer, format)
        }
    }

    /// The end of a path that stands for any name.
    fileprivate static let anyName = "NAME"
}

/// The routes of one exporter, found by path.
struct Routes: Sendable {
    private let rows: [Route]
    private let places: [String: Int]
    private let prefixes: [(prefix: String, place: Int)]
    private let endings: [(ending: String, place: Int)]

    /// - Parameter telemetryPath: the operator's choice.
    init(telemetryPath: String) {
        rows = Self.table(telemetryPath: telemetryPath) + [.unknown]
        var places: [String: Int] = [:]
        var prefixes: [(prefix: String, place: Int)] = []
        var endings: [(ending: String, place: Int)] = []
        for (place, row) in rows.dropLast().enumerated() {
            if row.path.hasSuffix(Route.anyName) {
                prefixes.append((String(row.path.dropLast(Route.anyName.count)), place))
            } else {
                places[row.path] = place
            }
            if row.answersAsOTLP { endings.append((row.path, place)) }
        }
        self.places = places
        self.prefixes = prefixes
        self.endings = endings
    }

    /// All that the exporter answers. A new route is a row here and its handler in Handlers/.
    static func table(telemetryPath: String) -> [Route] {
        [
            .intake("/record", format: Intake.records),
            .intake("/litellm", format: Intake.liteLLM),
            .intake("/v1/traces", answersAsOTLP: true, format: Intake.traces),
            .intake("/v1/logs", answersAsOTLP: true, format: Intake.logs),
            .intake("/v1/metrics", answersAsOTLP: true, format: Intake.metrics),
            .get(telemetryPath, [.scrape]) { $0.telemetry($1, $2) },
            .get("/summary", [.scrape]) { service, _, answer in service.summary(answer) },
            .get("/", [.scrape]) { $0.landingPage($1, $2) },
            .get("/-/healthy", nil) { _, _, answer in answer.send(.text(200, "healthy\n")) },
            .get("/-/ready", nil) { service, _, answer in service.readiness(answer) },
            .post("/-/reload", [.admin]) { service, _, answer in service.reload(answer) },
            .get("/api/v1/budgets", [.record, .scrape]) { service, _, answer in service.budgets(answer) },
            .get("/api/v1/budgets/" + Route.anyName, [.record, .scrape]) { $0.budget($1, $2) },
            .get("/api/v1/rejections", [.scrape]) { service, _, answer in service.recentRejections(answer) },
            .post("/api/v1/admin/reset", [.admin]) { $0.reset($1, $2) },
            .post("/api/v1/admin/forget", [.admin]) { $0.forget($1, $2) },
        ]
    }

    /// The place of the route that a path leads to.
    func place(of path: String) -> Int {
        if let place = places[path] { return place }
        let bytes = path.utf8
        if let ending = endings.first(where: { bytes.suffix($0.ending.utf8.count).elementsEqual($0.ending.utf8) }) {
            return ending.place
        }
        return prefixes.first { path.hasPrefix($0.prefix) }?.place ?? rows.count - 1
    }

    subscript(place: Int) -> Route { rows[place] }

    /// The name in the path of a route that takes any name.
    static func name(in path: String, of route: Route) -> String {
        String(path.dropFirst(route.path.count - Route.anyName.count))
    }

    /// Whether `path` can be the telemetry path: absolute, of characters that no client encodes (RFC 3986, section
    /// 2.3), and not another route's.
    static func isFree(_ path: String) -> Bool {
        path.hasPrefix("/")
            && path.utf8.allSatisfy { byte in
                switch byte {
                case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
                    UInt8(ascii: "0")...UInt8(ascii: "9"):
                    true
                default: "/-._~".utf8.contains(byte)
                }
            }
            // The last row is `unknown`, the row of the path itself comes before: no other row may claim it.
            && table(telemetryPath: path).count { leads(path, to: $0) } == 1
    }

    private static func leads(_ path: String, to row: Route) -> Bool {
        row.path.hasSuffix(Route.anyName)
            ? path.hasPrefix(row.path.dropLast(Route.anyName.count))
            : row.path == path || row.answersAsOTLP && path.hasSuffix(row.path)
    }
}
