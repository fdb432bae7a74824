// swift-tools-version: 6.2
import PackageDescription

/// The commit this is built from, for `--version`.
let revision: String = {
    guard let git = Context.gitInformation else { return "unknown" }
    return git.currentCommit.prefix(12) + (git.hasUncommittedChanges ? "-dirty" : "")
}()

/// Set to keep the symbols in the release, as the Debian package does: it ships them apart.
let keepsSymbols = Context.environment["LLM_EXPORTER_SYMBOLS"] != nil

/// The C libraries that a C target links. All are found in the system's own folders; nothing needs pkg-config.
func libraries(_ names: String...) -> [LinkerSetting] { names.map { .linkedLibrary($0) } }

let package = Package(
    name: "llm-exporter",
    dependencies: [
        .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.0"),
        .package(url: "https://github.com/apple/swift-log", from: "1.16.0"),
        // For tests alone. Without traits: one of them needs Foundation's whole library.
        .package(url: "https://github.com/apple/swift-protobuf", from: "1.39.0", traits: []),
    ],
    targets: [
        // The road of a record, in the order in which it travels. Every target may use Model, which imports nothing.
        .target(name: "CHTTPShim", linkerSettings: libraries("microhttpd", "gnutls")),
        .target(name: "CContentCoding", linkerSettings: libraries("z", "zstd")),
        .target(name: "Bodies", dependencies: ["CContentCoding", "Model"]),
        .target(name: "HTTP", dependencies: ["Bodies", "CHTTPShim"]),
        .target(name: "Model"),
        .target(name: "Concurrency", dependencies: ["Model"]),
        .target(name: "CXXHash", linkerSettings: libraries("xxhash")),
        .target(name: "CSimdjson", linkerSettings: libraries("simdjson")),
        .target(name: "Formats", dependencies: ["Bodies", "CSimdjson", "CXXHash", "Concurrency", "HTTP", "Model"]),
        .target(name: "CPriceTable"),
        .target(name: "Pricing", dependencies: ["CPriceTable", "CSimdjson", "Concurrency", "Model"]),
        .target(name: "CYAML", linkerSettings: libraries("yaml")),
        .target(name: "CAccess", linkerSettings: libraries("crypt", "gnutls")),
        .target(name: "Access", dependencies: ["CAccess"]),
        .target(name: "Configuration", dependencies: ["Access", "CYAML", "HTTP", "Model", "Pricing"]),
        .target(name: "CSQLite", linkerSettings: libraries("sqlite3")),
        .target(name: "Store", dependencies: ["CSQLite", "CXXHash", "Model"]),
        .target(name: "Ledger", dependencies: ["Concurrency", "Model", "Store"]),
        .target(name: "Metrics", dependencies: ["Concurrency", "Model"]),

        // The program.
        .target(name: "CMemory"),
        .target(
            name: "Service",
            dependencies: [
                "Access", "Bodies", "CMemory", "Concurrency", "Configuration", "Formats", "HTTP", "Ledger", "Metrics",
                "Model", "Pricing", "Store", .product(name: "Logging", package: "swift-log"),
            ]),
        .target(name: "CCurlShim"),
        .target(
            name: "Client",
            dependencies: ["CCurlShim", "CXXHash", "Model", .product(name: "Logging", package: "swift-log")]),
        .target(name: "CBuild", cSettings: [.define("LLM_EXPORTER_REVISION", to: "\"\(revision)\"")]),
        .target(name: "CStart"),
        .target(name: "CSystemd", linkerSettings: libraries("systemd")),
        .target(name: "Systemd", dependencies: ["CSystemd", "Model"]),
        .executableTarget(
            name: "llm-exporter",
            dependencies: [
                "Bodies", "CBuild", "CStart", "Client", "Concurrency", "Configuration", "HTTP", "Model", "Pricing",
                "Service", "Store", "Systemd",
                .product(name: "ArgumentParser", package: "swift-argument-parser"),
                .product(name: "Logging", package: "swift-log"),
            ],
            linkerSettings: [
                // The program runs on hosts without Swift.
                .unsafeFlags(
                    ["-static-stdlib", "-l_FoundationCollections", "-l_FoundationCShims"],
                    .when(configuration: .release)),
                // Nothing loads the program as a library, so code that nothing calls need not be in it.
                .unsafeFlags(
                    ["--gc-sections", "--no-export-dynamic"].flatMap { ["-Xlinker", $0] }
                        + (keepsSymbols ? [] : ["-Xlinker", "--strip-all"]),
                    .when(configuration: .release)),
            ]),

        .executableTarget(
            name: "micro-bench", dependencies: ["Bodies", "Formats", "Metrics", "Model", "Pricing", "Store"],
            path: "Benchmarks/micro"),
        .target(name: "LoopbackServer", dependencies: ["Concurrency"], path: "Tests/LoopbackServer"),
        .testTarget(name: "AccessTests", dependencies: ["Access"]),
        .testTarget(name: "BodiesTests", dependencies: ["Bodies", "Concurrency"]),
        .testTarget(name: "ConcurrencyTests", dependencies: ["Concurrency"]),
        .testTarget(
            name: "ClientTests",
            dependencies: ["Client", "Concurrency", "LoopbackServer", .product(name: "Logging", package: "swift-log")]),
        .testTarget(name: "ConfigurationTests", dependencies: ["Access", "Configuration", "Model", "Pricing"]),
        .testTarget(
            name: "FormatsTests",
            dependencies: [
                "Bodies", "Formats", "HTTP", "Model", .product(name: "SwiftProtobuf", package: "swift-protobuf"),
            ],
            exclude: ["SecondReader/otlp.proto"]),
        .testTarget(name: "HTTPTests", dependencies: ["Bodies", "Concurrency", "HTTP"]),
        .testTarget(name: "LedgerTests", dependencies: ["Concurrency", "Ledger", "Model", "Store"]),
        .testTarget(name: "MetricsTests", dependencies: ["Metrics", "Model"]),
        .testTarget(name: "ModelTests", dependencies: ["Model"]),
        .testTarget(name: "PricingTests", dependencies: ["Model", "Pricing"]),
        .testTarget(
            name: "ProgramTests",
            dependencies: [
                "Model", "Service", "Store", "llm-exporter",
                .product(name: "ArgumentParser", package: "swift-argument-parser"),
            ]),
        .testTarget(
            name: "ServiceTests",
            dependencies: [
                "Access", "Bodies", "Concurrency", "Configuration", "HTTP", "Ledger", "Metrics", "Model", "Service",
                "Store",
                .product(name: "Logging", package: "swift-log"),
            ]),
        .testTarget(name: "StoreTests", dependencies: ["Model", "Store"]),
        .testTarget(name: "SystemdTests", dependencies: ["Systemd"]),
    ],
    swiftLanguageModes: [.v6],
    cLanguageStandard: .gnu17,
    cxxLanguageStandard: .cxx17
)

