private import Yams

/// A value of a YAML file, with its place; each question that it cannot answer throws where it stands and what is wanted.
struct YAMLValue {
    private let node: Node
    private let file: String
    /// What the value is, for messages: `budgets[2].period`.
    let path: String
    /// Where it stands; an absent value has its parent's place.
    private let line: Int

    private init(_ node: Node, file: String, path: String, line: Int) {
        self.node = node
        self.file = file
        self.path = path
        self.line = node.mark?.line ?? line
    }

    /// The document of a text; `nil` where there is none.
    ///
    /// - Parameter file: named in errors.
    static func document(_ text: String, file: String) throws(ConfigurationError) -> YAMLValue? {
        do {
            guard let node = try Parser(yaml: text).singleRoot() else { return nil }
            return YAMLValue(node, file: file, path: "", line: 1)
        } catch let error as YamlError {
            throw ConfigurationError(file: file, error)
        } catch {
            throw ConfigurationError(file: file, line: nil, "\(error)")
        }
    }

    var isNull: Bool {
        guard case .scalar(let scalar) = node, scalar.style == .plain else { return false }
        return ["", "~", "null"].contains(scalar.string)
    }

    /// The members of a mapping, in their order.
    func members() throws(ConfigurationError) -> [(name: String, value: YAMLValue)] {
        guard case .mapping(let mapping) = node else { throw fault("must be a mapping (name: value)") }
        var members: [(name: String, value: YAMLValue)] = []
        for (key, value) in mapping {
            guard case .scalar(let name) = key else { throw fault("has a key that is no name") }
            let path = path.isEmpty ? name.string : "\(path).\(name.string)"
            members.append(
                (name.string, YAMLValue(value, file: file, path: path, line: key.mark?.line ?? line)))
        }
        return members
    }

    /// The members of a mapping that may have only these names.
    func members(of known: [String]) throws(ConfigurationError) -> [String: YAMLValue] {
        var members: [String: YAMLValue] = [:]
        for (name, value) in try self.members() {
            guard known.contains(name) else {
                throw value.fault("is not known here; the keys are \(known.joined(separator: ", "))")
            }
            members[name] = value
        }
        return members
    }

    func elements() throws(ConfigurationError) -> [YAMLValue] {
        guard case .sequence(let sequence) = node else { throw fault("must be a list (lines that begin with -)") }
        return sequence.enumerated().map { place, node in
            YAMLValue(node, file: file, path: "\(path)[\(place)]", line: line)
        }
    }

    func text() throws(ConfigurationError) -> String {
        guard case .scalar(let scalar) = node, !isNull else { throw fault("must be a text") }
        return scalar.string
    }

    /// A number as it is written.
    func number() throws(ConfigurationError) -> String {
        guard case .scalar(let scalar) = node, scalar.style == .plain else { throw fault("must be a number") }
        return scalar.string
    }

    func fault(_ text: String) -> ConfigurationError {
        ConfigurationError(file: file, line: line, path.isEmpty ? "the file \(text)" : "\(path) \(text)")
    }
}

extension ConfigurationError {
    fileprivate init(file: String, _ error: YamlError) {
        switch error {
        case .scanner(_, let problem, let mark, _), .parser(_, let problem, let mark, _),
            .composer(_, let problem, let mark, _):
            self.init(file: file, line: mark.line, "not YAML: \(problem)")
        case .duplicatedKeysInMapping(let duplicates, let context):
            self.init(
                file: file, line: context.mark.line,
                "a key stands twice in one mapping: \(duplicates.joined(separator: ", "))")
        case .reader(let problem, _, _, _): self.init(file: file, line: nil, "not YAML: \(problem)")
        default: self.init(file: file, line: nil, "not YAML: \(error)")
        }
    }
}
