/// One figure that differs between what was sent and what was read back.
package struct Difference: Equatable, Sendable, CustomStringConvertible {
    /// The request that read it, and the name of the figure.
    package let place: String
    package let sent: String
    package let readBack: String

    package var description: String { "\(place): sent \(sent), read back \(readBack)" }
}
