/// What a body may hold before messages are made of it: a message of two bytes becomes a hundred.
///
/// Of protobuf alone: of JSON no more is kept than what is read. Neither nests in what is read.
enum BodyBounds {
    /// Messages of one request: twenty batches of the OpenTelemetry collector's usual size.
    static let messageLimit = 1_000_000

    /// Looks no further than the first mistake: the parser stops there, too.
    static func allow(_ body: [UInt8]) -> Bool {
        var messages = 0
        count(.request, in: body[...], &messages)
        return messages <= messageLimit
    }

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
