internal import Glibc

/// Why records could not be sent. Each description is one line that names what failed, and the remedy.
package enum SendingError: Error, Equatable, CustomStringConvertible {
    /// The file, or what is known of an earlier run, cannot be read or does not fit.
    case unreadable(String)
    /// The mark of what was sent (`FILE.sent`) cannot be written.
    case unwritable(String)
    case outOfMemory
    /// The exporter refuses the records as they are: sending them again would not help.
    case refused(String)
    /// The exporter cannot be reached, or takes nothing for now.
    case unreachable(String)

    package var description: String {
        switch self {
        case .unreadable(let reason), .unwritable(let reason), .refused(let reason), .unreachable(let reason): reason
        case .outOfMemory: "out of memory"
        }
    }

    /// The system's text for an `errno`.
    static func reason(_ number: Int32) -> String {
        // Safe: the text is static, or the thread's own (glibc since 2.32), and copied at once.
        unsafe String(cString: strerror(number))
    }
}
