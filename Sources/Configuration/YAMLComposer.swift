/// Makes nodes of events, with each alias replaced by the value that it repeats.
///
/// Not libyaml's own loader, which takes time with the square of the depth and of the number of anchors.
struct YAMLComposer {
    private let events: YAMLEvents
    private var anchors: [String: Anchored] = [:]
    /// The values so far. Those that an alias repeats count again.
    private var count = 0

    /// Aliases can make a short text a huge value, or an endless one.
    private static let depthLimit = 32
    private static let valueLimit = 100_000
    private static let anchorLimit = 1000

    private enum Anchored {
        /// Its value has not ended yet.
        case open
        case value(Subtree)
    }

    /// A node, and what its repetition adds to the limits.
    private struct Subtree {
        let node: YAMLNode
        let levels: Int
        let count: Int
    }

    init(events: YAMLEvents) { self.events = events }

    /// - Throws: also if there is a second document.
    mutating func onlyDocument() throws(YAMLNode.Fault) -> YAMLNode? {
        var document: YAMLNode?
        while true {
            let event = try events.next()
            switch event.kind {
            case .streamEnd: return document
            case .documentStart:
                guard document == nil else {
                    throw YAMLNode.Fault(
                        line: event.line, text: "a second document begins here; the file has one")
                }
                document = try subtree(try events.next(), depth: 1).node
            default: break
            }
        }
    }

    /// - Parameter depth: the level of the value that begins with the event; 1 for the document's.
    private mutating func subtree(_ event: YAMLEvents.Event, depth: Int) throws(YAMLNode.Fault) -> Subtree {
        if case .alias(let anchor) = event.kind { return try repetition(of: anchor, line: event.line, depth: depth) }
        count += 1
        try checkLimits(depth: depth, line: event.line)
        if let anchor = event.anchor { try begin(anchor, line: event.line) }
        let countBefore = count
        var levels = 1
        let content = try content(event, depth: depth, &levels)
        let subtree = Subtree(
            node: YAMLNode(content: content, line: event.line), levels: levels, count: count - countBefore + 1)
        if let anchor = event.anchor { anchors[anchor] = .value(subtree) }
        return subtree
    }

    /// - Parameter levels: raised to the number of levels of the value.
    private mutating func content(_ event: YAMLEvents.Event, depth: Int, _ levels: inout Int) throws(YAMLNode.Fault)
        -> YAMLNode.Content
    {
        func part(_ event: YAMLEvents.Event) throws(YAMLNode.Fault) -> YAMLNode {
            let part = try subtree(event, depth: depth + 1)
            levels = max(levels, part.levels + 1)
            return part.node
        }
        switch event.kind {
        case .scalar(let text, let isPlain): return .scalar(text, isPlain: isPlain)
        case .sequenceStart:
            var elements: [YAMLNode] = []
            while let event = try nextUnlessEnd() { elements.append(try part(event)) }
            return .sequence(elements)
        case .mappingStart:
            var members: [(key: YAMLNode, value: YAMLNode)] = []
            while let event = try nextUnlessEnd() { members.append((try part(event), try part(try events.next()))) }
            return .mapping(members)
        default: throw YAMLNode.Fault(line: event.line, text: "not YAML: a value is missing")
        }
    }

    /// `nil` at the end of a sequence or mapping.
    private func nextUnlessEnd() throws(YAMLNode.Fault) -> YAMLEvents.Event? {
        let event = try events.next()
        if case .end = event.kind { return nil }
        return event
    }

    // MARK: Aliases

    private mutating func begin(_ anchor: String, line: Int) throws(YAMLNode.Fault) {
        guard anchors[anchor] == nil else {
            throw YAMLNode.Fault(
                line: line, text: "not YAML: found duplicate anchor; first occurrence: second occurrence")
        }
        guard anchors.count < Self.anchorLimit else { throw Self.beyondLimits(line: line) }
        anchors[anchor] = .open
    }

    private mutating func repetition(of anchor: String, line: Int, depth: Int) throws(YAMLNode.Fault) -> Subtree {
        switch anchors[anchor] {
        case nil: throw YAMLNode.Fault(line: line, text: "not YAML: found undefined alias")
        // Within the value that it repeats: endless.
        case .open: throw Self.beyondLimits(line: line)
        case .value(let subtree):
            count += subtree.count
            try checkLimits(depth: depth + subtree.levels - 1, line: line)
            return subtree
        }
    }

    private func checkLimits(depth: Int, line: Int) throws(YAMLNode.Fault) {
        guard depth <= Self.depthLimit, count <= Self.valueLimit else { throw Self.beyondLimits(line: line) }
    }

    private static func beyondLimits(line: Int) -> YAMLNode.Fault {
        YAMLNode.Fault(
            line: line,
            text: "nested more than \(depthLimit) levels, or more than \(valueLimit) values or \(anchorLimit) anchors")
    }
}
