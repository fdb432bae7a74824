extension Sending {
    /// What to send, and how.
    package struct Settings: Sendable {
        /// The file, or `-` for standard input.
        package let path: String
        /// The exporter's address.
        package let url: String
        package var access = HTTPAccess.none
        package var connections = 4
        package var linesPerRequest = 1000
        /// Sending gives up if nothing was acknowledged for this long.
        package var patience: Duration = .seconds(60)

        package init(path: String, url: String) {
            self.path = path
            self.url = url
        }

        var isStandardInput: Bool { path == "-" }
        var markPath: String { path + SentMark.suffix }
    }
}
