private import Concurrency

/// The record decoders that no thread uses at the moment; as many as threads ever decoded at once.
package final class RecordDecoders: Sendable {
    private let idle = Locked<[RecordDecoder]>([])

    package init() {}

    func take() -> RecordDecoder { idle.withLock { $0.popLast() } ?? RecordDecoder() }

    func give(_ decoder: RecordDecoder) { idle.withLock { $0.append(decoder) } }
}
