/// The characters of a JSON string that stand there only escaped (RFC 8259, section 7).
package enum JSONEscape {
    /// Appends a byte of a string's UTF-8, escaped if JSON demands it.
    package static func append(_ byte: UInt8, to bytes: inout [UInt8]) {
        switch byte {
        case UInt8(ascii: "\""), UInt8(ascii: "\\"): bytes.append(contentsOf: [UInt8(ascii: "\\"), byte])
        case 0..<0x20: appendNumber(of: byte, to: &bytes)
        default: bytes.append(byte)
        }
    }

    /// Appends an ASCII character by its number: `\u007f`.
    static func appendNumber(of byte: UInt8, to bytes: inout [UInt8]) {
        bytes.append(contentsOf: "\\u00".utf8)
        bytes.append(hexadecimal(byte >> 4))
        bytes.append(hexadecimal(byte & 15))
    }

    private static func hexadecimal(_ digit: UInt8) -> UInt8 {
        digit < 10 ? UInt8(ascii: "0") + digit : UInt8(ascii: "a") + digit - 10
    }
}
