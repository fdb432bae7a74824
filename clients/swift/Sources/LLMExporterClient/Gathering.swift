/// A record as it was taken from the agent; to be encoded off its path.
enum Item: Sendable {
    case start(LLMCallMetrics)
    case end(LLMCallMetrics, recordedAt: Double)

    /// Bytes of memory that it is charged for while it waits: more than it takes.
    var weight: Int {
        let call =
            switch self {
            case .start(let call), .end(let call, _): call
            }
        let names = call.agentName.utf8.count + call.provider.utf8.count + call.model.utf8.count
        func bytes(_ text: String?) -> Int { text?.utf8.count ?? 0 }
        let rest = bytes(call.id) + bytes(call.errorType) + bytes(call.traceID)
        let bill = bytes(call.responseModel) + bytes(call.serviceTier)
        return 1024 + names + rest + bill + call.status.rawValue.utf8.count
    }
}

/// Batches, each of one agent, that records have become; in the order in which the records came.
struct Gathering: Sendable {
    private(set) var batches: [Batch] = []
    /// The fields whose value did not fit, one for each record and field.
    private(set) var mended: [String] = []

    /// - `firstPlace`: the place of the first item; see `Batch.firstPlace`.
    init(_ items: [Item], firstPlace: Int, newID: () -> String) {
        var open: [String: Batch] = [:]
        var agents: [String] = []
        for item in items {
            let line =
                switch item {
                case .start(let call): RecordLine(start: call, newID: newID)
                case .end(let call, let recordedAt): RecordLine(end: call, recordedAt: recordedAt, newID: newID)
                }
            mended += line.mended
            let new = Batch(agentName: line.agentName, firstPlace: firstPlace, created: .now)
            if open[line.agentName] == nil { agents.append(line.agentName) }
            if open[line.agentName, default: new].append(line.bytes) { continue }
            if let full = open.updateValue(new, forKey: line.agentName) { batches.append(full) }
            _ = open[line.agentName]?.append(line.bytes)
        }
        batches += agents.compactMap { open[$0] }
    }
}
