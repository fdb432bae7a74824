/// Label pairs as they stand between the braces of an exposition, rendered once at a series' birth.
///
/// Escaped as the text format 0.0.4 and OpenMetrics 1.0 ("Escaping") both say: backslash, quote, line feed. Everything
/// else, CR included, stays byte for byte.
package struct LabelBlock: Hashable, Sendable {
    package private(set) var bytes: [UInt8] = []

    package init(_ pairs: [(name: String, value: LabelValue)] = []) {
        for (name, value) in pairs { append(name, value) }
    }

    package mutating func append(_ name: String, _ value: LabelValue) {
        if !bytes.isEmpty { bytes.append(UInt8(ascii: ",")) }
        bytes.append(contentsOf: name.utf8)
        bytes.append(UInt8(ascii: "="))
        bytes.append(UInt8(ascii: "\""))
        // Over bytes: "\r\n" is one Character.
        for byte in value.text.utf8 {
            switch byte {
            case UInt8(ascii: "\\"), UInt8(ascii: "\""): bytes.append(contentsOf: [UInt8(ascii: "\\"), byte])
            case UInt8(ascii: "\n"): bytes.append(contentsOf: [UInt8(ascii: "\\"), UInt8(ascii: "n")])
            default: bytes.append(byte)
            }
        }
        bytes.append(UInt8(ascii: "\""))
    }

    /// Calls `body` with the bytes of each name and each value, without quotes and escapes.
    package func forEachPair(_ body: (_ name: ArraySlice<UInt8>, _ value: [UInt8]) -> Void) {
        var place = 0
        while place < bytes.count {
            guard let equals = bytes[place...].firstIndex(of: UInt8(ascii: "=")) else { return }
            let name = bytes[place..<equals]
            var value: [UInt8] = []
            value.reserveCapacity(32)
            // Behind the opening quote.
            place = equals + 2
            while place < bytes.count, bytes[place] != UInt8(ascii: "\"") {
                if bytes[place] == UInt8(ascii: "\\") {
                    place += 1
                    value.append(bytes[place] == UInt8(ascii: "n") ? UInt8(ascii: "\n") : bytes[place])
                } else {
                    value.append(bytes[place])
                }
                place += 1
            }
            body(name, value)
            // Behind the closing quote and the comma.
            place += 2
        }
    }
}
