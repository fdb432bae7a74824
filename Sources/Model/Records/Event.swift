/// One thing that an agent reports: the start of a call, or its end.
package enum Event: Sendable {
    case start(CallStart)
    case end(CallRecord)
    /// The end of a call that another intake counts. It is no longer in flight.
    case uncounted(UncountedCall)

    package var agentName: LabelValue {
        switch self {
        case .start(let start): start.agentName
        case .end(let record): record.labels.agentName
        case .uncounted(let call): call.agentName
        }
    }
}

/// A call that began. Raises `llm_active_calls` until its end or the end of its lease.
package struct CallStart: Sendable {
    package let agentName: LabelValue
    package let id: RecordID

    package init(agentName: LabelValue, id: RecordID) {
        self.agentName = agentName
        self.id = id
    }
}

/// A call that has ended and that another intake counts.
package struct UncountedCall: Sendable {
    package let agentName: LabelValue
    package let id: RecordID

    package init(agentName: LabelValue, id: RecordID) {
        self.agentName = agentName
        self.id = id
    }
}
