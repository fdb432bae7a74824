internal import Model

/// The log records of a request, as they are read: each belongs to the resource that was begun last.
struct RequestLogs {
    private let arrival: Instant
    private var rules = RecordRules()
    private var draft = RecordDraft()
    private var identity = LogIdentity()
    private var warnings = BodyWarnings()
    private var events: [(index: Int, event: Event)] = []
    private var rejections = RejectedRecords()
    private var ignored = IgnoredLogRecords()
    private var count = 0

    let agentAttributes: AgentAttributes
    private var resource = Resource()
    private var resourceDigest: UInt128 = 0

    /// - Parameters:
    ///   - arrival: the time of exemplars that have none of their own.
    ///   - agentAttributes: those by which the operator names agents.
    init(arrival: Instant, _ agentAttributes: AgentAttributes = .none) {
        self.arrival = arrival
        self.agentAttributes = agentAttributes
    }

    /// - Parameter digest: the same for equal resources, also after a restart.
    mutating func begin(_ resource: Resource, digest: UInt128) {
        self.resource = resource
        resourceDigest = digest
    }

    mutating func add(_ record: LogRecord) {
        defer { count += 1 }
        guard let call = CallLog(record) else {
            ignored.add(record.shownName)
            return
        }
        draft.removeAll()
        call.write(to: &draft, resource)
        let owner = identity.write(call, to: &draft, resource: resourceDigest)
        rules.begin(idempotencyKey: nil, arrival: arrival, idOwner: owner)
        do throws(RecordFault) {
            let event = try draft.event(index: count, by: &rules, warnings: &warnings)
            events.append((count, event.comparedByID(reportsRequest: owner == LogIdentity.requests)))
        } catch {
            rejections.append(index: count, of: draft.validAgentName, error.code) { error.rejection() }
        }
    }

    var batch: DecodedBatch {
        DecodedBatch(events: events, rejections: rejections, warnings: warnings, ignoredLogRecords: ignored)
    }
}

extension Event {
    /// The same with an id that alone decides whether a call was counted before: another report of the call may say
    /// more or less about it.
    ///
    /// - Parameter reportsRequest: whether the id is that of the request, which a span may have too.
    fileprivate func comparedByID(reportsRequest: Bool) -> Event {
        guard case .end(var record) = self, let id = record.id else { return self }
        record.id = RecordID(call: id.call, content: 0)
        if reportsRequest { record.report = CallReport(requestID: id.call) }
        return .end(record)
    }
}
