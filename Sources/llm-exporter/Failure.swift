/// A failure that ends the program, as one line.
struct Failure: Error, CustomStringConvertible {
    /// Names what failed, where, and the remedy.
    let description: String
    let exitCode: Int32
    /// Whether the log holds it already.
    var isLogged = false

    /// A failure at run time (docs/flags.md).
    static let runtime: Int32 = 1
    /// Bad flags or configuration (docs/flags.md).
    static let usage: Int32 = 2

    init(_ description: String, exitCode: Int32 = Failure.runtime) {
        self.description = description
        self.exitCode = exitCode
    }
}
