import Synchronization

/// Ids that no two processes share: 96 random bits of this one, and a count.
final class RecordIDs: Sendable {
    private let prefix: String
    private let count = Atomic<UInt64>(0)

    init() {
        // With a leading digit, so that all prefixes have one length.
        let bits = UInt128(UInt64.random(in: 0 ... .max)) << 32 | UInt128(UInt32.random(in: 0 ... .max)) | 1 << 96
        prefix = String(String(bits, radix: 16).dropFirst())
    }

    /// An id that no other call has, in this process or another.
    func next() -> String { "\(prefix)-\(count.wrappingAdd(1, ordering: .relaxed).oldValue)" }
}
