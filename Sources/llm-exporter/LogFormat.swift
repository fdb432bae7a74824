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
            && text.unicodeScalars.allSatisfy { $0 > " " && $0 != "\"" && $0 != "=" && $0 != "\\" && $0 != "\u{7F}" }
    }

    /// Quoted as JSON demands; DEL, which JSON allows, is escaped too, because terminals act on it.
    private static func quoted(_ text: String) -> String {
        var bytes = [UInt8(ascii: "\"")]
        for byte in text.utf8 {
            switch byte {
            case UInt8(ascii: "\n"): bytes.append(contentsOf: "\\n".utf8)
            case 0x7F: JSONEscape.appendNumber(of: byte, to: &bytes)
            default: JSONEscape.append(byte, to: &bytes)
            }
        }
        bytes.append(UInt8(ascii: "\""))
        return String(decoding: bytes, as: UTF8.self)
    }
}
