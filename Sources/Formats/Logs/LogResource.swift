/// The resource of log records, and its part of their ids.
struct LogResource {
    private(set) var resource: Resource
    private let agentAttributes: AgentAttributes
    /// The same for equal attributes in any order, in all versions: ids are remembered across restarts.
    private(set) var digest: UInt128 = 0
    private var input = DigestInput()

    /// - Parameter agentAttributes: those by which the operator names agents.
    init(_ agentAttributes: AgentAttributes = .none) {
        self.agentAttributes = agentAttributes
        resource = Resource(agentAttributes)
    }

    /// Begins another resource; memory is kept.
    mutating func removeAll() {
        resource = Resource(agentAttributes)
        digest = 0
    }

    mutating func add(_ name: BorrowedBytes, _ value: BorrowedValue) {
        resource.add(name, value)
        input.removeAll()
        input.append(part: name)
        switch value {
        case .text(let text): input.append(part: text)
        case .boolean(let value): input.append(number: value ? 1 : 0)
        case .integer(let number): input.append(number: UInt64(bitPattern: number))
        case .double(let number): input.append(number: number.bitPattern)
        }
        digest &+= input.digest128
    }
}
