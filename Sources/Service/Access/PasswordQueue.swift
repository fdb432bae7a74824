import Access

/// Passwords that wait for their check.
///
/// Each network has places of its own, and networks take turns: a flood of wrong passwords from one of them does not
/// keep the others' users out.
struct PasswordQueue: Sendable {
    struct Check: Sendable {
        let user: String
        let password: String
        /// Of the header that the two came in.
        let digest: CredentialDigest
    }

    /// Most checks that wait for one network, and in all. A check takes tens of milliseconds, so that the last of all
    /// waits for a few seconds.
    static let networkLimit = 16
    private static let limit = 64

    /// In the order of their next turns; each has a check.
    private var turns: [(network: String, checks: [Check])] = []

    private var count: Int { turns.reduce(0) { $0 + $1.checks.count } }

    /// Adds a check.
    ///
    /// - Returns: the check that gets no place: `check` itself, or another that gives its place to it.
    mutating func add(_ check: Check, from network: String) -> Check? {
        let place = turns.firstIndex { $0.network == network }
        let own = place.map { turns[$0].checks.count } ?? 0
        guard own < Self.networkLimit else { return check }
        if let place {
            turns[place].checks.append(check)
        } else {
            turns.append((network, [check]))
        }
        guard count > Self.limit else { return nil }
        // The newest check of the network that has the most; on a tie, of the one that came last.
        let longest = turns.indices.max { turns[$0].checks.count < turns[$1].checks.count } ?? turns.endIndex - 1
        let dropped = turns[longest].checks.removeLast()
        if turns[longest].checks.isEmpty { turns.remove(at: longest) }
        return dropped
    }

    /// Takes the next check; `nil` if none waits.
    mutating func next() -> Check? {
        guard !turns.isEmpty else { return nil }
        var turn = turns.removeFirst()
        let check = turn.checks.removeFirst()
        if !turn.checks.isEmpty { turns.append(turn) }
        return check
    }
}
