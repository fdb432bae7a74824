internal import Model

/// The attributes that the configuration names: those that name the agent before all others (`agent_attributes`), and
/// those by which calls of a subscription are recognised (`plans`).
package struct OperatorAttributes: Sendable {
    /// Each with its place in the operator's list.
    private let agentPlaces: AttributeNames<Int>
    /// Each with its name with `.` in place of `_`.
    private let kept: AttributeNames<String>
    let namesAgents: Bool
    let keepsValues: Bool

    package static let none = OperatorAttributes()

    /// `_` and `.` are the same in names.
    ///
    /// - Parameters:
    ///   - agentNames: the first that is there counts.
    ///   - kept: those whose values a call keeps.
    package init(agentNames: [String] = [], kept: Set<String> = []) {
        agentPlaces = AttributeNames(agentNames.enumerated().map { ($0.element, $0.offset) })
        self.kept = AttributeNames(kept.sorted().map { ($0, $0.replacing("_", with: ".")) })
        namesAgents = !agentNames.isEmpty
        keepsValues = !kept.isEmpty
    }

    fileprivate func agentPlace(of name: BorrowedBytes) -> Int? { namesAgents ? agentPlaces[name] : nil }
    fileprivate func keptName(of name: BorrowedBytes) -> String? { keepsValues ? kept[name] : nil }
}

/// The agent that the operator's attributes name.
struct ChosenAgent {
    /// `nil` if none of them is there, or none has a value that an agent may have as its name.
    private(set) var name: String?
    /// The place of its attribute in the operator's list.
    private var place = Int.max

    /// Takes what another place says, if its attribute comes before the one that is known.
    mutating func add(_ other: ChosenAgent) {
        if other.place < place { self = other }
    }

    /// Takes an attribute of a span, a log record or a resource.
    mutating func add(_ name: BorrowedBytes, _ value: BorrowedValue, by attributes: OperatorAttributes) {
        guard let place = attributes.agentPlace(of: name), place < self.place,
            let text = AttributeValue(value)?.description, text.isName
        else { return }
        self.name = text
        self.place = place
    }
}

/// The values of the attributes by which calls of a subscription are recognised.
struct KeptAttributes {
    /// The longest value that a configuration can name, in bytes.
    private static let longest = 256

    private(set) var values: [String: String] = [:]

    /// Takes an attribute of a span, a log record or a resource. If a name has several values, the first counts.
    mutating func add(_ name: BorrowedBytes, _ value: BorrowedValue, by attributes: OperatorAttributes) {
        guard let name = attributes.keptName(of: name), values[name] == nil,
            let text = AttributeValue(value)?.description, text.utf8.count <= Self.longest
        else { return }
        values[name] = text
    }

    /// Takes the values that are not known from another place.
    mutating func add(_ other: KeptAttributes) {
        values.merge(other.values) { own, _ in own }
    }
}

extension CallRecord {
    mutating func keep(_ kept: KeptAttributes) {
        if !kept.values.isEmpty { details = (details ?? .none).with(kept.values) }
    }
}
