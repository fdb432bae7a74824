/// Protobuf as tests write it, with every freedom that its encoding has.
enum Wire {
    /// - Parameter extraBytes: of the overlong form.
    static func varint(_ value: UInt64, extraBytes: Int = 0) -> [UInt8] {
        var bytes: [UInt8] = []
        var rest = value
        while rest >= 0x80 {
            bytes.append(UInt8(rest & 0x7F) | 0x80)
            rest >>= 7
        }
        bytes.append(UInt8(rest))
        for _ in 0..<extraBytes {
            bytes[bytes.count - 1] |= 0x80
            bytes.append(0)
        }
        return bytes
    }

    static func tag(_ number: UInt64, _ wireType: UInt64) -> [UInt8] { varint(number << 3 | wireType) }

    static func integer(_ number: UInt64, _ value: UInt64) -> [UInt8] { tag(number, 0) + varint(value) }

    static func fixed64(_ number: UInt64, _ value: UInt64) -> [UInt8] {
        tag(number, 1) + (0..<8).map { UInt8(truncatingIfNeeded: value >> (8 * $0)) }
    }

    static func chunk(_ number: UInt64, _ content: some Sequence<UInt8>) -> [UInt8] {
        let content = Array(content)
        return tag(number, 2) + varint(UInt64(content.count)) + content
    }

    static func group(_ number: UInt64, _ content: [UInt8]) -> [UInt8] { tag(number, 3) + content + tag(number, 4) }

    static func fixed32(_ number: UInt64, _ value: UInt32) -> [UInt8] {
        tag(number, 5) + (0..<4).map { UInt8(truncatingIfNeeded: value >> (8 * $0)) }
    }
}
