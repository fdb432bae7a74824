import ArgumentParser
import Service
import Store

/// The folder of the database, for the commands that use it without serving.
struct StorageOptions: ParsableArguments {
    @Option(
        name: .customLong("storage.path"),
        help: ArgumentHelp("Folder of the database. (default: \(Settings.storagePath))", valueName: "folder"),
        transform: FlagValue.folder)
    var folder = StorageFolder(Settings.storagePath)
}
