import ArgumentParser
import Model
import Store

/// `llm-exporter forget`: removes the series of an agent, or fewer, from a stopped database.
struct Forget: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "forget",
        abstract: "Removes the series of an agent from the database of a stopped exporter.")

    @Option(name: .customLong("agent-name"), help: "The agent whose series go.", transform: FlagValue.label)
    var agentName: LabelValue

    @Option(name: .customLong("provider"), help: "Only those of this provider.", transform: FlagValue.label)
    var provider: LabelValue?

    @Option(name: .customLong("model"), help: "Only those of this model.", transform: FlagValue.label)
    var model: LabelValue?

    @OptionGroup var storage: StorageOptions

    func run() throws {
        let selection = SeriesSelection(agentName: agentName, provider: provider, model: model)
        let forgotten = try reportingFailure { () throws(StoreError) in
            try Store.forget(selection, in: storage.folder)
        }
        guard !forgotten.isEmpty else { throw Failure("no series has these labels; nothing was removed") }
        print("Removed \(forgotten.series) sets: \(forgotten.sums.text)")
    }
}
