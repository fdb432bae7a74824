/// A JSON object that is asked for one value at a time: a value of another type is absent. Only within `init(from:)`.
struct JSONObject: Decodable {
    private struct Key: CodingKey {
        let stringValue: String
        var intValue: Int? { nil }
        init(stringValue: String) { self.stringValue = stringValue }
        init?(intValue: Int) { nil }
    }

    private let fields: KeyedDecodingContainer<Key>

    init(from decoder: any Decoder) throws { fields = try decoder.container(keyedBy: Key.self) }

    func object(_ name: String) -> JSONObject? { value(name) }

    /// The elements of an array of objects; empty if it is something else.
    func objects(_ name: String) -> [JSONObject] { value(name) ?? [] }

    func text(_ name: String) -> String? { value(name) }

    /// The elements of an array of texts; empty if it is something else.
    func texts(_ name: String) -> [String] { value(name) ?? [] }

    /// A number of tokens or of searches.
    func count(_ name: String) -> Int? {
        let count: Int? = value(name)
        return count.flatMap { (0...1_000_000_000_000).contains($0) ? $0 : nil }
    }

    /// The first of these counts that is there.
    func count(_ names: String...) -> Int? { names.lazy.compactMap { count($0) }.first }

    /// Whether there is something in a text, an array or an object.
    func hasContent(_ name: String) -> Bool {
        if let text = text(name) { return !text.isEmpty }
        return !objects(name).isEmpty || object(name) != nil
    }

    private func value<Value: Decodable>(_ name: String) -> Value? {
        try? fields.decode(Value.self, forKey: Key(stringValue: name))
    }
}
