import ArgumentParser

/// The commands. Without one, `serve` runs.
struct Root: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "llm-exporter",
        abstract: "Counts the calls, tokens, cost, latency and errors of LLM agents for Prometheus.",
        discussion: "Without a command it runs the exporter; llm-exporter help serve lists the flags.",
        version: Version.text,
        subcommands: [
            Serve.self, Send.self, Simulate.self, Prices.self, CheckStorage.self, Backup.self, Reset.self, Forget.self,
        ],
        defaultSubcommand: Serve.self)
}
