private import CMemory
private import Concurrency
package import Configuration
private import Dispatch
private import Glibc
private import HTTP
private import Ledger
package import Logging
private import Model
private import Store
private import Synchronization

/// The exporter as a whole: listens, counts, is scraped, and stops without losing what it took.
package final class Exporter: Sendable {
    private let settings: Settings
    private let log: Logger
    private let service: Service
    private let servers: Locked<[HTTPServer]>

    /// Time for requests in flight to be answered when stopping; the rest of the 5 s is for closing the storage, and
    /// then the servers.
    private static let drainLimit: Duration = .seconds(3)
    private static let serversLimit: Duration = .milliseconds(500)
    private static let stopLimit: Duration = .milliseconds(4700)

    /// Opens the storage and reads what is in it.
    ///
    /// - Parameters:
    ///   - configuration: as read from `settings.configuration`.
    ///   - web: `nil` lets everyone in, by plain HTTP.
    /// - Throws: if it cannot be opened, or is damaged.
    package init(
        settings: Settings, configuration: Configuration, web: WebAccess? = nil, log: Logger
    ) throws(StartError) {
        cmemory_heed_limit()
        self.settings = settings
        self.log = log
        let clock = SteadyClock()
        let state: LedgerState
        let storage: any Storage
        switch settings.storage {
        case .memory:
            state = LedgerState(
                registry: Registry(bounds: settings.bounds, maxSeries: settings.maxSeries),
                recentIDs: RecentIDs(window: settings.idWindow, maxIDs: settings.maxIDs),
                budgets: Table().configured(for: configuration.budgets, now: clock.now))
            storage = MemoryStorage()
        case .folder(let folder):
            do throws(StoreError) {
                let opened = try Store.open(
                    folder,
                    StoreSettings(
                        bounds: settings.bounds, resetsHistogramsOnChange: settings.resetsHistogramsOnChange,
                        maxSeries: settings.maxSeries, idWindow: settings.idWindow, maxIDs: settings.maxIDs,
                        budgets: configuration.budgets),
                    now: clock.now)
                storage = opened.store
                state = opened.state
            } catch {
                throw StartError(error)
            }
            log.info(
                "Opened the storage",
                metadata: [
                    "path": "\(folder.absolutePath)", "series": "\(state.registry.calls.count)",
                    "ids": "\(state.recentIDs.count)", "open_calls": "\(state.openCalls.count)",
                ])
        }
        let servers = Locked<[HTTPServer]>([])
        self.servers = servers
        service = Service(
            settings: settings, configuration: configuration, web: web,
            endSlowAnswers: { servers.withLock { for server in $0 { server.endSlowAnswers(after: 1) } } }, log: log,
            state: state, storage: storage,
            clock: { .wallClock }, ledgerClock: { clock.now })
        log.noteConfiguration("Read prices and budgets", configuration)
    }

    /// Listens on all addresses.
    ///
    /// - Returns: the addresses with the ports that were really taken.
    /// - Throws: on the first address that cannot be served; none is then.
    package func start() throws(StartError) -> [String] {
        var sockets = settings.inheritedSockets.map { ListeningSocket(inherited: $0) }
        for address in sockets.isEmpty ? settings.listenAddresses : [] {
            do throws(HTTPServerError) {
                sockets.append(try ListeningSocket(host: address.host, port: address.port))
            } catch {
                throw StartError(address: "\(address)", cause: error)
            }
        }
        // A disk that takes nothing is found now, not by the first post.
        service.ledger.probe()
        // Before the first socket is served: in one that was handed over, connections may wait already.
        service.isReady.store(true, ordering: .relaxed)
        for socket in sockets {
            do throws(HTTPServerError) {
                try serve(socket, amongst: sockets.count)
            } catch {
                stop()
                throw StartError(address: socket.address, cause: error)
            }
            let isLoopback = ListenAddress(socket.address)?.isLoopback == true
            if !isLoopback, service.web?.authenticates == true {
                if service.web?.tlsPriorities == nil {
                    log.warning(
                        """
                        Passwords and tokens cross the network in the clear; add tls_server_config to \
                        --web.config.file, or listen on loopback behind a proxy that speaks TLS
                        """,
                        metadata: ["address": "\(socket.address)"])
                }
            } else if !isLoopback {
                log.warning(
                    """
                    Anyone who can reach this address may post records and read metrics; turn on authentication \
                    with --web.config.file, or listen on loopback
                    """,
                    metadata: ["address": "\(socket.address)"])
            }
            log.info("Listening on", metadata: ["address": "\(socket.address)"])
        }
        return sockets.map(\.address)
    }

    private func serve(_ socket: ListeningSocket, amongst count: Int) throws(HTTPServerError) {
        let threads = max(1, Int(sysconf(Int32(_SC_NPROCESSORS_ONLN))))
        let most = Self.connectionLimit(loops: threads * count)
        let connections = max(16, min(settings.connections ?? .max, most) / count)
        let limits = HTTPServer.Limits(
            bodyBytes: settings.bodyLimitBytes, bodyMemoryBytes: settings.bodyMemoryBytes, connections: connections,
            // One address must not take them all.
            connectionsPerAddress: settings.connectionsPerAddress ?? connections / 2,
            threads: threads)
        let server = try HTTPServer(service, on: socket, limits: limits, tlsPriorities: service.web?.tlsPriorities)
        servers.withLock { $0.append(server) }
    }

    /// As many connections as descriptors allow, less those that the program itself needs.
    ///
    /// - Parameter loops: event loops of all servers, which have four descriptors each.
    private static func connectionLimit(loops: Int) -> Int {
        var limits = rlimit()
        // Safe: the call fills the local struct.
        guard unsafe getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limits) == 0 else { return 900 }
        return max(16, min(Int(clamping: limits.rlim_cur), 65_536) - 56 - 4 * loops)
    }

    /// Reloads prices, budgets and the web configuration. Faults are logged and counted.
    ///
    /// - Parameter reply: called once, with what is wrong; `nil` when all is in force.
    package func reload(_ reply: @escaping @Sendable (_ failure: String?) -> Void) {
        service.reload(reply)
    }

    /// What keeps it from taking records, as `/-/ready` says; `nil` when nothing does.
    package var obstacle: String? { service.obstacle }

    /// Calls `alive` from the ledger's queue; at once if a disk operation has run for less than `diskLimit`. If the
    /// queue hangs, never.
    package func whenAlive(diskLimit: Duration, _ alive: @escaping @Sendable () -> Void) {
        service.ledger.whenAlive(diskLimit: diskLimit, alive)
    }

    /// Takes no more records, answers what was taken, closes. Within 5 s; blocks.
    ///
    /// - Returns: false if the disk hangs (exit the process; open connections close), a commit is undecided, or the
    ///   files were moved.
    @discardableResult
    package func stop() -> Bool {
        let deadline = ContinuousClock.now + Self.stopLimit
        service.isReady.store(false, ordering: .relaxed)
        let servers = servers.withLock { servers in
            defer { servers = [] }
            return servers
        }
        for server in servers { server.drain() }
        service.web?.stop()
        let drained = ContinuousClock.now + Self.drainLimit
        while servers.contains(where: { $0.requestsInFlight > 0 }), ContinuousClock.now < drained { usleep(2000) }
        // All that is in is answered before the servers stop, so that none of them waits for an answer.
        let isClosed = service.ledger.close(within: deadline - .now - Self.serversLimit)
        let done = DispatchSemaphore(value: 0)
        DispatchQueue.global().async {
            for server in servers { server.stop() }
            done.signal()
        }
        let rest = max(.zero, deadline - .now)
        let isDone = done.wait(timeout: .now() + .microseconds(Int(rest.wholeMicroseconds))) == .success
        guard !isDone || !isClosed else { return true }
        if let obstacle = service.ledger.trouble {
            log.error(
                service.ledger.isUnsettled
                    ? "Stopped with a commit that is not settled: the next start finds out"
                    : "Stopped while the storage failed",
                metadata: ["reason": "\(obstacle)"])
        } else {
            log.error(
                isClosed
                    ? "Stopped before a request was answered, such as a reload; all records are stored"
                    : "Stopped before all was done: the disk does not answer; what was acknowledged is on it")
        }
        return false
    }
}

/// Why the exporter could not start.
package struct StartError: Error, Sendable, CustomStringConvertible {
    package let description: String
    /// Whether the remedy is another flag, not another try.
    package let isUsage: Bool

    fileprivate init(_ error: StoreError) {
        description = error.description
        isUsage = error.kind == .boundsChanged
    }

    fileprivate init(address: String, cause: HTTPServerError) {
        isUsage = false
        switch cause {
        case .addressInUse:
            description =
                "cannot listen on \(address): the address is in use; choose another with --web.listen-address, "
                + "or stop the program that holds it (ss -ltnp names it)"
        case .cannotListen(let reason):
            description =
                "cannot listen on \(address): \(reason); name an address of this host with --web.listen-address"
        case .cannotStart:
            description = "cannot serve \(address): libmicrohttpd refused to start; see the log at --log.level=debug"
        }
    }
}
