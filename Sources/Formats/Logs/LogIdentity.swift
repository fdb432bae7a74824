internal import Model

/// Makes the ids of calls that log records report.
struct LogIdentity {
    private var input = DigestInput()

    // No agent can have these names. Each owns the ids of all agents: which agent a call belongs to is no part of it.
    static let requests = LabelValue("_request")
    private static let records = LabelValue("_log")

    /// Sets the id: the `request_id`, which the provider gave the call, else a digest of what makes the log record
    /// unique.
    ///
    /// - Parameter resource: its digest.
    /// - Returns: the owner of the id.
    mutating func write(_ call: CallLog, to draft: inout RecordDraft, resource: UInt128) -> LabelValue {
        let record = call.record
        if let id = record.text(.requestID) {
            draft.set(id: id)
            return Self.requests
        }
        input.removeAll()
        append(resource)
        input.append(part: call.event.rawValue.utf8)
        input.append(number: record.time)
        input.append(number: record.observedTime)
        append(record.trace)
        input.append(number: record.span)
        for name in [LogAttribute.sessionID, .conversationID, .model, .durationMilliseconds] + LogAttribute.counts {
            record.append(name, to: &input)
        }
        draft.set(id: String(input.digest128, radix: 16).utf8)
        return Self.records
    }

    /// The id that a log record with a `request_id` gets; `nil` for one that is too long.
    static func digest(ofRequest id: String) -> Digest? {
        guard !id.isEmpty, id.utf8.count <= RecordRules.idBytes else { return nil }
        var input = DigestInput()
        input.append(.agentName, requests)
        input.append(last: id)
        return Digest(bits: input.digest128)
    }

    private mutating func append(_ number: UInt128) {
        input.append(number: UInt64(truncatingIfNeeded: number >> 64))
        input.append(number: UInt64(truncatingIfNeeded: number))
    }
}
