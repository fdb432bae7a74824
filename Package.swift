// swift-tools-version: 6.2
import PackageDescription

let package = Package(
    name: "llm-exporter",
    dependencies: [],
    targets: [
        .target(name: "Model"),
        .target(name: "Bytes"),
        .systemLibrary(name: "CXXHash", pkgConfig: "libxxhash", providers: [.apt(["libxxhash-dev"])]),
        .target(name: "CSimdjson", linkerSettings: [.linkedLibrary("simdjson")]),
        .target(name: "Intake", dependencies: ["Model", "Bytes", "CSimdjson", "CXXHash"]),
        .testTarget(name: "IntakeTests", dependencies: ["Intake", "Model", "Bytes"]),
    ],
    swiftLanguageModes: [.v6],
    cxxLanguageStandard: .cxx17
)

for target in package.targets where target.type != .system {
    target.swiftSettings = [
        .strictMemorySafety(), .treatAllWarnings(as: .error), .enableUpcomingFeature("ExistentialAny"),
    ]
}
