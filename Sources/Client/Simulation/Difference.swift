/// One figure that was read back otherwise than it was sent.
package struct Difference: Equatable, Sendable, CustomStringConvertible {
    /// Where it was read, and of what.
    package let place: String
    package let sent: String
    package let readBack: String

    package var description: String { "\(place): sent \(sent), read back \(readBack)" }
}
