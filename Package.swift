// swift-tools-version: 6.2
import PackageDescription

let package = Package(
    name: "llm-exporter",
    dependencies: [],
    targets: [
        .target(name: "Model"),
        .target(name: "Bytes"),
        .target(name: "Exposition", dependencies: ["Model"]),
        .testTarget(name: "ModelTests", dependencies: ["Model"]),
        .testTarget(name: "ExpositionTests", dependencies: ["Exposition", "Model"]),
    ],
    swiftLanguageModes: [.v6],
    cxxLanguageStandard: .cxx17
)

for target in package.targets where target.type != .system {
    target.swiftSettings = [
        .strictMemorySafety(), .treatAllWarnings(as: .error), .enableUpcomingFeature("ExistentialAny"),
    ]
}
