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

    /// Networks that are remembered for a wrong password.
    private static let failedLimit = 4096

    /// In the order of their next turns; each has a check.
    private var turns: [(network: String, checks: [Check])] = []
    /// Networks whose last check was of a wrong password.
    private var failed: Set<String> = []

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
        // The newest check of the network that has the most; those that sent a wrong password go first. Of equal ones,
        // the network that came last.
        let suspects = turns.indices.filter { failed.contains(turns[$0].network) }
        let longest =
            (suspects.isEmpty ? Array(turns.indices) : suspects).reversed()
            .max { turns[$0].checks.count < turns[$1].checks.count } ?? turns.endIndex - 1
        let dropped = turns[longest].checks.removeLast()
        if turns[longest].checks.isEmpty { turns.remove(at: longest) }
        return dropped
    }

    /// Takes the next check; `nil` if none waits.
    mutating func next() -> (check: Check, network: String)? {
        guard !turns.isEmpty else { return nil }
        var turn = turns.removeFirst()
        let check = turn.checks.removeFirst()
        if !turn.checks.isEmpty { turns.append(turn) }
        return (check, turn.network)
    }

    /// Remembers the outcome of a network's last check.
    mutating func note(network: String, isRight: Bool) {
        if isRight {
            failed.remove(network)
        } else {
            if failed.count >= Self.failedLimit { failed = [] }
            failed.insert(network)
        }
    }
}
