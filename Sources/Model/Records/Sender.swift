/// Who sent a record, for shares among senders: a user or token of the web configuration, else a network.
package struct Sender: Hashable, Sendable {
    /// `user ann`, `token ci` or `address 192.0.2.1`; empty if it is not known.
    package let text: LabelValue

    package static let unknown = Sender("")

    package init(_ text: String) {
        self.text = LabelValue(text)
    }
}