// scripts/fuzz sets this. libFuzzer has a `main` of its own, so the targets are a library that the script links. Their
// second reader is that of the unit tests, which are left out as they hold the same files.
if Context.environment["LLM_EXPORTER_FUZZ"] != nil {
    package.targets.removeAll { $0.type == .test }
    package.targets += [
        .target(
            name: "SecondReader",
            dependencies: ["Bodies", "Formats", "Model", .product(name: "SwiftProtobuf", package: "swift-protobuf")],
            path: "Tests/FormatsTests/SecondReader", sources: ["SecondReader.swift", "otlp.pb.swift"]),
        .target(
            name: "Fuzz",
            dependencies: [
                "Bodies", "Configuration", "Formats", "Metrics", "Model", "Pricing", "SecondReader",
                .product(name: "SwiftProtobuf", package: "swift-protobuf"),
            ],
            path: "Fuzz/swift"),
    ]
    package.products = [.library(name: "Fuzz", type: .static, targets: ["Fuzz"])]
}

for target in package.targets {
    // By convention a target is written in C or C++ if its name begins with C and another capital.
    if target.name.prefix(2).allSatisfy(\.isUppercase), target.name.hasPrefix("C") {
        target.cSettings = (target.cSettings ?? []) + [.treatAllWarnings(as: .error)]
        target.cxxSettings = [.treatAllWarnings(as: .error)]
    } else {
        target.swiftSettings = [
            .strictMemorySafety(), .treatAllWarnings(as: .error), .enableUpcomingFeature("InternalImportsByDefault"),
        ]
    }
}
