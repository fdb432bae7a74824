/// Bytes of submissions that wait to be committed, in all and by client.
///
/// A client that is alone may use the whole limit. Beyond it there is as much again for clients that hold less than
/// their share of the limit.
struct WaitingBytes: Sendable {
    private(set) var bytes = 0
    private var byClient: [UInt64: Int] = [:]

    mutating func add(_ count: Int, of client: UInt64) {
        bytes += count
        byClient[client, default: 0] += count
    }

    mutating func remove(_ count: Int, of client: UInt64) {
        bytes -= count
        let left = (byClient[client] ?? 0) - count
        byClient[client] = left > 0 ? left : nil
    }

    /// Whether `count` bytes more of a client may wait.
    func hasRoom(for count: Int, of client: UInt64, limit: Int) -> Bool {
        // One submission always finds room.
        if bytes < limit { return true }
        let own = byClient[client] ?? 0
        let clients = byClient.count + (own == 0 ? 1 : 0)
        return own + count <= limit / clients && bytes < 2 * limit
    }
}
