import ArgumentParser
import Model
import Store

/// Where the database lies, for the commands that use it without serving.
struct StorageOptions: ParsableArguments {
    @Option(
        name: .customLong("storage.path"),
        help: ArgumentHelp("Folder of the database. (default: data)", valueName: "folder"),
        transform: FlagValue.folder)
    var folder = StorageFolder("data")
}

/// `llm-exporter check-storage`: reads a database from end to end.
struct CheckStorage: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "check-storage",
        abstract: "Verifies the database, also beside a running exporter.",
        discussion: "Exit code 0 when all is as it was written, 1 when it is not. Changes nothing.")

    @OptionGroup var storage: StorageOptions

    func run() throws {
        let report = try reportingFailure { () throws(StoreError) in
            try Inspection(storage.folder).check()
        }
        print("\(storage.folder.database) is sound: \(report.text)")
    }
}

/// `llm-exporter backup FILE`: copies a database.
struct Backup: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "backup",
        abstract: "Copies the database to a new file, also beside a running exporter.",
        discussion: "To restore, put the copy into an empty folder as \(StorageFolder.databaseName).")

    @Argument(help: "The file to make; it must not exist.")
    var file: String

    @OptionGroup var storage: StorageOptions

    func run() throws {
        let report = try reportingFailure { () throws(StoreError) in
            try Inspection(storage.folder).copy(to: file)
        }
        print("\(file) holds a copy: \(report.text)")
    }
}

/// `llm-exporter reset`: removes all series of a stopped database.
struct Reset: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "reset",
        abstract: "Removes all series from the database of a stopped exporter; ids and open starts stay.")

    @OptionGroup var storage: StorageOptions

    func run() throws {
        let removed = try reportingFailure { () throws(StoreError) in try Store.reset(storage.folder) }
        print("Removed \(removed.series) sets: \(removed.sums.text)")
    }
}

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

private func reportingFailure<Result>(_ body: () throws(StoreError) -> Result) throws(Failure) -> Result {
    do throws(StoreError) {
        return try body()
    } catch {
        throw Failure(error.description)
    }
}

extension Inspection.Report {
    fileprivate var text: String {
        "batch \(batch), \(series) sets, \(calls) calls, \(ids) ids, \(openCalls) open calls"
    }
}

extension CallSums {
    fileprivate var text: String {
        "\(calls) calls, \(tokens) tokens, \(PlainDecimal.text(picoUSD, scale: Money.scale)) USD"
    }
}
