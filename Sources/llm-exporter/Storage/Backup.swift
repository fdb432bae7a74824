import ArgumentParser
import Store

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
