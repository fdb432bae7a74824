import Foundation

/// A body of a folder in Tests/Fixtures. `otlp` holds what OpenTelemetry exporters posted.
func fixture(_ name: String, in group: String = "otlp") throws -> [UInt8] {
    let folder = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
    return Array(try Data(contentsOf: folder.appending(path: "Fixtures/\(group)/\(name)")))
}
