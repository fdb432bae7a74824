private import CSystemd
private import Glibc

/// The service manager that started the program, spoken to as sd_notify(3) says. Where none did, nobody listens.
package struct ServiceManager: Sendable {
    /// Whether there is one that wants to be told.
    package let isListening: Bool
    /// Within which it must be told that the program is alive, again and again; `nil` where it does not watch.
    package let watchdogInterval: Duration?

    /// Reads `NOTIFY_SOCKET`, `WATCHDOG_USEC` and `WATCHDOG_PID`.
    package init() {
        isListening = unsafe getenv("NOTIFY_SOCKET") != nil
        var microseconds: UInt64 = 0
        let isWatched = unsafe sd_watchdog_enabled(0, &microseconds) > 0
        watchdogInterval = isWatched && isListening ? .microseconds(Int64(clamping: microseconds)) : nil
    }

    /// What there is to tell.
    package enum Notice: Sendable {
        /// Started, or done with a reload.
        case ready
        /// A reload begins now.
        case reloading
        case stopping
        case alive
        /// A start takes longer: it is no failure within this from now on.
        case moreTime(Duration)
        /// For people, in one line.
        case status(String)

        fileprivate var assignments: String {
            switch self {
            case .ready: "READY=1"
            // The time lets the manager tell the end of this reload from that of an earlier one.
            case .reloading: "RELOADING=1\nMONOTONIC_USEC=\(Self.monotonicMicroseconds)"
            case .stopping: "STOPPING=1"
            case .alive: "WATCHDOG=1"
            case .moreTime(let time): "EXTEND_TIMEOUT_USEC=\(time.components.seconds * 1_000_000)"
            case .status(let text): "STATUS=" + text.split(whereSeparator: \.isNewline).joined(separator: " ")
            }
        }

        private static var monotonicMicroseconds: Int64 {
            var now = timespec()
            unsafe clock_gettime(CLOCK_MONOTONIC, &now)
            return Int64(now.tv_sec) * 1_000_000 + Int64(now.tv_nsec) / 1000
        }
    }

    /// Tells it all of this in one message. A message that cannot be sent is lost: the program goes on without.
    package func tell(_ notices: Notice...) {
        guard isListening else { return }
        unsafe sd_notify(0, notices.map(\.assignments).joined(separator: "\n"))
    }
}
