import ArgumentParser
import Configuration
import Glibc
import Logging
import Model
import Service
import Store
import Systemd

/// `llm-exporter [serve]`: runs the exporter until it is told to stop.
struct Serve: ParsableCommand {
    static let configuration = CommandConfiguration(commandName: "serve", abstract: "Runs the exporter.")

    private static let defaults = Settings(build: Version.build)

    @Option(
        name: .customLong("web.listen-address"),
        help: ArgumentHelp(
            """
            Where to listen: host:port, :port for all addresses, or [::1]:port; port 0 picks a free one. \
            Repeatable. (default: \(defaults.listenAddresses[0]))
            """,
            valueName: "address"),
        transform: FlagValue.listenAddress)
    var listenAddresses: [ListenAddress] = []

    @Flag(
        name: .customLong("web.systemd-socket"),
        help: "Take the sockets that systemd hands over, in place of --web.listen-address.")
    var systemdSocket = false

    @Option(
        name: .customLong("web.telemetry-path"),
        help: ArgumentHelp("Where Prometheus scrapes. (default: \(defaults.telemetryPath))", valueName: "path"),
        transform: FlagValue.telemetryPath)
    var telemetryPath = defaults.telemetryPath

    @Option(
        name: .customLong("web.config.file"),
        help: ArgumentHelp(
            "TLS, users and tokens, in YAML, as the Prometheus exporter-toolkit reads it.", valueName: "file"))
    var webConfigFile: String?

    @Option(
        name: .customLong("web.max-connections"),
        help: ArgumentHelp(
            "Most connections at a time. (default: as the limit of open files allows)", valueName: "count"),
        transform: FlagValue.count(16...65_536))
    var maxConnections: Int?

    @Option(
        name: .customLong("web.max-connections-per-address"),
        help: ArgumentHelp(
            "Most connections at a time from one address; requests on further ones get 429. (default: half of all)",
            valueName: "count"),
        transform: FlagValue.count(1...65_536))
    var maxConnectionsPerAddress: Int?

    @Option(
        name: .customLong("web.max-body-size"),
        help: ArgumentHelp(
            """
            Largest request body, after decompression, such as 500KB or 32MiB. (default: \
            \(ByteSize(bytes: defaults.bodyLimitBytes)))
            """,
            valueName: "size"),
        transform: FlagValue.byteSize)
    var bodyLimit = ByteSize(bytes: defaults.bodyLimitBytes)

    @Flag(name: .customLong("web.enable-admin-api"), help: "Allow POST /api/v1/admin/reset and /forget.")
    var enableAdminAPI = false

    @Option(
        name: .customLong("storage.path"),
        help: ArgumentHelp(
            "Folder of the database, created if missing. (default: \(Settings.storagePath))", valueName: "folder"),
        transform: FlagValue.folder)
    var storagePath: StorageFolder?

    @Flag(name: .customLong("storage.memory"), help: "Keep nothing on disk: totals begin at 0 with each start.")
    var storageMemory = false

    @Option(
        name: .customLong("dedup.window"),
        help: ArgumentHelp(
            "How long an id is remembered, such as 90s, 10m or 1d12h. (default: \(TimeSpan(defaults.idWindow)))",
            valueName: "duration"
        ),
        transform: FlagValue.timeSpan)
    var idWindow = TimeSpan(defaults.idWindow)

    @Option(
        name: .customLong("dedup.max-ids"),
        help: ArgumentHelp("Most ids remembered. (default: \(defaults.maxIDs))", valueName: "count"),
        transform: FlagValue.count(1...1_000_000_000))
    var maxIDs = defaults.maxIDs

    @Option(
        name: .customLong("limits.max-series"),
        help: ArgumentHelp(
            """
            Most sets of agent_name, provider and model; further ones count as _other. (default: \
            \(defaults.maxSeries))
            """,
            valueName: "count"),
        transform: FlagValue.count(1...10_000_000))
    var maxSeries = defaults.maxSeries

    @Option(
        name: .customLong("active-calls.lease"),
        help: ArgumentHelp(
            """
            After this a started call that never ended no longer counts as active. (default: \
            \(TimeSpan(defaults.activeCallLease)))
            """,
            valueName: "duration"),
        transform: FlagValue.timeSpan)
    var activeCallLease = TimeSpan(defaults.activeCallLease)

    @Option(
        name: .customLong("histogram.buckets"),
        help: ArgumentHelp(
            "Upper bounds in seconds, increasing; +Inf is implied. (default: \(Buckets(bounds: defaults.bounds)))",
            valueName: "bounds"),
        transform: FlagValue.buckets)
    var buckets = Buckets(bounds: defaults.bounds)

    @Flag(
        name: .customLong("histogram.reset-on-change"),
        help: "Restart the histograms of calls at 0 if the stored ones cannot take the new bounds.")
    var resetHistogramsOnChange = false

