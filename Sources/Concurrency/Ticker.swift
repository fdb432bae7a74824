private import Dispatch
private import Model

/// Calls `body` at an interval while the ticker lives.
package final class Ticker: Sendable {
    private let interval: Duration
    private let body: @Sendable () -> Void
    private let queue = DispatchQueue(label: "llm-exporter.ticker", qos: .utility)

    package init(every interval: Duration, _ body: @escaping @Sendable () -> Void) {
        self.interval = interval
        self.body = body
        schedule()
    }

    private func schedule() {
        queue.asyncAfter(deadline: .now() + .microseconds(Int(interval.wholeMicroseconds))) { [weak self] in
            guard let self else { return }
            body()
            schedule()
        }
    }
}
