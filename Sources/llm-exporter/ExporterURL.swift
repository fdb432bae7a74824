import ArgumentParser

/// The value of `--url`, for the commands that post to an exporter.
enum ExporterURL {
    /// - Throws: `ValidationError` if it is neither an http nor an https address.
    static func check(_ text: String) throws {
        guard text.hasPrefix("http://") || text.hasPrefix("https://") else {
            throw ValidationError(
                "--url \(text): expected an address that begins with http:// or https://, "
                    + "such as http://127.0.0.1:10140")
        }
    }
}
