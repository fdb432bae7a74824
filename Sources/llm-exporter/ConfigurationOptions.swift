import ArgumentParser
import Configuration

/// The sources of prices and budgets.
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
        help: ArgumentHelp("Price overrides, aliases, factors, plans and budgets, in YAML.", valueName: "file"))
    var configFile: String?

    var sources: Configuration.Sources {
        Configuration.Sources(
            usesShippedPrices: !noBuiltinPrices, priceFiles: priceFiles, configurationFile: configFile)
    }

    func load() throws(Failure) -> Configuration { try sources.load() }

    /// `--config.check`.
    func check() throws(Failure) {
        guard configFile != nil || !priceFiles.isEmpty else {
            throw Failure("--config.check needs a file to check: add --config.file", exitCode: Failure.usage)
        }
        let configuration = try load()
        for warning in configuration.warnings { print("warning: \(warning)") }
        print(
            "\(sources.files.joined(separator: ", ")): sound; with it \(configuration.prices.count) prices "
                + "and \(configuration.budgets.count) budgets")
    }
}

extension Configuration.Sources {
    func load() throws(Failure) -> Configuration {
        do throws(ConfigurationError) {
            return try Configuration(self)
        } catch {
            throw Failure(error.description, exitCode: Failure.usage)
        }
    }
}
