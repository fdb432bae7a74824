import Foundation

/// A body that an OpenTelemetry exporter posted (Tests/Fixtures/otlp).
func fixture(_ name: String) throws -> [UInt8] {
    let folder = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
    return Array(try Data(contentsOf: folder.appending(path: "Fixtures/otlp/\(name)")))
}
