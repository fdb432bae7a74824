import Glibc

/// The entry points that libFuzzer calls. The name of the program selects the target: scripts/fuzz links one program
/// and gives it a name for each.
@_cdecl("LLVMFuzzerInitialize")
public func initialize(
    _ count: UnsafeMutablePointer<CInt>,
    _ arguments: UnsafeMutablePointer<UnsafeMutablePointer<UnsafeMutablePointer<CChar>>>
) -> CInt {
    // Safe: libFuzzer passes the arguments of `main`, of which the first is there.
    let name = unsafe String(cString: arguments.pointee[0]).split(separator: "/").last.map(String.init) ?? ""
    guard let found = targets[name] else {
        print("no target '\(name)'; there are: \(targets.keys.sorted().joined(separator: ", "))")
        exit(2)
    }
    unsafe target = found
    return 0
}

/// Tests one input.
@_cdecl("LLVMFuzzerTestOneInput")
public func test(_ bytes: UnsafePointer<UInt8>?, _ count: Int) -> CInt {
    // Safe: the bytes are copied before this returns; `target` is set before the first call and never again.
    unsafe target(Array(UnsafeBufferPointer(start: bytes, count: count)))
    return 0
}

private let targets: [String: @Sendable ([UInt8]) -> Void] = [
    "records": RecordsTarget.test,
    "litellm": { BodyTarget.test(LiteLLMTarget.format, $0) },
    "traces-protobuf": TracesTarget.test,
    "traces-json": { BodyTarget.test(TracesTarget.json, $0) },
    "logs-protobuf": LogsTarget.test,
    "logs-json": { BodyTarget.test(LogsTarget.json, $0) },
    "metrics-protobuf": { BodyTarget.test(MetricsTarget.protobuf, $0) },
    "metrics-json": { BodyTarget.test(MetricsTarget.json, $0) },
    "configuration": ConfigurationTarget.test,
    "prices": PricesTarget.test,
    "exposition": ExpositionTarget.test,
]

// libFuzzer uses one thread.
nonisolated(unsafe) private var target: @Sendable ([UInt8]) -> Void = { _ in }

/// A rule that a target checks: if it does not hold, the process ends with its text.
func require(_ holds: Bool, _ text: @autoclosure () -> String, line: UInt = #line, file: StaticString = #fileID) {
    guard !holds else { return }
    print("\(file):\(line): violated: \(text())")
    // abort() writes nothing that waits in a buffer.
    fflush(nil)
    abort()
}
