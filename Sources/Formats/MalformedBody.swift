/// Why a body was refused as a whole. None of its records is applied.
package struct MalformedBody: Error, Sendable {
    /// What is wrong, where, and the remedy.
    package let detail: String

    package init(detail: String) {
        self.detail = detail
    }
}
