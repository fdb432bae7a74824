/// A record's `id` as it is remembered: digests, which cost the same for an id of any length.
package struct RecordID: Hashable, Sendable {
    /// Digest of agent_name and id.
    package let call: Digest
    /// Digest of the known fields after parsing, without `timestamp` and `trace_id`; distinguishes a retry from a
    /// reused id. `nil` if the id alone decides: not every sender repeats a report word for word.
    package let content: UInt64?

    package init(call: Digest, content: UInt64?) {
        self.call = call
        self.content = content
    }

    /// The key under which the end record is remembered.
    package var end: Digest { call }
    /// The key under which the start is remembered, apart from the end.
    package var start: Digest { call.forStart }
}
