private import Dispatch
private import Model
private import Synchronization

/// Looks at something at an interval while there is something to look at. It takes no wake-ups while there is nothing.
package final class Watch: Sendable {
    private let interval: Duration
    private let queue = DispatchQueue(label: "llm-exporter.watch", qos: .utility)
    private let isArmed = Atomic(false)

    package init(every interval: Duration) {
        self.interval = interval
    }

    /// Begins to look at an object, unless that has begun already. Must be called after something to look at has come.
    package func arm(_ object: some Watched) {
        // Most calls find it armed.
        if isArmed.load(ordering: .sequentiallyConsistent) { return }
        if !isArmed.exchange(true, ordering: .sequentiallyConsistent) { schedule(object) }
    }

    private func schedule(_ object: some Watched) {
        queue.asyncAfter(deadline: .now() + .microseconds(Int(interval.wholeMicroseconds))) {
            [weak self, weak object] in
            guard let self, let object else { return }
            object.look()
            guard !object.needsLook else { return schedule(object) }
            isArmed.store(false, ordering: .sequentiallyConsistent)
            // Work that came in between found it armed.
            if object.needsLook { arm(object) }
        }
    }
}

/// Something that is looked at now and then.
package protocol Watched: AnyObject, Sendable {
    /// Whether there is something to look at.
    var needsLook: Bool { get }
    func look()
}
