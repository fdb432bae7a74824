private import Glibc

/// Why the store could not do what it was asked.
package struct StoreError: Error, Sendable, CustomStringConvertible {
    package enum Kind: Sendable {
        /// No space is left.
        case full
        /// The disk or the system refused; a later attempt may succeed.
        case failed
        /// The stored data is not what was written.
        case damaged
        /// Another program holds the folder.
        case inUse
        /// The stored histograms cannot be converted to the bounds of the settings.
        case boundsChanged
    }

    package let kind: Kind
    /// The fault, its place and its remedy.
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

extension StoreError {
    /// The same error for the operator: with the file, and what to do.
    func naming(_ database: String) -> StoreError {
        switch kind {
        case .damaged:
            StoreError(
                kind,
                "\(database) is damaged, and was left as it is: \(description). Keep a copy of the folder; "
                    + "then restore a backup into an empty folder, or start with another --storage.path")
        case .full, .failed: StoreError(kind, "cannot use \(database): \(description)")
        case .inUse, .boundsChanged: self
        }
    }
}
