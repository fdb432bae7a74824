import Foundation
import LLMExporterClient

// An agent to be killed. A line of input is obeyed and answered by itself: a number records as many calls, bit by bit,
// `flush` flushes. The environment says where the exporter and the spool are.
var configuration = LLMMonitor.Configuration()
configuration.linger = .milliseconds(2)
let monitor = LLMMonitor(configuration: configuration)

while let line = readLine() {
    if let count = Int(line) {
        for _ in 0..<count {
            monitor.record(LLMCallMetrics(agentName: "A", provider: "openai", model: "gpt", inputTokens: 1))
            try await Task.sleep(for: .milliseconds(1))
        }
    } else {
        _ = await monitor.flush()
    }
    // Print would wait for a full buffer.
    try FileHandle.standardOutput.write(contentsOf: Data("\(line)\n".utf8))
}
