private import Glibc
package import Model
package import Pricing

/// The prices in force and the budgets, which a reload can change.
package struct Configuration: Sendable {
    package let prices: PriceBook
    package let budgets: [Budget]

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
        let file: ConfigurationFile?
        if let path = sources.configurationFile {
            let name = "--config.file \(path)"
            file = try ConfigurationFile(ConfigurationFile.text(of: path, named: name), file: name)
        } else {
            file = nil
        }
        var spellings = try Self.naming("the shipped providers") { () throws(PriceFault) in
            try ProviderSpellings.shipped()
        }
        if let file { spellings = try file.adding(to: spellings) }
        var table = PriceTable()
        if sources.usesShippedPrices {
            table.add(
                try Self.naming("the shipped prices") { () throws(PriceFault) in try PriceFile.shipped(spellings) })
        }
        for path in sources.priceFiles {
            let bytes = try Self.bytes(of: path, named: "--prices.file \(path)", limit: Self.priceFileLimit)
            table.add(
                try Self.naming("--prices.file \(path)") { () throws(PriceFault) in
                    try PriceFile(bytes, spellings: spellings)
                })
        }
        if let file { table.add(try file.prices(spellings)) }
        var prices = PriceBook(table: table, spellings: spellings)
        try file?.addAliases(to: &prices)
        self.prices = prices
        budgets = file?.budgets ?? []
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

    fileprivate static func bytes(of path: String, named name: String, limit: Int) throws(ConfigurationError) -> [UInt8]
    {
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
            if count == 0 { return bytes }
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
        let bytes = try Configuration.bytes(of: path, named: name, limit: limitBytes)
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
        description = file + (line.map { ":\($0)" } ?? "") + ": " + text
    }
}
