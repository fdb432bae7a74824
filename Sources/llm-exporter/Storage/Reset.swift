import ArgumentParser
import Concurrency
import Model
import Store

/// `llm-exporter reset`: removes all series of a stopped database.
struct Reset: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "reset",
        abstract: "Removes all series from the database of a stopped exporter; ids and open starts stay.")

    @OptionGroup var storage: StorageOptions

    func run() throws {
        let removed = try reportingFailure { () throws(StoreError) in try Store.reset(storage.folder, now: .wallClock) }
        print("Removed \(removed.series) sets: \(removed.sums.text)")
    }
}
