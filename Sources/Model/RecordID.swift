/// What is remembered of a record's `id`: digests, so that remembering costs the same whatever the id's length.
package struct RecordID: Hashable, Sendable {
    /// Digest of agent_name and id.
    package let call: Digest
    /// Digest of the known fields after parsing, without `timestamp` and `trace_id`; tells a retry from a reused id.
    package let content: UInt64

    package init(call: Digest, content: UInt64) {
        self.call = call
        self.content = content
    }

    /// The key under which the end record is remembered.
    package var end: Digest { call }
    /// The key under which the start is remembered, apart from the end.
    package var start: Digest { call.forStart }
}

/// 128 bits: among 5,000,000 ids two are equal by chance with probability below 1e-25.
package struct Digest: Hashable, Sendable {
    package let bits: UInt128

    package init(bits: UInt128) {
        self.bits = bits
    }

    fileprivate var forStart: Digest { Digest(bits: bits ^ 0x5354_4152_5453_5441_5254_5354_4152_5453) }
}
