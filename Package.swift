// swift-tools-version: 6.2
import PackageDescription

let package = Package(
    name: "llm-exporter",
    dependencies: [],
    targets: [
        // The road of a record, in the order in which bytes meet it (docs/architecture).
        .systemLibrary(name: "CMicroHTTPD", pkgConfig: "libmicrohttpd", providers: [.apt(["libmicrohttpd-dev"])]),
        .target(name: "CHTTPShim", dependencies: ["CMicroHTTPD"]),
        .target(name: "Bytes"),
        .target(name: "HTTPServer", dependencies: ["Bytes", "CHTTPShim"]),
        .systemLibrary(name: "CZlib", pkgConfig: "zlib", providers: [.apt(["zlib1g-dev"])]),
        .systemLibrary(name: "CZstd", pkgConfig: "libzstd", providers: [.apt(["libzstd-dev"])]),
        .target(name: "CContentCoding", dependencies: ["CZlib", "CZstd"]),
        .target(name: "ContentCoding", dependencies: ["Bytes", "CContentCoding"]),
        .target(name: "Model"),
    ],
    swiftLanguageModes: [.v6],
    cxxLanguageStandard: .cxx17
)

for target in package.targets where target.type != .system {
    target.swiftSettings = [
        .strictMemorySafety(), .treatAllWarnings(as: .error), .enableUpcomingFeature("ExistentialAny"),
    ]
}
