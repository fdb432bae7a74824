/// One start or end, as it is remembered.
package struct RememberedID: Keyed, Equatable {
    package let key: Digest
    /// Digest of what was sent; 0 for a start.
    package let content: UInt64

    package init(key: Digest, content: UInt64) {
        self.key = key
        self.content = content
    }
}
