import ArgumentParser
import Client

/// The value of `--url`, for the commands that post to an exporter.
enum ExporterURL {
    /// - Throws: `ValidationError`, without the text, if it is no address: any part of it may be a password.
    static func check(_ text: String) throws {
        do throws(HTTPClientError) {
            _ = try HTTPAddress(text)
        } catch {
            throw ValidationError("--url: \(error.description)")
        }
    }
}