    @Flag(
        name: .customLong("no-native-histograms"),
        help: "Leave native histograms out of scrapes in protobuf, which then carry classic buckets alone.")
    var withoutNativeHistograms = false

    @Flag(
        name: .customLong("openmetrics.created-samples"),
        help: "Add _created samples to scrapes in OpenMetrics text.")
    var createdSamples = false

    @OptionGroup var configuration: ConfigurationOptions

    @Flag(
        name: .customLong("config.check"),
        help:
            """
            Validate --config.file, --prices.file and --web.config.file, and exit: 0 when they can be used, 2 \
            when not.
            """
    )
    var configCheck = false

    @Option(name: .customLong("log.level"), help: "Least level that is logged.")
    var logLevel = LogLevel.info

    @Option(name: .customLong("log.format"), help: "Form of a log line.")
    var logFormat = LogFormat.logfmt

    func validate() throws {
        if storageMemory, storagePath != nil {
            throw ValidationError("--storage.memory and --storage.path contradict each other: give one of them")
        }
    }

    func run() throws {
        if configCheck {
            if let webConfigFile {
                _ = try WebAccess.reading(webConfigFile)
                print("\(webConfigFile): sound")
            }
            if webConfigFile == nil || !configuration.sources.files.isEmpty { try configuration.check() }
            return
        }
        // Before anything begins: a bad configuration is reported as bad flags are.
        let configuration = try configuration.load()
        let web = try webConfigFile.map { path throws(Failure) in try WebAccess.reading(path) }
        let log = Logger(label: "llm-exporter") { _ in
            LineLogHandler(format: logFormat, level: logLevel.level)
        }
        let inheritedSockets = systemdSocket ? try takeInheritedSockets() : []
        FileDescriptors.raiseLimit()
        log.info(
            "Starting llm-exporter",
            metadata: ["version": "\(Version.number)", "revision": "\(Version.build.revision)"])
        if storageMemory {
            log.info("Totals are kept in memory and begin at 0 with each start")
        }
        if systemdSocket, !listenAddresses.isEmpty {
            log.warning("--web.listen-address is not used: with --web.systemd-socket the sockets are systemd's")
        }
        // SIGHUP waits since the program began.
        let signals = Signals(SIGTERM, SIGINT, SIGHUP)
        let supervision = Supervision()
        let exporter: Exporter
        do throws(StartError) {
            supervision.opening()
            exporter = try Exporter(
                settings: settings(inheritedSockets), configuration: configuration, web: web, log: log)
            supervision.serving(exporter, on: try exporter.start())
        } catch {
            log.error("\(error)")
            var failure = Failure(error.description, exitCode: error.isUsage ? Failure.usage : Failure.runtime)
            failure.isLogged = true
            throw failure
        }
        while true {
            let number = signals.next()
            if number == SIGHUP {
                supervision.reload(exporter)
                continue
            }
            log.info("Stopping", metadata: ["signal": number == SIGTERM ? "SIGTERM" : "SIGINT"])
            supervision.stopping()
            guard exporter.stop() else {
                // Threads that wait for the disk would hold up an orderly exit.
                _exit(Failure.runtime)
            }
            log.info("Stopped")
            return
        }
    }

    private func takeInheritedSockets() throws(Failure) -> [Int32] {
        do throws(InheritedSocketError) {
            return try InheritedSockets.take()
        } catch {
            throw Failure("--web.systemd-socket: \(error)", exitCode: Failure.usage)
        }
    }

    private func settings(_ inheritedSockets: [Int32]) -> Settings {
        var settings = Self.defaults
        settings.inheritedSockets = inheritedSockets
        if !listenAddresses.isEmpty { settings.listenAddresses = listenAddresses }
        settings.telemetryPath = telemetryPath
        settings.connections = maxConnections
        settings.connectionsPerAddress = maxConnectionsPerAddress
        settings.bodyLimitBytes = bodyLimit.bytes
        settings.allowsAdminRoutes = enableAdminAPI
        settings.idWindow = idWindow.duration
        settings.maxIDs = maxIDs
        settings.maxSeries = maxSeries
        settings.activeCallLease = activeCallLease.duration
        settings.bounds = buckets.bounds
        settings.storage = storageMemory ? .memory : .folder(storagePath ?? StorageFolder(Settings.storagePath))
        settings.resetsHistogramsOnChange = resetHistogramsOnChange
        settings.showsNativeHistograms = !withoutNativeHistograms
        settings.showsCreatedSamples = createdSamples
        settings.configuration = configuration.sources
        return settings
    }
}

extension WebAccess {
    fileprivate static func reading(_ path: String) throws(Failure) -> WebAccess {
        do throws(ConfigurationError) {
            return try WebAccess(path: path)
        } catch {
            throw Failure(error.description, exitCode: Failure.usage)
        }
    }
}
