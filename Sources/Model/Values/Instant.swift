/// A moment of the wall clock in milliseconds since 1970, UTC. The clock is always a parameter.
package struct Instant: Hashable, Comparable, Sendable {
    package let unixMilliseconds: Int64

    package init(unixMilliseconds: Int64) {
        self.unixMilliseconds = unixMilliseconds
    }

    package static func < (left: Instant, right: Instant) -> Bool {
        left.unixMilliseconds < right.unixMilliseconds
    }

    package func adding(_ duration: Duration) -> Instant {
        Instant(unixMilliseconds: unixMilliseconds + duration.wholeMilliseconds)
    }
}

extension Duration {
    package var wholeMilliseconds: Int64 {
        components.seconds * 1000 + components.attoseconds / 1_000_000_000_000_000
    }

    /// In microseconds, for the exporter's own duration histograms.
    package var wholeMicroseconds: Int64 {
        components.seconds * 1_000_000 + components.attoseconds / 1_000_000_000_000
    }
}
