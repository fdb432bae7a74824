/// The attributes that name the agent before all others: `agent_attributes` in the configuration.
package struct AgentAttributes: Sendable {
    /// Each with its place in the operator's list.
    private let places: AttributeNames<Int>
    let isEmpty: Bool

    package static let none = AgentAttributes([])

    /// - Parameter names: the first that is there counts. `_` and `.` are the same in them.
    package init(_ names: [String]) {
        places = AttributeNames(names.enumerated().map { ($0.element, $0.offset) })
        isEmpty = names.isEmpty
    }

    fileprivate subscript(name: BorrowedBytes) -> Int? { isEmpty ? nil : places[name] }
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
    mutating func add(_ name: BorrowedBytes, _ value: BorrowedValue, by attributes: AgentAttributes) {
        guard let place = attributes[name], place < self.place, let text = AttributeValue(value)?.description,
            text.isName
        else { return }
        self.name = text
        self.place = place
    }
}
