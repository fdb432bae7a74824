import Configuration
import Foundation
import Ledger
import Model
import Store
import Testing

@testable import HTTP
@testable import Service

/// A service without sockets: exchanges go straight to it.
struct ServiceUnderTest {
    let service: Service
    private let capture = LogCapture()

    var logLines: [String] { capture.lines }

    /// - Parameters:
    ///   - web: the text of a web configuration; `nil` for none, unless `webFile` names one.
    ///   - configuration: the text of a configuration file.
    ///   - storage: memory, unless the test scripts one.
    init(
        web: String? = nil, webFile: String? = nil, configuration: String? = nil,
        storage: sending any Storage = MemoryStorage(),
        change: (inout Settings) -> Void = { _ in }
    ) throws {
        var settings = Settings(
            build: BuildDescription(version: "1", revision: "r", swiftVersion: "s", libmicrohttpdVersion: "m"))
        settings.allowsAdminRoutes = true
        // The shipped prices take long to read in a debug build.
        settings.configuration.usesShippedPrices = false
        if let configuration { settings.configuration.configurationFile = try Self.file(configuration) }
        change(&settings)
        let loaded = try Configuration(settings.configuration)
        let now = Instant(unixMilliseconds: 1_790_000_000_000)
        service = Service(
            settings: settings, configuration: loaded,
            web: try webFile.map { try WebAccess(path: $0) } ?? web.map { try WebAccess(path: Self.file($0)) },
            endSlowAnswers: {}, log: capture.logger,
            state: LedgerState(
                registry: Registry(bounds: settings.bounds, maxSeries: settings.maxSeries),
                recentIDs: RecentIDs(window: settings.idWindow, maxIDs: settings.maxIDs),
                budgets: Table().configured(for: loaded.budgets, now: now)),
            storage: storage, clock: { now }, ledgerClock: { now })
        service.isReady.store(true, ordering: .relaxed)
    }

    /// Writes a file that the system removes at some time.
    static func file(_ text: String) throws -> String {
        let url = FileManager.default.temporaryDirectory.appending(path: "service-test-\(UUID().uuidString).yml")
        try Data(text.utf8).write(to: url)
        return url.path
    }

    /// The answer to a request, as a client would get it; `nil` if the connection closed without one.
    func response(to exchange: ExchangeDouble, _ location: SourceLocation = #_sourceLocation) throws -> Response? {
        service.open(Exchange(exchange))
        let opened = try exchange.decision(location)
        guard case .proceeded = opened else { return Self.response(of: opened) }
        service.handle(Exchange(exchange))
        if service.gathers { service.flush() }
        return Self.response(of: try exchange.decision(location))
    }

    private static func response(of decision: ExchangeDouble.Decision) -> Response? {
        if case .answered(let response) = decision { response } else { nil }
    }

    func get(
        _ target: String, headers: [String: String] = [:], _ location: SourceLocation = #_sourceLocation
    ) throws -> Response {
        try #require(try response(to: ExchangeDouble("GET", target, headers: headers), location))
    }

    func post(
        _ target: String, _ body: String = "", headers: [String: String] = ["Content-Type": "application/json"],
        _ location: SourceLocation = #_sourceLocation
    ) throws -> Response {
        try #require(
            try response(to: ExchangeDouble("POST", target, headers: headers, body: Array(body.utf8)), location))
    }

    /// The value of one sample of a scrape, as it is written; `nil` if there is none.
    func sample(_ name: String) throws -> String? {
        try get("/metrics").text.split(separator: "\n").first { $0.hasPrefix(name + " ") }
            .map { String($0.dropFirst(name.count + 1)) }
    }
}

extension Response {
    /// The body, wherever it is.
    var text: String {
        guard let sharedBody else { return String(decoding: body, as: UTF8.self) }
        return unsafe String(decoding: sharedBody.lent, as: UTF8.self)
    }

    var json: [String: Any] { (try? JSONSerialization.jsonObject(with: Data(text.utf8)) as? [String: Any]) ?? [:] }

    func header(_ name: String) -> String? { headers.first { $0.name.lowercased() == name.lowercased() }?.value }
}

let record = #"{"agent_name":"a","provider":"openai","model":"gpt-4o-mini","input_tokens":3,"cost_usd":0.5}"#
