// swift-tools-version: 6.2
import PackageDescription

let package = Package(
    name: "llm-exporter",
    dependencies: [
        .package(url: "https://github.com/apple/swift-log.git", exact: "1.16.2")
    ],
    targets: [
        .systemLibrary(name: "CCurl", pkgConfig: "libcurl", providers: [.apt(["libcurl4-openssl-dev"])]),
        .target(name: "CCurlShim", dependencies: ["CCurl"]),
        .target(name: "HTTPClient", dependencies: ["CCurlShim"]),
        .target(
            name: "Simulation",
            dependencies: ["HTTPClient", .product(name: "Logging", package: "swift-log")]),
        .target(name: "LoopbackServer", path: "Tests/LoopbackServer"),
        .testTarget(name: "HTTPClientTests", dependencies: ["HTTPClient", "LoopbackServer"]),
        .testTarget(
            name: "SimulationTests",
            dependencies: ["Simulation", "LoopbackServer", .product(name: "Logging", package: "swift-log")]),
    ],
    swiftLanguageModes: [.v6]
)

for target in package.targets where target.type != .system {
    target.swiftSettings = [.strictMemorySafety(), .treatAllWarnings(as: .error)]
    target.cSettings = [.treatAllWarnings(as: .error)]
}
