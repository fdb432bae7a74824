import ArgumentParser
import Bodies

/// `--log.format`: the form of a log line.
enum LogFormat: String, ExpressibleByArgument, CaseIterable {
    case logfmt, json

    /// One line that ends in a line feed, whatever the values hold.
    func line(_ fields: [(name: String, value: String)]) -> String {
        switch self {
        case .logfmt:
            fields.map { "\($0)=\(Self.isBare($1) ? $1 : Self.quoted($1))" }.joined(separator: " ") + "\n"
        case .json:
            "{" + fields.map { "\(Self.quoted($0)):\(Self.quoted($1))" }.joined(separator: ",") + "}\n"
        }
    }

    /// Whether logfmt takes the value without quotes.
    private static func isBare(_ text: String) -> Bool {
        !text.isEmpty
            && text.unicodeScalars.allSatisfy { $0 > " " && $0 != "\"" && $0 != "=" && $0 != "\\" && !actsOnLines($0) }
    }

    /// Whether programs that show lines may act on it: control characters, line separators, and those that turn the
    /// direction of writing.
    private static func actsOnLines(_ scalar: Unicode.Scalar) -> Bool {
        if scalar.isASCII { return scalar < " " || scalar == "\u{7F}" }
        return [.control, .format, .lineSeparator, .paragraphSeparator].contains(scalar.properties.generalCategory)
    }

    /// Quoted as JSON demands; what JSON allows and programs act on is escaped too.
    private static func quoted(_ text: String) -> String {
        var bytes = [UInt8(ascii: "\"")]
        for scalar in text.unicodeScalars {
            if scalar == "\n" {
                bytes.append(contentsOf: "\\n".utf8)
            } else if actsOnLines(scalar), scalar > "\u{1F}" {
                for unit in String(scalar).utf16 {
                    let digits = String(unit, radix: 16)
                    bytes.append(contentsOf: "\\u\(String(repeating: "0", count: 4 - digits.count))\(digits)".utf8)
                }
            } else {
                for byte in String(scalar).utf8 { JSONEscape.append(byte, to: &bytes) }
            }
        }
        bytes.append(UInt8(ascii: "\""))
        return String(decoding: bytes, as: UTF8.self)
    }
}
