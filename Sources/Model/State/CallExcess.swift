/// Which calls expire if more are in flight than may be, by sender.
///
/// The outcome is that of expiring one call after the other, each time the oldest of the sender with the most calls; of
/// senders with equally many, the oldest of all. It is found in one step: all that have more than some level come down
/// to it.
struct CallExcess {
    /// The calls that each sender loses, its oldest ones.
    private(set) var losses: [Sender: Int] = [:]

    /// - Parameters:
    ///   - excess: above 0, and at most the sum of `counts`.
    ///   - counts: calls in flight by sender.
    ///   - oldest: the number of a sender's call at a place, from 0 for its oldest.
    init(_ excess: Int, of counts: [Sender: Int], oldest: (Sender, Int) -> Int64) {
        let sorted = counts.values.sorted(by: >)
        var level = sorted.first ?? 0
        var rest = excess
        /// Senders that have at least `level` calls.
        var reached = 0
        while rest > 0, level > 0 {
            while reached < sorted.count, sorted[reached] >= level { reached += 1 }
            let next = reached < sorted.count ? sorted[reached] : 0
            let lower = max(next, level - rest / reached)
            rest -= (level - lower) * reached
            if lower == level { break }
            level = lower
        }
        for (sender, count) in counts where count > level { losses[sender] = count - level }
        guard rest > 0 else { return }
        // These are level, and fewer than all of them lose one more.
        let oldestFirst = counts.filter { $0.value >= level }.keys
            .map { (sender: $0, number: oldest($0, losses[$0] ?? 0)) }
            .sorted { $0.number < $1.number }
        for (sender, _) in oldestFirst.prefix(rest) { losses[sender, default: 0] += 1 }
    }
}
