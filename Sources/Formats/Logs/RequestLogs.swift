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

    let operatorAttributes: OperatorAttributes
    private var resource = Resource()
    private var resourceDigest: UInt128 = 0

    /// - Parameters:
    ///   - arrival: the time of exemplars that have none of their own.
    ///   - operatorAttributes: those that the configuration names.
    init(arrival: Instant, _ operatorAttributes: OperatorAttributes = .none) {
        self.arrival = arrival
        self.operatorAttributes = operatorAttributes
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
            var kept = record.kept
            kept.add(resource.kept)
            events.append((count, event.reported(ofRequest: owner == LogIdentity.requests, kept)))
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
    /// - Parameters:
    ///   - ofRequest: whether the id is that of the request, which a span may have too.
    ///   - kept: of the record and its resource.
    fileprivate func reported(ofRequest: Bool, _ kept: KeptAttributes) -> Event {
        guard case .end(var record) = self, let id = record.id else { return self }
        record.keep(kept)
        record.id = RecordID(call: id.call, content: 0)
        if ofRequest { record.report = CallReport(requestID: id.call) }
        return .end(record)
    }
}
