import CBuild
import HTTP
import Service

/// What this program is and was built from.
enum Version {
    static let number = "0.1.0"

    static var build: BuildDescription {
        BuildDescription(
            // Safe: the text is static.
            version: number, revision: unsafe String(cString: cbuild_revision()), swiftVersion: swift,
            libmicrohttpdVersion: HTTPServer.libraryVersion)
    }

    static var text: String {
        """
        llm-exporter, version \(number) (revision \(build.revision))
          swift: \(build.swiftVersion)
          libmicrohttpd: \(build.libmicrohttpdVersion)
        """
    }

    /// The compiler tells its version only by comparison.
    private static var swift: String {
        #if compiler(>=6.4)
            "6.4 or later"
        #elseif compiler(>=6.3)
            "6.3"
        #else
            "6.2"
        #endif
    }
}
