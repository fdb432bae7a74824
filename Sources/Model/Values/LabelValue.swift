/// A label value: any UTF-8, equal to another when the bytes are.
///
/// In Swift, "é" equals "e" + U+0301; in Prometheus they are two series, and with this type too.
package struct LabelValue: Hashable, Sendable, CustomStringConvertible {
    package let text: String

    /// The name of everything that the limits fold together. Records cannot use it: names beginning with `_` are
    /// rejected.
    package static let other = LabelValue("_other")

    package init(_ text: String) {
        var text = text
        // Bridged or sliced storage would make every comparison slow.
        text.makeContiguousUTF8()
        self.text = text
    }

    package static func == (left: LabelValue, right: LabelValue) -> Bool {
        left.text.utf8Span.span.hasBytes(of: right.text.utf8Span.span)
    }

    package func hash(into hasher: inout Hasher) {
        let span = text.utf8Span.span
        // Safe: the bytes are read while the closure runs.
        unsafe span.withUnsafeBytes { bytes in unsafe hasher.combine(bytes: bytes) }
        // No UTF-8 contains 0xFF, so ("ab", "c") and ("a", "bc") hash apart.
        hasher.combine(0xFF as UInt8)
    }

    package var description: String { text }
}

extension Span<UInt8> {
    /// Eight bytes at a time: labels are compared several times a record.
    fileprivate func hasBytes(of other: Span<UInt8>) -> Bool {
        guard count == other.count else { return false }
        // Safe: each read ends within both, and they are read while the closures run.
        return unsafe withUnsafeBytes { left in
            unsafe other.withUnsafeBytes { right in
                var place = 0
                while place + 8 <= left.count {
                    let words = unsafe (
                        left.loadUnaligned(fromByteOffset: place, as: UInt64.self),
                        right.loadUnaligned(fromByteOffset: place, as: UInt64.self)
                    )
                    if words.0 != words.1 { return false }
                    place += 8
                }
                while place < left.count {
                    if unsafe left[place] != right[place] { return false }
                    place += 1
                }
                return true
            }
        }
    }
}
