/// A call that has begun and neither ended nor expired.
package struct OpenCall: Keyed, Equatable {
    /// Above 0, in the order of the starts.
    package let number: Int64
    package let id: Digest
    /// The name under which the call is counted.
    package let agentName: LabelValue
    package let sender: Sender
    package let begun: Instant

    package init(number: Int64, id: Digest, agentName: LabelValue, sender: Sender = .unknown, begun: Instant) {
        self.number = number
        self.id = id
        self.agentName = agentName
        self.sender = sender
        self.begun = begun
    }

    package var key: Digest { id }
}
