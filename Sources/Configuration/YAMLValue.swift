internal import Model
internal import Pricing

/// A value of a YAML file, and its place in it.
///
/// A question that the value does not answer throws an error that says where the value is and what it must be.
struct YAMLValue {
    private let node: YAMLNode
    /// Named in errors.
    private let file: String
    /// The value's place in the document, for messages: `budgets[2].period`.
    private let path: String
    /// The line on which it begins; for a member, that of its name.
    private let line: Int

    private init(_ node: YAMLNode, file: String, path: String, line: Int? = nil) {
        self.node = node
        self.file = file
        self.path = path
        self.line = line ?? node.line
    }

    /// The document of a text; `nil` if there is none.
    static func document(_ text: String, file: String) throws(ConfigurationError) -> YAMLValue? {
        do throws(YAMLNode.Fault) {
            return try YAMLNode.document(text).map { YAMLValue($0, file: file, path: "") }
        } catch {
            throw ConfigurationError(file: file, line: error.line, error.text)
        }
    }

    var isNull: Bool {
        guard case .scalar(let text, isPlain: true) = node.content else { return false }
        return ["", "~", "null"].contains(text)
    }

    /// The members of a mapping, in their order.
    func members() throws(ConfigurationError) -> [(name: String, value: YAMLValue)] {
        guard case .mapping(let mapping) = node.content else { throw fault("must be a mapping (name: value)") }
        var members: [(name: String, value: YAMLValue)] = []
        var names: Set<String> = []
        for (key, value) in mapping {
            guard case .scalar(let name, _) = key.content else { throw fault("has a key that is no name") }
            let path = path.isEmpty ? name : "\(path).\(name)"
            let value = YAMLValue(value, file: file, path: path, line: key.line)
            guard names.insert(name).inserted else { throw value.fault("stands here a second time") }
            members.append((name, value))
        }
        return members
    }

    /// The members of a mapping; none if it is null.
    func membersUnlessNull() throws(ConfigurationError) -> [(name: String, value: YAMLValue)] {
        isNull ? [] : try members()
    }

    /// The members of a mapping that may have only these names.
    func members(of known: [String]) throws(ConfigurationError) -> [String: YAMLValue] {
        var members: [String: YAMLValue] = [:]
        for (name, value) in try self.members() {
            guard known.contains(name) else { throw value.unknown(among: known) }
            members[name] = value
        }
        return members
    }

    func elements() throws(ConfigurationError) -> [YAMLValue] {
        guard case .sequence(let elements) = node.content else {
            throw fault("must be a list (lines that begin with -)")
        }
        return elements.enumerated().map { YAMLValue($1, file: file, path: "\(path)[\($0)]") }
    }

    /// The elements of a list of rules, which is bounded: each call is compared with all of them.
    ///
    /// - Parameter title: their name in a message.
    func rules(_ title: String) throws(ConfigurationError) -> [YAMLValue] {
        let limit = 1000
        let elements = try elements()
        guard elements.count <= limit else { throw fault("has more than \(limit) \(title)") }
        return elements
    }

    func text() throws(ConfigurationError) -> String {
        guard case .scalar(let text, _) = node.content, !isNull else { throw fault("must be a string") }
        return text
    }

    func boolean() throws(ConfigurationError) -> Bool {
        guard case .scalar(let text, isPlain: true) = node.content, let value = ["true": true, "false": false][text]
        else {
            throw fault("must be true or false")
        }
        return value
    }

    /// A number, exactly as it is written; `nil` if it cannot be read as one.
    func number() throws(ConfigurationError) -> DecimalNumber? {
        guard case .scalar(let text, let isPlain) = node.content else { throw fault("must be a number") }
        guard isPlain else { throw fault("must be a number, without quotes") }
        return DecimalNumber(text.utf8)
    }

    func fault(_ text: String) -> ConfigurationError {
        ConfigurationError(file: file, line: line, path.isEmpty ? "the file \(text)" : "\(path) \(text)")
    }
}

extension YAMLValue: PriceValue {
    static var isLenient: Bool { false }

    var isList: Bool { if case .sequence = node.content { true } else { false } }

    func numbers() throws(ConfigurationError) -> [DecimalNumber?] {
        var numbers: [DecimalNumber?] = []
        for element in try elements() { numbers.append(try element.number()) }
        return numbers
    }

    func faultOfRange() -> ConfigurationError {
        fault("needs a range of two whole numbers of tokens, as in range: [0, 32000]")
    }
}
