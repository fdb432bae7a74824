private import Glibc
private import HTTPServer
package import Logging
package import Model
private import Synchronization

/// The exporter as a whole: listens, counts, is scraped, and stops without losing what it took.
package final class Exporter: Sendable {
    private let settings: ExporterSettings
    private let log: Logger
    private let service: Service
    private let servers = Locked<[HTTPServer]>([])

    /// Time for requests in flight to be answered when stopping; the rest of the 5 s is for closing.
    private static let drainLimit: Duration = .seconds(4)

    package init(settings: ExporterSettings, log: Logger, clock: @escaping Ledger.Clock = { .wallClock }) {
        self.settings = settings
        self.log = log
        service = Service(settings: settings, log: log, clock: clock)
    }

    /// Listens on all addresses.
    ///
    /// - Returns: the addresses with the ports that were really taken.
    /// - Throws: on the first address that cannot be served; none is then.
    package func start() throws(StartError) -> [String] {
        var sockets: [ListeningSocket] = []
        for address in settings.listenAddresses {
            do throws(HTTPServerError) {
                sockets.append(try ListeningSocket(host: address.host, port: address.port))
            } catch {
                throw StartError(address: address, cause: error)
            }
        }
        for (socket, address) in zip(sockets, settings.listenAddresses) {
            do throws(HTTPServerError) {
                try serve(socket)
            } catch {
                stop()
                throw StartError(address: address, cause: error)
            }
            if !address.isLoopback {
                log.warning(
                    "Anyone who can reach this address may post records and read metrics; listen on loopback, or behind a proxy that authenticates",
                    metadata: ["address": "\(socket.address)"])
            }
            log.info("Listening on", metadata: ["address": "\(socket.address)"])
        }
        service.isReady.store(true, ordering: .relaxed)
        return sockets.map(\.address)
    }

    private func serve(_ socket: ListeningSocket) throws(HTTPServerError) {
        var limits = HTTPServer.Limits()
        limits.bodyLimitBytes = settings.bodyLimitBytes
        limits.threads = max(1, Int(sysconf(Int32(_SC_NPROCESSORS_ONLN))))
        limits.connections = max(16, Self.connectionLimit() / settings.listenAddresses.count)
        let log = log
        let service = service
        let server = try HTTPServer(
            socket: socket, limits: limits,
            log: { message in
                log.debug("libmicrohttpd", metadata: ["message": "\(message)"])
            },
            handler: { request, responder in service.handle(request, responder) })
        servers.withLock { $0.append(server) }
    }

    /// As many connections as descriptors allow, less those that the program needs itself.
    private static func connectionLimit() -> Int {
        var limits = rlimit()
        guard unsafe getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limits) == 0 else { return 900 }
        return max(16, min(Int(clamping: limits.rlim_cur), 65_536) - 64)
    }

    /// Reads configuration anew. There is no configuration file yet that could have changed.
    package func reload() {
        service.reload()
    }

    /// Takes no more records, answers what was taken, closes. Within 5 s; blocks.
    package func stop() {
        service.isReady.store(false, ordering: .relaxed)
        let servers = servers.withLock { servers in
            defer { servers = [] }
            return servers
        }
        for server in servers { server.drain() }
        let deadline = ContinuousClock.now + Self.drainLimit
        while servers.contains(where: { $0.requestsInFlight > 0 }), ContinuousClock.now < deadline { usleep(2000) }
        for server in servers { server.stop() }
    }
}

/// Why the exporter could not start.
package struct StartError: Error, Sendable, CustomStringConvertible {
    package let description: String

    fileprivate init(address: ListenAddress, cause: HTTPServerError) {
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

extension Instant {
    /// Now, by the system's clock.
    package static var wallClock: Instant {
        var now = timespec()
        unsafe clock_gettime(CLOCK_REALTIME, &now)
        return Instant(unixMilliseconds: Int64(now.tv_sec) * 1000 + Int64(now.tv_nsec) / 1_000_000)
    }
}
