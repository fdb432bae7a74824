/// A text in which words are looked for, whatever their case and with or without `_` and `-` between their parts.
///
/// By bytes: `String.contains` takes thousands of instructions.
struct SoughtText {
    private let bytes: [UInt8]

    init(_ text: String) {
        bytes = text.utf8.compactMap { byte in
            switch byte {
            case UInt8(ascii: "_"), UInt8(ascii: "-"): nil
            case UInt8(ascii: "A")...UInt8(ascii: "Z"): byte | 0x20
            default: byte
            }
        }
    }

    /// - Parameter word: in lower case.
    func holds(_ word: StaticString) -> Bool {
        word.withUTF8Buffer { word in
            guard let first = unsafe word.first, word.count <= bytes.count else { return false }
            for start in 0...(bytes.count - word.count) where bytes[start] == first {
                if unsafe bytes[start..<start + word.count].elementsEqual(word) { return true }
            }
            return false
        }
    }
}
