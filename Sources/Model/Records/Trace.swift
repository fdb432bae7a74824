/// A trace to point at from the latency bucket that the call fell into (an OpenMetrics exemplar).
package struct Trace: Sendable, Equatable {
    /// 1 to 64 hexadecimal digits, as sent.
    package let id: String
    /// Milliseconds since 1970: the record's `timestamp` if within the last 10 minutes, else its arrival.
    package let unixMilliseconds: Int64

    package init(id: String, unixMilliseconds: Int64) {
        self.id = id
        self.unixMilliseconds = unixMilliseconds
    }
}
