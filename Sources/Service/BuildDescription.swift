import Model

/// The sources and libraries of this build.
package struct BuildDescription: Sendable {
    package let version: String
    package let revision: String
    package let swiftVersion: String
    package let libmicrohttpdVersion: String

    package init(version: String, revision: String, swiftVersion: String, libmicrohttpdVersion: String) {
        self.version = version
        self.revision = revision
        self.swiftVersion = swiftVersion
        self.libmicrohttpdVersion = libmicrohttpdVersion
    }

    var labels: LabelBlock {
        LabelBlock([
            ("version", LabelValue(version)), ("revision", LabelValue(revision)), ("swift", LabelValue(swiftVersion)),
            ("libmicrohttpd", LabelValue(libmicrohttpdVersion)),
        ])
    }
}
