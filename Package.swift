// swift-tools-version: 6.2
import PackageDescription

/// The commit this is built from, for `--version`.
let revision: String = {
    guard let git = Context.gitInformation else { return "unknown" }
    return git.currentCommit.prefix(12) + (git.hasUncommittedChanges ? "-dirty" : "")
}()

let package = Package(
    name: "llm-exporter",
    dependencies: [
        .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.0"),
        .package(url: "https://github.com/apple/swift-log", from: "1.16.0"),
        // Without traits: one of them needs Foundation's whole library.
        .package(url: "https://github.com/apple/swift-protobuf", from: "1.39.0", traits: []),
    ],
    targets: [
        // The road of a record, in the order in which it is travelled. Every target may use Model, which imports nothing.
        .systemLibrary(name: "CMicroHTTPD", pkgConfig: "libmicrohttpd", providers: [.apt(["libmicrohttpd-dev"])]),
        .target(name: "CHTTPShim", dependencies: ["CMicroHTTPD"], linkerSettings: [.linkedLibrary("gnutls")]),
        .target(name: "Bytes"),
        .target(name: "HTTPServer", dependencies: ["Bytes", "CHTTPShim"]),
        .systemLibrary(name: "CZlib", pkgConfig: "zlib", providers: [.apt(["zlib1g-dev"])]),
        .systemLibrary(name: "CZstd", pkgConfig: "libzstd", providers: [.apt(["libzstd-dev"])]),
        .target(name: "CContentCoding", dependencies: ["CZlib", "CZstd"]),
        .target(name: "ContentCoding", dependencies: ["Bytes", "CContentCoding"]),
        .target(name: "Model"),
        .systemLibrary(name: "CXXHash", pkgConfig: "libxxhash", providers: [.apt(["libxxhash-dev"])]),
        .target(name: "CSimdjson", linkerSettings: [.linkedLibrary("simdjson")]),
        .target(name: "Intake", dependencies: ["Bytes", "CSimdjson", "CXXHash", "Model"]),
        .target(
            name: "OpenTelemetry",
            dependencies: ["Bytes", "Intake", "Model", .product(name: "SwiftProtobuf", package: "swift-protobuf")],
            exclude: ["Messages/otlp.proto"]),
        .target(name: "CPriceTable"),
        .target(name: "Pricing", dependencies: ["CPriceTable", "CSimdjson", "Model"]),
        .systemLibrary(name: "CYAML", pkgConfig: "yaml-0.1", providers: [.apt(["libyaml-dev"])]),
        .target(name: "CAccess", linkerSettings: [.linkedLibrary("crypt"), .linkedLibrary("gnutls")]),
        .target(name: "Access", dependencies: ["CAccess"]),
        .target(name: "Configuration", dependencies: ["Access", "CYAML", "Model", "Pricing"]),
        .target(name: "Exposition", dependencies: ["Model"]),
        .systemLibrary(name: "CSQLite", pkgConfig: "sqlite3", providers: [.apt(["libsqlite3-dev"])]),
        .target(name: "Store", dependencies: ["CSQLite", "CXXHash", "Model"]),

        // The program.
        .target(
            name: "ExporterService",
            dependencies: [
                "Access", "Bytes", "Configuration", "ContentCoding", "Exposition", "HTTPServer", "Intake", "Model",
                "OpenTelemetry",
                "Pricing", "Store", .product(name: "Logging", package: "swift-log"),
            ]),
        .systemLibrary(name: "CCurl", pkgConfig: "libcurl", providers: [.apt(["libcurl4-openssl-dev"])]),
        .target(name: "CCurlShim", dependencies: ["CCurl"]),
        .target(name: "HTTPClient", dependencies: ["CCurlShim"]),
        .target(name: "Simulation", dependencies: ["HTTPClient", .product(name: "Logging", package: "swift-log")]),
        .target(name: "Sending", dependencies: ["CXXHash", "HTTPClient"]),
        .target(name: "CBuild", cSettings: [.define("LLM_EXPORTER_REVISION", to: "\"\(revision)\"")]),
        .executableTarget(
            name: "llm-exporter",
            dependencies: [
                "CBuild", "Configuration", "ExporterService", "HTTPClient", "HTTPServer", "Model", "Pricing", "Sending", "Simulation",
                "Store",
                .product(name: "ArgumentParser", package: "swift-argument-parser"),
                .product(name: "Logging", package: "swift-log"),
            ],
            linkerSettings: [
                // The program runs on hosts without Swift.
                .unsafeFlags(
                    ["-static-stdlib", "-l_FoundationCollections", "-l_FoundationCShims"],
                    .when(configuration: .release))
            ]),

        .executableTarget(
            name: "micro-bench", dependencies: ["Bytes", "Exposition", "Intake", "Model", "Pricing", "Store"],
            path: "Benchmarks/micro"),
        .testTarget(name: "AccessTests", dependencies: ["Access"]),
        .testTarget(name: "ConfigurationTests", dependencies: ["Access", "Configuration", "Model"]),
        .testTarget(name: "ContentCodingTests", dependencies: ["Bytes", "ContentCoding"]),
        .testTarget(
            name: "ExporterServiceTests",
            dependencies: ["ContentCoding", "ExporterService", "Exposition", "Model", "Store"]),
        .testTarget(name: "ExpositionTests", dependencies: ["Exposition", "Model"]),
        .target(name: "LoopbackServer", path: "Tests/LoopbackServer"),
        .testTarget(name: "HTTPClientTests", dependencies: ["HTTPClient", "LoopbackServer"]),
        .testTarget(name: "IntakeTests", dependencies: ["Bytes", "Intake", "Model"]),
        .testTarget(name: "ModelTests", dependencies: ["Model"]),
        .testTarget(name: "OpenTelemetryTests", dependencies: ["Bytes", "Intake", "Model", "OpenTelemetry"]),
        .testTarget(name: "PricingTests", dependencies: ["Model", "Pricing"]),
        .testTarget(name: "StoreTests", dependencies: ["Model", "Store"]),
        .testTarget(name: "ProgramTests", dependencies: ["ExporterService", "Model", "Store", "llm-exporter"]),
        .testTarget(
            name: "SimulationTests",
            dependencies: ["LoopbackServer", "Simulation", .product(name: "Logging", package: "swift-log")]),
    ],
    swiftLanguageModes: [.v6],
    cLanguageStandard: .gnu17,
    cxxLanguageStandard: .cxx17
)

for target in package.targets where target.type != .system {
    let isSwift = ![
        "CAccess", "CHTTPShim", "CContentCoding", "CCurlShim", "CBuild", "CPriceTable", "CSimdjson",
    ].contains(target.name)
    if isSwift {
        target.swiftSettings = [
            .strictMemorySafety(), .treatAllWarnings(as: .error), .enableUpcomingFeature("InternalImportsByDefault"),
        ]
    } else {
        target.cSettings = (target.cSettings ?? []) + [.treatAllWarnings(as: .error)]
        target.cxxSettings = [.treatAllWarnings(as: .error)]
    }
}
