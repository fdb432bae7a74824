internal import CSimdjson

/// Why a text is not JSON.
struct JSONFault: Error {
    let kind: Kind
    /// In bytes from the start of the text: the token at which reading stopped, if it reached one.
    let offset: Int

    enum Kind {
        case syntax, unclosedString, controlCharacter, escape, encoding, number, incomplete, trailing, tooLong

        init(_ status: csimdjson_status) {
            switch status {
            case csimdjson_status_unclosed_string: self = .unclosedString
            case csimdjson_status_control_character: self = .controlCharacter
            case csimdjson_status_escape: self = .escape
            case csimdjson_status_encoding: self = .encoding
            case csimdjson_status_number: self = .number
            case csimdjson_status_incomplete: self = .incomplete
            case csimdjson_status_trailing: self = .trailing
            case csimdjson_status_too_long: self = .tooLong
            default: self = .syntax
            }
        }
    }

    /// What is wrong and where, for a person.
    func reason(in text: BorrowedBytes) -> String {
        switch kind {
        case .incomplete, .syntax, .trailing:
            // simdjson looks at the last bracket first, and takes what follows a value for a missing bracket.
            if kind != .syntax, let place = Self.trailingText(in: text) {
                "something follows the end of the value at byte \(place)"
            } else if Self.isCutShort(text) {
                // Most often the sender was cut short.
                "an array or object is not closed"
            } else {
                "unexpected text near byte \(offset)"
            }
        case .number: "no JSON number at byte \(offset)"
        case .escape: "an invalid escape in the string at byte \(offset)"
        case .tooLong: "longer than 4 GiB"
        case .encoding:
            String(validating: text, as: UTF8.self) == nil
                ? "bytes that are not UTF-8 at byte \(Self.validPrefix(of: text))" : "bytes that are not UTF-8"
        case .controlCharacter: "a control character in a string that must be escaped" + Self.place(in: text, of: kind)
        case .unclosedString: "a string is not closed" + Self.place(in: text, of: kind)
        }
    }

    /// Whether more arrays and objects begin than end.
    private static func isCutShort(_ text: BorrowedBytes) -> Bool {
        var open = 0
        forEachByteOutsideStrings(of: text) { _, byte in
            open += Self.step(byte)
            return true
        }
        return open > 0
    }

    /// The first byte behind the value that a text begins with, but for white space; `nil` if nothing follows it.
    private static func trailingText(in text: BorrowedBytes) -> Int? {
        guard let first = text.first(where: { !$0.isWhiteSpace }) else { return nil }
        let isContainer = step(first) > 0
        var open = 0
        var hasEnded = false
        var trailing: Int?
        var hasBegun = false
        forEachByteOutsideStrings(of: text) { place, byte in
            if byte.isWhiteSpace {
                hasEnded = hasEnded || hasBegun && !isContainer
                return true
            }
            if hasEnded {
                trailing = place
                return false
            }
            hasBegun = true
            open += step(byte)
            hasEnded = isContainer && open <= 0
            return true
        }
        return trailing
    }

    private static func step(_ byte: UInt8) -> Int {
        switch byte {
        case UInt8(ascii: "["), UInt8(ascii: "{"): 1
        case UInt8(ascii: "]"), UInt8(ascii: "}"): -1
        default: 0
        }
    }

    /// Calls `body` with the place of each byte that is in no string, the quotes that open one included, while it
    /// returns true.
    private static func forEachByteOutsideStrings(of text: BorrowedBytes, _ body: (Int, UInt8) -> Bool) {
        var isInString = false
        var isEscaped = false
        for (place, byte) in text.enumerated() {
            if isEscaped {
                isEscaped = false
            } else if isInString, byte == UInt8(ascii: "\\") {
                isEscaped = true
            } else if isInString {
                isInString = byte != UInt8(ascii: "\"")
            } else {
                isInString = byte == UInt8(ascii: "\"")
                guard body(place, byte) else { return }
            }
        }
    }

    /// Bytes before the first that is not UTF-8.
    private static func validPrefix(of text: BorrowedBytes) -> Int {
        var decoder = UTF8()
        var bytes = text.makeIterator()
        var count = 0
        while case .scalarValue(let scalar) = decoder.decode(&bytes) { count += UTF8.width(scalar) }
        return count
    }

    /// The first control character in a string, or the quote that no other closes.
    private static func place(in text: BorrowedBytes, of kind: Kind) -> String {
        var open: Int?
        var isEscaped = false
        for (offset, byte) in text.enumerated() {
            if open == nil {
                if byte == UInt8(ascii: "\"") { open = offset }
            } else if byte < 0x20, kind == .controlCharacter {
                return " at byte \(offset)"
            } else if isEscaped {
                isEscaped = false
            } else if byte == UInt8(ascii: "\\") {
                isEscaped = true
            } else if byte == UInt8(ascii: "\"") {
                open = nil
            }
        }
        return open.map { ", opened at byte \($0)" } ?? ""
    }
}
