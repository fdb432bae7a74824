private import Glibc
package import Model

/// The time of day when it was made, plus the time that has passed since, also if the system's clock is set.
///
/// Setting the clock must neither end leases and ids early nor keep them longer. Time during which the host sleeps
/// counts (CLOCK_BOOTTIME).
package struct SteadyClock: Sendable {
    private let offset = Instant.wallClock.unixMilliseconds - Self.sinceBoot

    package init() {}

    package var now: Instant { Instant(unixMilliseconds: offset + Self.sinceBoot) }

    private static var sinceBoot: Int64 {
        var now = timespec()
        // Safe: the call fills the local struct.
        unsafe clock_gettime(CLOCK_BOOTTIME, &now)
        return Int64(now.tv_sec) * 1000 + Int64(now.tv_nsec) / 1_000_000
    }
}

extension Instant {
    /// Now, by the system's clock.
    package static var wallClock: Instant {
        var now = timespec()
        // Safe: the call fills the local struct.
        unsafe clock_gettime(CLOCK_REALTIME, &now)
        return Instant(unixMilliseconds: Int64(now.tv_sec) * 1000 + Int64(now.tv_nsec) / 1_000_000)
    }
}
