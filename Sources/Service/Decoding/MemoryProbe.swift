import CMemory
import Dispatch
import Glibc
import Synchronization

/// Whether memory can be had. Swift ends the process if it cannot, so it is asked before much is needed.
enum MemoryProbe {
    /// Bytes that decoding and counting a part of a large post takes at the most.
    static let partBytes = 16 << 20

    /// Whether the system would give so many bytes now: it may refuse under a limit of address space, or with strict
    /// overcommitment.
    static func hasRoom(for bytes: Int) -> Bool {
        guard
            let block = unsafe mmap(
                nil, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0), unsafe block != MAP_FAILED
        else { return false }
        unsafe munmap(block, bytes)
        return true
    }
}

/// Memory that is free and still held by malloc.
final class FreeMemory: Sendable {
    private let isScheduled = Atomic(false)

    /// Gives it back to the system, in a moment: that takes malloc's locks, so it is not done after each post.
    func returnSoon() {
        guard !isScheduled.exchange(true, ordering: .relaxed) else { return }
        DispatchQueue.global(qos: .utility).asyncAfter(deadline: .now() + .seconds(2)) { [self] in
            isScheduled.store(false, ordering: .relaxed)
            cmemory_return_free()
        }
    }
}
