/// The attributes of OTLP (opentelemetry-proto 1.9, common/v1), the same for all signals.
extension ProtobufReader {
    /// Reads a `KeyValue`; `nil` if it has no value of a type that is read.
    static func attribute(
        _ message: BorrowedBytes
    ) throws(ProtobufFault) -> (name: BorrowedBytes, value: BorrowedValue)? {
        var name = message.trimmed(prefix: message.count, suffix: 0)
        var value: BorrowedValue?
        var fields = ProtobufReader(message)
        while let field = try fields.nextField() {
            switch (field.number, field.value) {
            case (1, .bytes(let text)): name = text
            case (2, .bytes(let part)): try read(value: part, into: &value)
            default: break
            }
        }
        return value.map { (name, $0) }
    }

    /// Reads a `Resource`.
    static func forEachAttribute(
        ofResource message: BorrowedBytes, _ body: (BorrowedBytes, BorrowedValue) -> Void
    ) throws(ProtobufFault) {
        var fields = ProtobufReader(message)
        while let field = try fields.nextField() {
            guard case (1, .bytes(let part)) = (field.number, field.value) else { continue }
            if let (name, value) = try attribute(part) { body(name, value) }
        }
    }

    /// Reads an `AnyValue`, of which the last member counts.
    static func read(
        value message: BorrowedBytes, into value: inout BorrowedValue?
    ) throws(ProtobufFault) {
        var fields = ProtobufReader(message)
        while let field = try fields.nextField() {
            switch (field.number, field.value) {
            case (1, .bytes(let text)): value = .text(text)
            case (2, .varint(let number)): value = .boolean(number != 0)
            case (3, .varint(let number)): value = .integer(Int64(bitPattern: number))
            case (4, .fixed64(let bits)): value = .double(Double(bitPattern: bits))
            default: break
            }
        }
    }
}
