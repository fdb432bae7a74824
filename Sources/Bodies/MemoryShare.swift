/// A client's share of the memory for bodies. It counts until the object is freed.
package protocol MemoryShare: AnyObject, Sendable {
    /// Counts so many bytes more, at the cost of clients that hold more. False if there is no room for them.
    func grow(by bytes: Int) -> Bool
}
