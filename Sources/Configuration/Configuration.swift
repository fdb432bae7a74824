private import Glibc
package import Model
package import Pricing

/// The prices in force, the budgets, the names of agents and the intakes that count, which a reload can change.
package struct Configuration: Sendable {
    package let prices: PriceBook
    package let budgets: [Budget]
    /// The attributes of OpenTelemetry that name the agent, the first first.
    package let agentAttributes: [String]
    /// Which intake counts calls that two report; the first that holds applies.
    package let sourceRules: [SourceRule]
    /// Factors of computed costs; the first that holds applies.
    package let priceFactors: [PriceFactorRule]
    /// Which calls a subscription pays for.
    package let planRules: [PlanRule]
    /// The day on which the shipped prices were made, or the time of the newest price file; `nil` without either.
    package let priceTableTime: Instant?
    /// What is allowed and yet looks like a mistake, each as one line that names the file; at most
    /// `warningLimit` and one more.
    package let warnings: [String]
    /// Whether `--config.file` sets something.
    package let hasFileContent: Bool
    /// The file's name in errors.
    private let fileName: String

    /// Its sources: the shipped prices, price files in their order, and the configuration file over them.
    package struct Sources: Sendable {
        package var usesShippedPrices: Bool
        package var priceFiles: [String]
        package var configurationFile: String?

        package init(usesShippedPrices: Bool = true, priceFiles: [String] = [], configurationFile: String? = nil) {
            self.usesShippedPrices = usesShippedPrices
            self.priceFiles = priceFiles
            self.configurationFile = configurationFile
        }

        /// The paths, for the log.
        package var files: [String] { priceFiles + (configurationFile.map { [$0] } ?? []) }
    }

    /// Reads all sources.
    ///
    /// - Throws: names the file, and the line or key.
    package init(_ sources: Sources) throws(ConfigurationError) {
        let fileName = "--config.file \(sources.configurationFile ?? "")"
        var file: ConfigurationFile?
        if let path = sources.configurationFile {
            file = try ConfigurationFile(ConfigurationFile.text(of: path, named: fileName), file: fileName)
        }
        let providers = try Self.naming("the shipped providers") { () throws(PriceFault) in
            try ShippedProviders.read.get()
        }
        var spellings = providers.spellings
        if let file { spellings = try file.adding(to: spellings) }
        var table = PriceTable()
        var warnings: [String] = []
        var newest: Instant?
        if sources.usesShippedPrices {
            table.add(
                try Self.naming("the shipped prices") { () throws(PriceFault) in try PriceFile.shipped(spellings) })
        }
        for path in sources.priceFiles {
            let name = "--prices.file \(path)"
            let (bytes, time) = try Self.content(of: path, named: name, limit: Self.priceFileLimit)
            newest = max(newest ?? time, time)
            let file = try Self.naming(name) { () throws(PriceFault) in try PriceFile(bytes, spellings: spellings) }
            warnings += file.doubts.map { ConfigurationError(file: name, line: nil, $0.description).description }
            table.add(file)
        }
        if let file { table.add(try file.prices(spellings) { warnings.append($0.description) }) }
        var prices = PriceBook(table: table, spellings: spellings, roles: providers.roles)
        try file?.addAliases(to: &prices)
        self.prices = prices
        budgets = file?.budgets ?? []
        agentAttributes = file?.agentAttributes ?? []
        sourceRules = file?.sources ?? []
        priceFactors = try file?.priceFactors(spellings) ?? []
        planRules = file?.plans ?? []
        priceTableTime = newest ?? table.madeOn
        hasFileContent = file.map { !$0.isEmpty } ?? false
        self.fileName = fileName
        // A file of comments sets nothing on purpose.
        if let file, file.isEmpty, !file.hasComments {
            warnings.append("\(fileName): sets nothing: none of \(ConfigurationFile.keys.joined(separator: ", "))")
        }
        let more = warnings.count - Self.warningLimit
        self.warnings =
            warnings.prefix(Self.warningLimit) + (more > 0 ? ["and \(more) more such warnings"] : [])
    }

    private static let warningLimit = 20

    /// Refuses a reload that would drop all that `--config.file` sets.
    ///
    /// An editor that saves a file truncates it first: what a reload reads in that instant must not forget the budgets.
    ///
    /// - Parameter hadFileContent: `hasFileContent` of the configuration in force.
    package func checkReplacing(hadFileContent: Bool) throws(ConfigurationError) {
        guard hadFileContent, !hasFileContent else { return }
        throw ConfigurationError(
            file: fileName, line: nil, "sets nothing any more: if you want that, restart the exporter")
    }

    private static func naming<Result>(_ file: String, _ body: () throws(PriceFault) -> Result)
        throws(ConfigurationError) -> Result
    {
        do throws(PriceFault) {
            return try body()
        } catch {
            throw ConfigurationError(file: file, line: nil, error.description)
        }
    }

    /// In bytes: far above the size of any price table, and too few to fill the memory.
    private static let priceFileLimit = 32 << 20

    /// The bytes of a file, and the time at which it was last written.
    fileprivate static func content(
        of path: String, named name: String, limit: Int
    ) throws(ConfigurationError) -> (bytes: [UInt8], time: Instant) {
        func failure(_ text: String) -> ConfigurationError {
            ConfigurationError(file: name, line: nil, text)
        }
        func systemFailure() -> ConfigurationError {
            // Safe: the text is static or the thread's own (glibc since 2.32), and is copied at once.
            failure("cannot be read: \(unsafe String(cString: strerror(errno)))")
        }
        // Without O_NONBLOCK, opening a FIFO waits for a writer.
        let descriptor = unsafe open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
        guard descriptor >= 0 else { throw systemFailure() }
        defer { close(descriptor) }
        var status = stat()
        guard unsafe fstat(descriptor, &status) == 0 else { throw systemFailure() }
        guard status.st_mode & S_IFMT == S_IFREG else {
            throw failure("is not a regular file, which could be read again on reload")
        }
        var bytes: [UInt8] = []
        var chunk = [UInt8](repeating: 0, count: 1 << 16)
        while true {
            let count = unsafe read(descriptor, &chunk, chunk.count)
            if count == 0 {
                let time = status.st_mtim
                return (bytes, Instant(unixMilliseconds: Int64(time.tv_sec) * 1000 + Int64(time.tv_nsec) / 1_000_000))
            }
            if count < 0 {
                guard errno == EINTR else { throw systemFailure() }
                continue
            }
            bytes += chunk[..<count]
            guard bytes.count <= limit else { throw failure("is larger than \(limit) bytes") }
        }
    }
}

extension ConfigurationFile {
    private static let limitBytes = 1 << 20

    /// The text of a file.
    ///
    /// - Parameter name: the file in errors, with the flag that named it.
    static func text(of path: String, named name: String) throws(ConfigurationError) -> String {
        let bytes = try Configuration.content(of: path, named: name, limit: limitBytes).bytes
        guard let text = String(validating: bytes, as: UTF8.self) else {
            throw ConfigurationError(file: name, line: nil, "not UTF-8")
        }
        return text
    }
}

/// What is wrong with a file, with the place, as one line.
package struct ConfigurationError: Error, Sendable, CustomStringConvertible {
    package let description: String

    /// - Parameters:
    ///   - file: its name, with the flag that named it.
    ///   - line: from 1.
    init(file: String, line: Int?, _ text: String) {
        // Keys and values of a file may hold line breaks.
        description = file + (line.map { ":\($0)" } ?? "") + ": " + text.onOneLine
    }
}
