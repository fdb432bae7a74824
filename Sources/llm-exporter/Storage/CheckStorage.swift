import ArgumentParser
import Store

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
