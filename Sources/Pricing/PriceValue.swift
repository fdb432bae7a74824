package import Model

/// A value in a price entry, whatever the notation: JSON in a price file, YAML in the configuration.
///
/// A question that the value does not answer throws an error that says where the value is and what it must be.
package protocol PriceValue {
    associatedtype Fault: Error

    /// Whether entries are as in LiteLLM's table: fields of other names and ranges without an input rate are skipped,
    /// and null is absent. Otherwise these are errors: the author of a configuration has made a mistake.
    static var isLenient: Bool { get }

    var isNull: Bool { get }
    var isList: Bool { get }

    /// The members of an object or mapping, in their order.
    func members() throws(Fault) -> [(name: String, value: Self)]

    /// The elements of a list.
    func elements() throws(Fault) -> [Self]

    func text() throws(Fault) -> String

    /// A number, exactly as it is written; `nil` if it cannot be read as one.
    func number() throws(Fault) -> DecimalNumber?

    /// The numbers of a list, `nil` for each that cannot be read as one.
    func numbers() throws(Fault) -> [DecimalNumber?]

    /// - Parameter text: what is wrong, behind the value's name.
    func fault(_ text: String) -> Fault

    /// For a range of `tiered_pricing` whose bounds cannot be read.
    func faultOfRange() -> Fault
}

extension PriceValue {
    /// For a value whose name is none of those that are known.
    package func unknown(among known: [String]) -> Fault {
        fault("is not known here; the keys are \(known.joined(separator: ", "))")
    }
}
