import Access
import Concurrency
import Dispatch

/// Decides whether the sender of a request may make it, before the body is read.
///
/// bcrypt takes tens of milliseconds. It runs on a queue of its own, one password at a time, never on a server thread.
/// Its result is kept under a keyed digest of the header, so that each client pays once.
final class Gatekeeper<Settings: Sendable>: Sendable {
    /// Headers whose result is kept.
    private static var keptLimit: Int { 1024 }

    private let key: DigestKey
    private let state: Locked<State>
    private let checker = DispatchQueue(label: "llm-exporter.passwords", qos: .utility)

    /// The values that one reload replaces: the rules, and the settings that belong to them.
    struct InForce: Sendable {
        let rules: AccessRules
        let settings: Settings
    }

    private struct State {
        var inForce: InForce
        /// Correct headers, with the hash that they matched: if a user's hash changes, the new password is needed.
        var right: [CredentialDigest: Known] = [:]
        /// Wrong ones, so that a client with a wrong setting does not keep the checker busy.
        var wrong: Set<CredentialDigest> = []
        /// Requests that wait for the check of the same password.
        var waiting: [CredentialDigest: [Waiting]] = [:]
        var queue = PasswordQueue()
        /// Whether the checker is at work: it goes on while a check waits.
        var isChecking = false
    }

    private struct Known: Sendable {
        let user: String
        let hash: PasswordHash
        /// Of the principal.
        let name: String

        init(user: String, hash: PasswordHash) {
            self.user = user
            self.hash = hash
            name = "user \(user)"
        }
    }

    /// Called once; with `nil` if everyone is let in.
    typealias Decision = @Sendable (Result<Principal?, Refusal>) -> Void

    private struct Waiting: Sendable {
        let scopes: Set<Scope>
        let decide: Decision
    }

    /// - Returns: `nil` if the system has no randomness.
    init?(_ inForce: InForce) {
        guard let key = DigestKey() else { return nil }
        self.key = key
        state = Locked(State(inForce: inForce))
    }

    /// The settings in force, beside the rules.
    var settings: Settings { state.withLock { $0.inForce.settings } }

    /// Replaces the rules and the settings together.
    ///
    /// - Parameter body: what else must change at the same moment; given the settings before. It must not wait. If it
    ///   throws, all stays as it was.
    func use<Failure>(_ inForce: InForce, _ body: (_ before: Settings) throws(Failure) -> Void) throws(Failure) {
        try state.withLock { (state) throws(Failure) in
            try body(state.inForce.settings)
            state.inForce = inForce
            // A new user may have a password that was wrong before.
            state.wrong = []
        }
    }

    /// Decides on a request, at once or when its password is checked.
    ///
    /// - Parameters:
    ///   - authorization: the header; `nil` if there is none.
    ///   - scopes: one of which is needed; empty if it is enough to be known.
    ///   - network: the client's; called if a password must be checked.
    func judge(
        _ authorization: String?, needing scopes: Set<Scope>, from network: () -> String, _ decide: @escaping Decision
    ) {
        // The lock is held for look-ups only: decisions are made after it.
        let rules = state.withLock(\.inForce.rules)
        if rules.isOpen {
            decide(.success(nil))
            return
        }
        guard let authorization, let digest = key.digest(of: Array(authorization.utf8)) else {
            decide(.failure(.unauthenticated))
            return
        }
        if let known = state.withLock({ $0.right[digest] }), let user = rules.users[known.user],
            user.hash == known.hash
        {
            decide(Self.decision(on: Principal(name: known.name, scopes: user.scopes), needing: scopes))
            return
        }
        switch Credentials(header: authorization) {
        case nil: decide(.failure(.unauthenticated))
        case .bearer(let token): decide(Self.decision(on: rules.principal(bearing: token), needing: scopes))
        case .basic(let user, let password):
            check(
                PasswordQueue.Check(user: user, password: password, digest: digest), from: network(),
                for: Waiting(scopes: scopes, decide: decide))
        }
    }

    /// Decides on all requests that wait: their senders should come again.
    func stop() {
        let waiting = state.withLock { state in
            defer { state.waiting = [:] }
            return state.waiting.values.flatMap { $0 }
        }
        for one in waiting { one.decide(.failure(.tooManyPasswords)) }
    }

    // MARK: Passwords

    private func check(_ check: PasswordQueue.Check, from network: String, for waiting: Waiting) {
        let (mustStart, refused, refusal) = state.withLock { state -> (Bool, [Waiting], Refusal) in
            if state.wrong.contains(check.digest) { return (false, [waiting], .unauthenticated) }
            let isAwaited = state.waiting[check.digest] != nil
            state.waiting[check.digest, default: []].append(waiting)
            if isAwaited { return (false, [], .tooManyPasswords) }
            let dropped = state.queue.add(check, from: network)
            defer { state.isChecking = true }
            let refused = dropped.flatMap { state.waiting.removeValue(forKey: $0.digest) } ?? []
            return (!state.isChecking, refused, .tooManyPasswords)
        }
        for one in refused { one.decide(.failure(refusal)) }
        if mustStart { checker.async(execute: DispatchWorkItem { [self] in compareAll() }) }
    }

    private func compareAll() {
        while let (check, network, hash) = nextCheck() { compare(check, from: network, with: hash) }
    }

    private func nextCheck() -> (PasswordQueue.Check, String, PasswordHash)? {
        state.withLock { state in
            while let (check, network) = state.queue.next() {
                // After `stop` no request waits for it.
                if state.waiting[check.digest] != nil {
                    return (check, network, state.inForce.rules.hash(for: check.user, key: key))
                }
            }
            state.isChecking = false
            return nil
        }
    }

    private func compare(_ check: PasswordQueue.Check, from network: String, with hash: PasswordHash) {
        let matches = hash.matches(check.password)
        let (waiting, principal) = state.withLock { state -> ([Waiting], Principal?) in
            let waiting = state.waiting.removeValue(forKey: check.digest) ?? []
            let users = state.inForce.rules.users
            state.queue.note(network: network, isRight: matches)
            // A reload may have come in between.
            guard let user = users[check.user], user.hash == hash else {
                // If the hash changed, the password was not compared with the new one: it is checked when it comes
                // again.
                if users[check.user] == nil { Self.keep(check.digest, in: &state.wrong) }
                return (waiting, nil)
            }
            guard matches else {
                Self.keep(check.digest, in: &state.wrong)
                return (waiting, nil)
            }
            if state.right.count >= Self.keptLimit { state.right = [:] }
            let known = Known(user: check.user, hash: hash)
            state.right[check.digest] = known
            return (waiting, Principal(name: known.name, scopes: user.scopes))
        }
        for one in waiting { one.decide(Self.decision(on: principal, needing: one.scopes)) }
    }

    private static func keep(_ digest: CredentialDigest, in wrong: inout Set<CredentialDigest>) {
        if wrong.count >= keptLimit { wrong = [] }
        wrong.insert(digest)
    }

    /// - Parameter principal: `nil` if the credentials belong to no user.
    private static func decision(
        on principal: Principal?, needing scopes: Set<Scope>
    ) -> Result<Principal?, Refusal> {
        guard let principal else { return .failure(.unauthenticated) }
        return scopes.isEmpty || !principal.scopes.isDisjoint(with: scopes)
            ? .success(principal) : .failure(.forbidden(scopes))
    }
}
