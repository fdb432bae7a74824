/// What a body may hold before messages are made of it: a message of two bytes becomes a hundred, and one within another
/// takes its part of the stack.
enum BodyBounds {
    /// Messages of one request: twenty batches of the OpenTelemetry collector's usual size.
    static let messageLimit = 1_000_000
    /// Arrays and objects of JSON within one another. Protobuf needs no such bound: no message nests in itself.
    static let depthLimit = 64

    enum Excess: Error {
        case messages, depth
    }

    /// Looks no further than the first mistake: the parser stops there, too.
    static func check(_ body: [UInt8], _ encoding: OTLPEncoding) throws(Excess) {
        switch encoding {
        case .protobuf:
            var messages = 0
            count(.request, in: body[...], &messages)
            if messages > messageLimit { throw .messages }
        case .json: try checkJSON(body)
        }
    }

    // MARK: JSON

    private static func checkJSON(_ body: [UInt8]) throws(Excess) {
        var objects = 0
        var depth = 0
        var isInString = false
        var isEscaped = false
        for byte in body {
            if isInString {
                if isEscaped {
                    isEscaped = false
                } else if byte == UInt8(ascii: "\\") {
                    isEscaped = true
                } else if byte == UInt8(ascii: "\"") {
                    isInString = false
                }
                continue
            }
            switch byte {
            case UInt8(ascii: "\""): isInString = true
            case UInt8(ascii: "{"), UInt8(ascii: "["):
                depth += 1
                if depth > depthLimit { throw .depth }
                if byte == UInt8(ascii: "{") { objects += 1 }
                if objects > messageLimit { throw .messages }
            case UInt8(ascii: "}"), UInt8(ascii: "]"): depth -= 1
            default: break
            }
        }
    }

    // MARK: Protobuf

    /// The messages of otlp.proto that hold others.
    private enum Kind {
        case request, resourceSpans, attributes, scopeSpans, span, event, keyValue, leaf

        /// What a field holds; `nil` where it is no message.
        func inner(_ field: UInt64) -> Kind? {
            switch (self, field) {
            case (.request, 1): .resourceSpans
            case (.resourceSpans, 1): .attributes
            case (.resourceSpans, 2): .scopeSpans
            case (.attributes, 1): .keyValue
            case (.scopeSpans, 1): .leaf
            case (.scopeSpans, 2): .span
            case (.span, 9), (.event, 3): .keyValue
            case (.span, 11): .event
            case (.span, 15), (.keyValue, 2): .leaf
            default: nil
            }
        }
    }

    private static func count(_ kind: Kind, in body: ArraySlice<UInt8>, _ count: inout Int) {
        var rest = body
        while count <= messageLimit, let tag = varint(&rest) {
            switch tag & 7 {
            case 0: if varint(&rest) == nil { return }
            case 1:
                guard rest.count >= 8 else { return }
                rest = rest.dropFirst(8)
            case 2:
                guard let length = varint(&rest), length <= UInt64(rest.count) else { return }
                let content = rest.prefix(Int(length))
                rest = rest.dropFirst(Int(length))
                guard let inner = kind.inner(tag >> 3) else { continue }
                count += 1
                Self.count(inner, in: content, &count)
            // What stands in a group is skipped by the parser, and may be counted.
            case 3, 4: break
            case 5:
                guard rest.count >= 4 else { return }
                rest = rest.dropFirst(4)
            default: return
            }
        }
    }

    private static func varint(_ rest: inout ArraySlice<UInt8>) -> UInt64? {
        var value: UInt64 = 0
        for shift in stride(from: 0, to: 64, by: 7) {
            guard let byte = rest.popFirst() else { return nil }
            value |= UInt64(byte & 0x7F) << UInt64(shift)
            if byte & 0x80 == 0 { return value }
        }
        return nil
    }
}
