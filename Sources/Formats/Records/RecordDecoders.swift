private import Concurrency

/// Record decoders that no thread uses: as many as threads decode at once. Each keeps its buffers for the next body.
package final class RecordDecoders: Sendable {
    private let idle = Locked<[RecordDecoder]>([])

    package init() {}

    func take() -> RecordDecoder { idle.withLock { $0.popLast() } ?? RecordDecoder() }

    func give(_ decoder: RecordDecoder) { idle.withLock { $0.append(decoder) } }
}
