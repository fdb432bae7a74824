internal import Model

/// Writes protobuf messages. As proto3 has it, fields with their default value (0, or empty) are left out.
struct ProtobufWriter {
    private(set) var bytes: [UInt8] = []

    /// A field of type `int32` or `int64`.
    mutating func integer(_ number: UInt8, _ value: Int64) {
        guard value != 0 else { return }
        bytes.append(varint: UInt64(number) << 3)
        bytes.append(varint: UInt64(bitPattern: value))
    }

    /// A field of type `string`.
    mutating func string(_ number: UInt8, _ text: String) {
        if !text.isEmpty { append(number, Array(text.utf8)) }
    }

    /// A message within this one; it is written even if it is empty.
    mutating func message(_ number: UInt8, _ body: (inout ProtobufWriter) -> Void) {
        var inner = ProtobufWriter()
        body(&inner)
        append(number, inner.bytes)
    }

    private mutating func append(_ number: UInt8, _ content: [UInt8]) {
        bytes.append(varint: UInt64(number) << 3 | 2)
        bytes.append(varint: UInt64(content.count))
        bytes += content
    }
}
