import Testing

@testable import Formats

/// What the reader finds in a message.
private func fields(of message: [UInt8]) throws(ProtobufFault) -> [String] {
    try unsafe message.withUnsafeBufferPointer { (bytes) throws(ProtobufFault) in
        var reader = ProtobufReader(unsafe BorrowedBytes(bytes))
        var fields: [String] = []
        while let field = try reader.nextField() {
            switch field.value {
            case .varint(let number): fields.append("\(field.number) varint \(number)")
            case .fixed64(let number): fields.append("\(field.number) fixed64 \(number)")
            case .fixed32(let number): fields.append("\(field.number) fixed32 \(number)")
            case .bytes(let bytes): fields.append("\(field.number) bytes \(Array(bytes))")
            case .group: fields.append("\(field.number) group")
            }
        }
        return fields
    }
}

@Suite("Protobuf") struct ProtobufTests {
    private static let message =
        Wire.integer(1, 300) + Wire.fixed64(2, 1 << 63) + Wire.chunk(3, [7, 8]) + Wire.chunk(4, [])
        + Wire.group(5, Wire.group(6, Wire.integer(1, 1)) + Wire.chunk(7, [0xFF])) + Wire.fixed32(536_870_911, 9)
    /// Where one of its fields ends.
    private static let ends = [0, 3, 12, 16, 18, 27, 36]

    @Test("fields come in the order of the bytes, groups are skipped")
    func order() throws {
        #expect(
            try fields(of: Self.message) == [
                "1 varint 300", "2 fixed64 9223372036854775808", "3 bytes [7, 8]", "4 bytes []", "5 group",
                "536870911 fixed32 9",
            ])
        #expect(try fields(of: []) == [])
    }

    @Test("a message that is cut anywhere but between two fields is refused")
    func truncation() throws {
        #expect(Self.ends.last == Self.message.count)
        for length in 0...Self.message.count {
            let part = Array(Self.message[..<length])
            if let count = Self.ends.firstIndex(of: length) {
                #expect(try fields(of: part).count == count)
            } else {
                #expect(throws: ProtobufFault.self, "cut to \(length) bytes") { try fields(of: part) }
            }
        }
    }

    @Test("a varint has ten bytes at most, whatever its value", arguments: [0, 1, 127, 128, 1 << 32, UInt64.max])
    func varints(value: UInt64) throws {
        let shortest = Wire.varint(value).count
        for extraBytes in 0...(10 - shortest) {
            let bytes = Wire.tag(1, 0) + Wire.varint(value, extraBytes: extraBytes)
            #expect(try fields(of: bytes) == ["1 varint \(value)"])
        }
        let tooLong = Wire.tag(1, 0) + Wire.varint(value, extraBytes: 11 - shortest)
        #expect(throws: ProtobufFault.self) { try fields(of: tooLong) }
    }

    @Test("bits of a varint past the 64th are ignored")
    func longVarint() throws {
        #expect(
            try fields(of: [8] + Array(repeating: 0xFF, count: 9) + [0x7F]) == ["1 varint 18446744073709551615"])
    }

    @Test("a tag is a number of 1 or more in 32 bits and five bytes")
    func tags() throws {
        #expect(try fields(of: Wire.varint(1 << 3, extraBytes: 4) + [5]) == ["1 varint 5"])
        for tag in [
            Wire.varint(1 << 3, extraBytes: 5), Wire.tag(0, 0), Wire.tag(0, 2), Wire.varint(1 << 32 | 8),
            Wire.tag(1, 4), Wire.tag(1, 6), Wire.tag(1, 7),
        ] {
            #expect(throws: ProtobufFault.self, "\(tag)") { try fields(of: tag + Array(repeating: 0, count: 8)) }
        }
    }

    @Test("a length past the end is refused", arguments: [2, 3, 1 << 31, 1 << 32, 1 << 63, UInt64.max])
    func lengths(length: UInt64) {
        #expect(throws: ProtobufFault.self) { try fields(of: Wire.tag(1, 2) + Wire.varint(length) + [0]) }
        #expect(throws: ProtobufFault.self) {
            try fields(of: Wire.group(2, Wire.tag(1, 2) + Wire.varint(length + (length < 9 ? 9 : 0))))
        }
    }

    @Test("groups end with their own number, and nest 100 deep at most")
    func groups() throws {
        func nested(_ depth: Int) -> [UInt8] {
            Array([Wire.tag(1, 3), Wire.tag(1, 4)].map { Array(repeating: $0, count: depth).joined() }.joined())
        }
        #expect(try fields(of: nested(100)) == ["1 group"])
        #expect(throws: ProtobufFault.self) { try fields(of: nested(101)) }
        #expect(throws: ProtobufFault.self) { try fields(of: Array(repeating: 0x0B, count: 1_000_000)) }
        #expect(throws: ProtobufFault.self) { try fields(of: Wire.tag(1, 3) + Wire.tag(2, 4)) }
        #expect(throws: ProtobufFault.self) { try fields(of: Wire.group(1, Wire.tag(2, 3)) + Wire.tag(2, 4)) }
    }

    @Test("what is written is read back, and defaults are left out")
    func writing() throws {
        var writer = ProtobufWriter()
        writer.integer(1, 300)
        writer.integer(2, 0)
        writer.integer(3, -1)
        writer.string(4, "é")
        writer.string(5, "")
        writer.message(6) { $0.integer(1, 5) }
        writer.message(7) { _ in }
        #expect(
            try fields(of: writer.bytes) == [
                "1 varint 300", "3 varint 18446744073709551615", "4 bytes [195, 169]", "6 bytes [8, 5]", "7 bytes []",
            ])
    }
}
