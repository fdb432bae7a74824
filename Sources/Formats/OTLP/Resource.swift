/// A resource: the process that sent its spans.
struct Resource {
    private var values: [(name: ResourceAttribute, value: AttributeValue)] = []
    /// The same for two resources with equal attributes, in any order.
    private var fingerprint = 0
    private let operatorAttributes: OperatorAttributes
    private var chosenAgent = ChosenAgent()
    private(set) var kept = KeptAttributes()

    /// - Parameter operatorAttributes: those that the configuration names.
    init(_ operatorAttributes: OperatorAttributes = .none) {
        self.operatorAttributes = operatorAttributes
    }

    /// If a name has several values, the first counts.
    mutating func add(_ name: BorrowedBytes, _ value: BorrowedValue) {
        guard !value.isBlank else { return }
        var hasher = Hasher()
        // Safe: the bytes are read while the closures run.
        unsafe name.withUnsafeBytes { unsafe hasher.combine(bytes: UnsafeRawBufferPointer($0)) }
        hasher.combine(name.count)
        switch value {
        case .text(let text): unsafe text.withUnsafeBytes { unsafe hasher.combine(bytes: UnsafeRawBufferPointer($0)) }
        case .boolean(let value): hasher.combine(value)
        case .integer(let number): hasher.combine(number)
        case .double(let number): hasher.combine(number)
        }
        fingerprint &+= hasher.finalize()
        chosenAgent.add(name, value, by: operatorAttributes)
        kept.add(name, value, by: operatorAttributes)
        if let name = ResourceAttribute.names[name], self[name] == nil, let value = AttributeValue(value) {
            values.append((name, value))
        }
    }

    private subscript(name: ResourceAttribute) -> AttributeValue? {
        values.first { $0.name == name }?.value
    }

    /// The agent that its spans and log records belong to if they name none.
    var agent: ResourceAgent {
        func name(_ attribute: ResourceAttribute) -> String? { self[attribute]?.text.flatMap { $0.isName ? $0 : nil } }
        // SDKs send this if the operator did not name the service.
        let service = name(.serviceName).flatMap { $0.hasPrefix("unknown_service") ? nil : $0 }
        return ResourceAgent(
            chosen: chosenAgent, explicit: name(.agentName), implied: service ?? name(.project))
    }

    /// The attributes that distinguish a process from others.
    enum Process: Hashable {
        case instance(service: String, String)
        case process(service: String, host: String, String)
        case other(Int)
    }

    /// Its instance, else its host and process id, else all that its resource says.
    var process: Process {
        let service = self[.serviceName]?.description ?? ""
        if let instance = self[.instance] { return .instance(service: service, instance.description) }
        // Without its host the process id says nothing: in containers it is always 1.
        if let process = self[.process], let host = self[.host] {
            return .process(service: service, host: host.description, process.description)
        }
        return .other(fingerprint)
    }
}

/// The agent that a resource names.
struct ResourceAgent {
    /// By an attribute that the operator chose.
    let chosen: ChosenAgent
    /// By an attribute that is for this alone.
    let explicit: String?
    /// By the name of its service or project.
    let implied: String?

    var name: String { explicit ?? implied ?? "unknown" }
}

/// The attributes of a resource that are read.
private enum ResourceAttribute: String, NamedAttribute {
    case agentName = "agent_name"
    case serviceName = "service.name"
    case instance = "service.instance.id"
    case host = "host.name"
    case process = "process.pid"
    /// OpenInference's.
    case project = "openinference.project.name"

    static let names = AttributeNames<ResourceAttribute>()
}
