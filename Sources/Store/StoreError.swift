private import Glibc

/// Why the store could not do what it was asked.
package struct StoreError: Error, Sendable, CustomStringConvertible {
    package enum Kind: Sendable {
        /// No space is left.
        case full
        /// The disk, or the system, refused; it may pass.
        case failed
        /// What is there is not what was written.
        case damaged
        /// Another program holds the folder.
        case inUse
        /// The histograms have other bounds than those asked for, and cannot be converted.
        case boundsChanged
    }

    package let kind: Kind
    /// What is wrong, where, and what to do.
    package let description: String

    init(_ kind: Kind, _ description: String) {
        self.kind = kind
        self.description = description
    }

    /// The last error of the system.
    static func system(_ doing: String, errno: Int32) -> StoreError {
        StoreError(isFull(errno: errno) ? .full : .failed, "\(doing): \(text(errno: errno))")
    }

    static func isFull(errno: Int32) -> Bool { errno == ENOSPC || errno == EDQUOT }

    static func text(errno: Int32) -> String {
        // Safe: the text is static, or the thread's own (glibc since 2.32), and copied at once.
        unsafe String(cString: strerror(errno))
    }
}
