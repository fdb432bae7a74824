private import CSystemd
private import Glibc
private import Model

/// The service manager that started the program (sd_notify(3)). If none did, every notice is dropped.
package struct ServiceManager: Sendable {
    /// Whether there is one that reads notices.
    package let isListening: Bool
    /// The longest time between two `alive` notices; `nil` if the manager does not watch.
    package let watchdogInterval: Duration?

    /// Reads `NOTIFY_SOCKET`, `WATCHDOG_USEC` and `WATCHDOG_PID`.
    package init() {
        // Safe: the text is not read, only whether there is one.
        isListening = unsafe getenv("NOTIFY_SOCKET") != nil
        var microseconds: UInt64 = 0
        // Safe: it is written during the call only.
        let isWatched = unsafe sd_watchdog_enabled(0, &microseconds) > 0
        watchdogInterval = isWatched && isListening ? .microseconds(Int64(clamping: microseconds)) : nil
    }

    /// One state of the program.
    package enum Notice: Sendable {
        /// The start, or a reload, is done.
        case ready
        /// A reload begins now.
        case reloading
        case stopping
        case alive
        /// A start takes longer: it must not fail within this time from now on.
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
            case .moreTime(let time): "EXTEND_TIMEOUT_USEC=\(time.wholeMicroseconds)"
            case .status(let text): "STATUS=" + text.split(whereSeparator: \.isNewline).joined(separator: " ")
            }
        }

        private static var monotonicMicroseconds: Int64 {
            var now = timespec()
            // Safe: it is written during the call only.
            unsafe clock_gettime(CLOCK_MONOTONIC, &now)
            return Int64(now.tv_sec) * 1_000_000 + Int64(now.tv_nsec) / 1000
        }
    }

    /// Sends all of this in one message. A message that cannot be sent is lost: the program works without a manager.
    package func notify(_ notices: Notice...) {
        guard isListening else { return }
        // Safe: the text is lent as a C string for the call.
        unsafe sd_notify(0, notices.map(\.assignments).joined(separator: "\n"))
    }
}
