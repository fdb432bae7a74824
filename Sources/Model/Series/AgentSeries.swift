/// The families of one agent.
package struct AgentSeries: NumberedSeries {
    package let number: Int64
    package let name: LabelValue
    package let block: LabelBlock
    /// Sets of this agent that are not folded; 0 for an agent known only by starts.
    package internal(set) var ownSets = 0
    package private(set) var memoryRSSMegabytes: Double?
    /// Calls begun and neither ended nor expired.
    package internal(set) var activeCalls: Int64 = 0
    /// Whether the agent ever sent a start; without one it has no `llm_active_calls`.
    package private(set) var reportsActiveCalls: Bool
    package private(set) var expiredCalls: Int64
    /// The arrival of the first start; `nil` if there was none, or version 0.1.0 stored it.
    package private(set) var firstStart: Instant?

    package init(
        number: Int64, name: LabelValue, memoryRSSMegabytes: Double? = nil, reportsActiveCalls: Bool = false,
        expiredCalls: Int64 = 0, firstStart: Instant? = nil
    ) {
        self.number = number
        self.name = name
        self.memoryRSSMegabytes = memoryRSSMegabytes
        self.reportsActiveCalls = reportsActiveCalls
        self.expiredCalls = expiredCalls
        self.firstStart = firstStart
        block = LabelBlock([("agent_name", name)])
    }

    package var key: LabelValue { name }

    mutating func add(_ record: CallRecord) {
        memoryRSSMegabytes = record.memoryRSSMegabytes ?? memoryRSSMegabytes
    }

    mutating func openCall(at arrival: Instant) {
        activeCalls += 1
        if !reportsActiveCalls { firstStart = arrival }
        reportsActiveCalls = true
    }

    mutating func closeCall() {
        activeCalls -= 1
    }

    mutating func expireCall() {
        closeCall()
        expiredCalls += 1
    }

    /// Places taken of the series limit.
    var places: Int { name == .other ? 0 : max(1, ownSets) }
}
