import Access
import Concurrency
import Dispatch
import HTTP

/// Lets requests pass whose sender may make them, and has the others refused before their body is read.
///
/// bcrypt takes its tens of milliseconds on a queue of its own, one password at a time, and never on a server's thread.
/// What it found is kept under a keyed digest of the header, so that each client pays once.
final class Gatekeeper: Sendable {
    /// Passwords that may wait for their check. Further ones are told to come again: by then those before them are known.
    static let waitingLimit = 16
    /// Headers whose outcome is kept.
    private static let keptLimit = 1024

    private let key: DigestKey
    private let state: Locked<State>
    private let checker = DispatchQueue(label: "llm-exporter.passwords", qos: .utility)

    private struct State {
        var rules: AccessRules
        /// Right ones, with the hash that they matched: a user whose hash changed must show the new password.
        var right: [CredentialDigest: (user: String, hash: PasswordHash)] = [:]
        /// Wrong ones, so that a client that was set up wrongly keeps nobody waiting.
        var wrong: Set<CredentialDigest> = []
        /// Who waits for the same password is answered with it.
        var waiting: [CredentialDigest: [Waiting]] = [:]
    }

    private struct Waiting: Sendable {
        let scopes: Set<Scope>
        let admission: Admission
    }

    /// - Returns: `nil` where the system has no randomness.
    init?(_ rules: AccessRules) {
        guard let key = DigestKey() else { return nil }
        self.key = key
        state = Locked(State(rules: rules))
    }

    func use(_ rules: AccessRules) {
        state.withLock { state in
            state.rules = rules
            // A new user may have a password that was wrong before.
            state.wrong = []
        }
    }

    /// Decides on a request, at once or when its password is checked.
    ///
    /// - Parameters:
    ///   - authorization: the header; `nil` where there is none.
    ///   - scopes: one of which is needed; empty where it is enough to be known.
    func judge(_ authorization: String?, needing scopes: Set<Scope>, _ admission: Admission) {
        // The lock is held for look-ups alone: decisions are made after it.
        enum Step {
            case decided(Admission.Refusal?)
            case check(PasswordHash)
            case waits
        }
        let rules = state.withLock(\.rules)
        if rules.isOpen {
            admission.decide(nil)
            return
        }
        guard let authorization, let digest = key.digest(of: Array(authorization.utf8)) else {
            admission.decide(.unauthenticated)
            return
        }
        if let (user, hash) = state.withLock({ $0.right[digest] }), let known = rules.users[user], known.hash == hash {
            admission.decide(Self.refusal(of: known.scopes, needing: scopes))
            return
        }
        guard let credentials = Credentials(header: authorization) else {
            admission.decide(.unauthenticated)
            return
        }
        switch credentials {
        case .bearer(let token):
            let held = rules.scopes(bearing: token)
            admission.decide(held.map { Self.refusal(of: $0, needing: scopes) } ?? .unauthenticated)
        case .basic(let user, let password):
            let step = state.withLock { state -> Step in
                if state.wrong.contains(digest) { return .decided(.unauthenticated) }
                let waiting = Waiting(scopes: scopes, admission: admission)
                if state.waiting[digest] != nil {
                    state.waiting[digest]?.append(waiting)
                    return .waits
                }
                guard state.waiting.count < Self.waitingLimit else { return .decided(.tooManyAttempts) }
                state.waiting[digest] = [waiting]
                return .check(state.rules.hash(for: user, key: key))
            }
            switch step {
            case .decided(let refusal): admission.decide(refusal)
            case .check(let hash):
                checker.async(
                    execute: DispatchWorkItem { [self] in check(user, password, hash, digest) })
            case .waits: break
            }
        }
    }

    /// Tells all who wait to come again.
    func stop() {
        let waiting = state.withLock { state in
            defer { state.waiting = [:] }
            return state.waiting.values.flatMap { $0 }
        }
        for one in waiting { one.admission.decide(.tooManyAttempts) }
    }

    private func check(_ user: String, _ password: String, _ hash: PasswordHash, _ digest: CredentialDigest) {
        // Nobody waits for it any more.
        guard state.withLock({ $0.waiting[digest] }) != nil else { return }
        let matches = hash.matches(password)
        let (waiting, scopes) = state.withLock { state -> ([Waiting], Set<Scope>?) in
            let waiting = state.waiting.removeValue(forKey: digest) ?? []
            // A reload may have come between.
            guard let known = state.rules.users[user], known.hash == hash else {
                // The old password of a changed hash was not wrong by the new one: it is checked when it comes again.
                if state.rules.users[user] == nil { Self.keep(digest, in: &state.wrong) }
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
            one.admission.decide(scopes.map { Self.refusal(of: $0, needing: one.scopes) } ?? .unauthenticated)
        }
    }

    private static func keep(_ digest: CredentialDigest, in wrong: inout Set<CredentialDigest>) {
        if wrong.count >= keptLimit { wrong = [] }
        wrong.insert(digest)
    }

    private static func refusal(of held: Set<Scope>, needing scopes: Set<Scope>) -> Admission.Refusal? {
        scopes.isEmpty || !held.isDisjoint(with: scopes) ? nil : .forbidden
    }
}
