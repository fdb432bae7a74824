private import Model

/// What is wrong with a price, an alias or a spelling, as one line for a person.
package struct PriceFault: Error, Sendable, CustomStringConvertible {
    package let description: String
    /// The name at fault, if it is one of several.
    package let name: String?

    package init(_ description: String, of name: String? = nil) {
        // Keys and values of a file may hold line breaks.
        self.description = description.onOneLine
        self.name = name
    }
}
