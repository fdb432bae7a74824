private import Glibc
package import Model
package import Pricing

/// What can be changed while the exporter runs: the prices in force and the budgets.
package struct Configuration: Sendable {
    package let prices: PriceBook
    package let budgets: [Budget]

    /// Where it is read from: the shipped prices, price files in their order, and the configuration file over them.
    package struct Sources: Sendable {
        package var usesShippedPrices: Bool
        package var priceFiles: [String]
        package var configurationFile: String?

        package init(usesShippedPrices: Bool = true, priceFiles: [String] = [], configurationFile: String? = nil) {
            self.usesShippedPrices = usesShippedPrices
            self.priceFiles = priceFiles
            self.configurationFile = configurationFile
        }

        /// As the log shows them.
        package var files: [String] { priceFiles + (configurationFile.map { [$0] } ?? []) }
    }

    /// Reads all of it anew.
    ///
    /// - Throws: names the file, and the line or key.
    package init(_ sources: Sources) throws(ConfigurationError) {
        let file: ConfigurationFile?
        if let path = sources.configurationFile {
            let bytes = try Self.bytes(of: path, given: "--config.file")
            guard let text = String(validating: bytes, as: UTF8.self) else {
                throw ConfigurationError(file: "--config.file \(path)", line: nil, "not UTF-8")
            }
            file = try ConfigurationFile(text, file: "--config.file \(path)")
        } else {
            file = nil
        }
        var spellings = try Self.naming("the shipped providers") { () throws(PriceFault) in
            try ProviderSpellings.shipped()
        }
        for (spelling, canonical) in file?.providerAliases ?? [:] {
            spellings.add(spelling, for: spellings.canonical(canonical))
        }
        var table = PriceTable()
        if sources.usesShippedPrices {
            table.add(
                try Self.naming("the shipped prices") { () throws(PriceFault) in try PriceFile.shipped(spellings) })
        }
        for path in sources.priceFiles {
            let bytes = try Self.bytes(of: path, given: "--prices.file")
            table.add(
                try Self.naming("--prices.file \(path)") { () throws(PriceFault) in
                    try PriceFile(bytes, spellings: spellings)
                })
        }
        for entry in file?.prices ?? [] {
            table.add(try ConfigurationFile.price(of: entry, spellings: spellings), for: entry.key)
        }
        prices = PriceBook(table: table, spellings: spellings, aliases: file?.modelAliases ?? [:])
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

    /// A file is read to here: far beyond any price table, and short of filling the memory.
    private static let limitBytes = 256 << 20

    private static func bytes(of path: String, given flag: String) throws(ConfigurationError) -> [UInt8] {
        let name = "\(flag) \(path)"
        func failure() -> ConfigurationError {
            // Safe: the text is static, or the thread's own (glibc since 2.32), and copied at once.
            ConfigurationError(file: name, line: nil, "cannot be read: \(unsafe String(cString: strerror(errno)))")
        }
        guard let file = unsafe fopen(path, "re") else { throw failure() }
        defer { unsafe fclose(file) }
        var bytes: [UInt8] = []
        var chunk = [UInt8](repeating: 0, count: 1 << 16)
        while true {
            let count = unsafe fread(&chunk, 1, chunk.count, file)
            bytes += chunk[..<count]
            if count < chunk.count { break }
            guard bytes.count <= limitBytes else {
                throw ConfigurationError(file: name, line: nil, "is larger than \(limitBytes) bytes")
            }
        }
        guard unsafe ferror(file) == 0 else { throw failure() }
        return bytes
    }
}

/// What is wrong with a file, and where, as one line.
package struct ConfigurationError: Error, Sendable, CustomStringConvertible {
    package let description: String

    /// - Parameters:
    ///   - file: with the flag that named it.
    ///   - line: from 1.
    init(file: String, line: Int?, _ text: String) {
        description = file + (line.map { ":\($0)" } ?? "") + ": " + text
    }
}
