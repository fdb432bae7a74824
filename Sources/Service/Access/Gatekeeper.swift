import Access
import Concurrency
import Dispatch

/// Decides whether the sender of a request may make it, before the body is read.
///
/// bcrypt takes tens of milliseconds. It runs on a queue of its own, one password at a time, never on a server thread.
/// Its result is kept under a keyed digest of the header, so that each client pays once.
final class Gatekeeper<Settings: Sendable>: Sendable {
    /// Passwords that may wait for their check. Senders of further ones are asked to come again: by then those before
    /// them are known.
    static var waitingLimit: Int { 16 }
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
        var right: [CredentialDigest: (user: String, hash: PasswordHash)] = [:]
        /// Wrong ones, so that a client with a wrong setting does not keep the checker busy.
        var wrong: Set<CredentialDigest> = []
        /// Requests that wait for the check of the same password.
        var waiting: [CredentialDigest: [Waiting]] = [:]
    }

    /// Called once, with `nil` if the request may go on.
    typealias Decision = @Sendable (Refusal?) -> Void

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
    /// - Parameter body: what else must change at the same moment; given the settings before. It must not wait.
    func use(_ inForce: InForce, _ body: (_ before: Settings) -> Void) {
        state.withLock { state in
            body(state.inForce.settings)
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
    func judge(_ authorization: String?, needing scopes: Set<Scope>, _ decide: @escaping Decision) {
        // The lock is held for look-ups only: decisions are made after it.
        let rules = state.withLock(\.inForce.rules)
        if rules.isOpen {
            decide(nil)
            return
        }
        guard let authorization, let digest = key.digest(of: Array(authorization.utf8)) else {
            decide(.unauthenticated)
            return
        }
        if let (user, hash) = state.withLock({ $0.right[digest] }), let known = rules.users[user], known.hash == hash {
            decide(Self.refusal(of: known.scopes, needing: scopes))
            return
        }
        switch Credentials(header: authorization) {
        case nil: decide(.unauthenticated)
        case .bearer(let token):
            let held = rules.scopes(bearing: token)
            decide(held.map { Self.refusal(of: $0, needing: scopes) } ?? .unauthenticated)
        case .basic(let user, let password):
            check(user, password, digest, Waiting(scopes: scopes, decide: decide))
        }
    }

    /// Decides on all requests that wait: their senders should come again.
    func stop() {
        let waiting = state.withLock { state in
            defer { state.waiting = [:] }
            return state.waiting.values.flatMap { $0 }
        }
        for one in waiting { one.decide(.tooManyPasswords) }
    }

    // MARK: Passwords

    private enum Step {
        case decided(Refusal)
        case check(PasswordHash)
        case waits
    }

    private func check(_ user: String, _ password: String, _ digest: CredentialDigest, _ waiting: Waiting) {
        let step = state.withLock { state -> Step in
            if state.wrong.contains(digest) { return .decided(.unauthenticated) }
            if state.waiting[digest] != nil {
                state.waiting[digest]?.append(waiting)
                return .waits
            }
            guard state.waiting.count < Self.waitingLimit else { return .decided(.tooManyPasswords) }
            state.waiting[digest] = [waiting]
            return .check(state.inForce.rules.hash(for: user, key: key))
        }
        switch step {
        case .decided(let refusal): waiting.decide(refusal)
        case .check(let hash):
            checker.async(execute: DispatchWorkItem { [self] in compare(user, password, hash, digest) })
        case .waits: break
        }
    }

    private func compare(_ user: String, _ password: String, _ hash: PasswordHash, _ digest: CredentialDigest) {
        // After `stop` no request waits for it.
        guard state.withLock({ $0.waiting[digest] }) != nil else { return }
        let matches = hash.matches(password)
        let (waiting, scopes) = state.withLock { state -> ([Waiting], Set<Scope>?) in
            let waiting = state.waiting.removeValue(forKey: digest) ?? []
            let users = state.inForce.rules.users
            // A reload may have come in between.
            guard let known = users[user], known.hash == hash else {
                // If the hash changed, the password was not compared with the new one: it is checked when it comes
                // again.
                if users[user] == nil { Self.keep(digest, in: &state.wrong) }
                return (waiting, nil)
            }
            guard matches else {
                Self.keep(digest, in: &state.wrong)
                return (waiting, nil)
            }
            if state.right.count >= Self.keptLimit { state.right = [:] }
            state.right[digest] = (user, hash)
            return (waiting, known.scopes)
        }
        for one in waiting {
            one.decide(scopes.map { Self.refusal(of: $0, needing: one.scopes) } ?? .unauthenticated)
        }
    }

    private static func keep(_ digest: CredentialDigest, in wrong: inout Set<CredentialDigest>) {
        if wrong.count >= keptLimit { wrong = [] }
        wrong.insert(digest)
    }

    private static func refusal(of held: Set<Scope>, needing scopes: Set<Scope>) -> Refusal? {
        scopes.isEmpty || !held.isDisjoint(with: scopes) ? nil : .forbidden(scopes)
    }
}
