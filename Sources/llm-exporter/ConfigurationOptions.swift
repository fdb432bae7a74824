import ArgumentParser
import Configuration
import ExporterService

/// Where prices and budgets are read from.
struct ConfigurationOptions: ParsableArguments {
    @Option(
        name: .customLong("prices.file"),
        help: ArgumentHelp(
            "A price table in the shape of LiteLLM's, over those before it. Repeatable.", valueName: "file"))
    var priceFiles: [String] = []

    @Flag(name: .customLong("prices.no-builtin"), help: "Do without the shipped price table.")
    var noBuiltinPrices = false

    @Option(
        name: .customLong("config.file"),
        help: ArgumentHelp("Price overrides, aliases and budgets, in YAML.", valueName: "file"))
    var configFile: String?

    var sources: Configuration.Sources {
        Configuration.Sources(
            usesShippedPrices: !noBuiltinPrices, priceFiles: priceFiles, configurationFile: configFile)
    }

    func load() throws(Failure) -> Configuration { try sources.load() }

    /// What is wrong with a file is told as bad flags are.
    static func naming<Result>(_ body: () throws(ConfigurationError) -> Result) throws(Failure) -> Result {
        do throws(ConfigurationError) {
            return try body()
        } catch {
            throw Failure(error.description, exitCode: Failure.usage)
        }
    }

    /// `--config.check`.
    func check(webFile: String?) throws(Failure) {
        guard configFile != nil || !priceFiles.isEmpty || webFile != nil else {
            throw Failure("--config.check needs a file to check: add --config.file", exitCode: Failure.usage)
        }
        if let webFile {
            let web = try Self.naming { () throws(ConfigurationError) in try Exporter.check(webFile) }
            print(
                "\(webFile): sound; TLS is \(web.tls == nil ? "off" : "on"), \(web.users.count) users and \(web.tokens.count) tokens"
            )
        }
        guard configFile != nil || !priceFiles.isEmpty else { return }
        let configuration = try load()
        print(
            "\(sources.files.joined(separator: ", ")): sound; with it \(configuration.prices.count) prices "
                + "and \(configuration.budgets.count) budgets")
    }
}

extension Configuration.Sources {
    func load() throws(Failure) -> Configuration {
        try ConfigurationOptions.naming { () throws(ConfigurationError) in try Configuration(self) }
    }
}
