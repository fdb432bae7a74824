import Authentication
import Configuration
import Dispatch
import HTTPServer

/// Lets in who may come in, by the web configuration in force.
///
/// Passwords are compared one at a time on a queue of their own: bcrypt takes tenths of a second, and neither the server's
/// threads nor the ledger may wait for it. What was compared is remembered by a keyed digest, right or wrong, so that a post
/// costs microseconds.
final class Gatekeeper: Sendable {
    private let state: Locked<State>
    private let passwords = DispatchQueue(label: "llm-exporter.passwords", qos: .userInitiated)

    private struct State: Sendable {
        var authenticator: Authenticator?
        var headers: [WebConfiguration.Header]
        /// By digest of the claim.
        var checked: [[UInt8]: Authenticator.Identity?] = [:]
        /// Who waits for a claim to be compared.
        var waiting: [[UInt8]: [@Sendable (Authenticator.Identity?) -> Void]] = [:]
        /// Tells claims of another authenticator.
        var generation = 0
    }

    /// Claims that are remembered; when there are more, all are forgotten, so that strangers cannot fill the memory.
    private static let checkedLimit = 4096
    /// Claims that wait to be compared.
    private static let waitingLimit = 64

    init(_ configuration: WebConfiguration) {
        state = Locked(State(authenticator: Self.authenticator(configuration), headers: configuration.headers))
    }

    private static func authenticator(_ configuration: WebConfiguration) -> Authenticator? {
        configuration.authenticates ? Authenticator(users: configuration.users, tokens: configuration.tokens) : nil
    }

    /// Lets others in from now on.
    func use(_ configuration: WebConfiguration) {
        let authenticator = Self.authenticator(configuration)
        state.withLock { state in
            state.authenticator = authenticator
            state.headers = configuration.headers
            state.checked = [:]
            state.generation += 1
        }
    }

    /// Headers of each answer.
    var headers: [WebConfiguration.Header] { state.withLock { $0.headers } }

    enum Decision {
        case admitted
        case refused(Problem)
        /// Nobody has compared the password yet.
        case undecided(Authenticator.Claim)
    }

    /// - Parameter scopes: of which one is needed; `nil` where anybody may come.
    func decide(_ header: String?, for scopes: Set<WebConfiguration.Scope>?) -> Decision {
        guard let scopes, let authenticator = state.withLock({ $0.authenticator }) else { return .admitted }
        switch authenticator.look(at: header) {
        case .known(let identity): return Self.decision(on: identity, scopes, authenticator)
        case .unknown: return .refused(Self.unauthorized(authenticator, isMissing: header == nil))
        case .claimed(let claim):
            guard let identity = state.withLock({ $0.checked[claim.digest] }) else { return .undecided(claim) }
            return Self.decision(on: identity, scopes, authenticator)
        }
    }

    /// Compares the password of a claim first.
    ///
    /// - Parameter reply: called once, on another thread or at once; never with `undecided`.
    func decide(
        _ claim: Authenticator.Claim, for scopes: Set<WebConfiguration.Scope>,
        reply: @escaping @Sendable (Decision) -> Void
    ) {
        let outcome = state.withLock { state -> Outcome in
            guard let authenticator = state.authenticator else { return .decided(.admitted) }
            if let identity = state.checked[claim.digest] {
                return .decided(Self.decision(on: identity, scopes, authenticator))
            }
            let isFirst = state.waiting[claim.digest] == nil
            guard !isFirst || state.waiting.count < Self.waitingLimit else { return .decided(.refused(Self.tooMany)) }
            state.waiting[claim.digest, default: []].append { identity in
                reply(Self.decision(on: identity, scopes, authenticator))
            }
            return isFirst ? .mustCheck(authenticator, state.generation) : .waits
        }
        switch outcome {
        case .decided(let decision): reply(decision)
        case .waits: break
        case .mustCheck(let authenticator, let generation):
            passwords.async(
                execute: DispatchWorkItem { [self] in
                    check(claim, by: authenticator, generation)
                })
        }
    }

    private enum Outcome {
        case decided(Decision)
        case waits
        case mustCheck(Authenticator, Int)
    }

    private func check(_ claim: Authenticator.Claim, by authenticator: Authenticator, _ generation: Int) {
        let identity = authenticator.check(claim)
        let waiting = state.withLock { state in
            if state.generation == generation {
                if state.checked.count >= Self.checkedLimit { state.checked = [:] }
                state.checked[claim.digest] = .some(identity)
            }
            return state.waiting.removeValue(forKey: claim.digest) ?? []
        }
        for reply in waiting { reply(identity) }
    }

    // MARK: Answers

    private static func decision(
        on identity: Authenticator.Identity?, _ scopes: Set<WebConfiguration.Scope>, _ authenticator: Authenticator
    ) -> Decision {
        guard let identity else { return .refused(unauthorized(authenticator, isMissing: false)) }
        guard identity.scopes.isDisjoint(with: scopes) else { return .admitted }
        let wanted = scopes.map(\.rawValue).sorted().joined(separator: " or ")
        return .refused(
            Problem(
                status: 403,
                detail:
                    "this needs the scope \(wanted), which --web.config.file gives by user_scopes, or scopes of a token"
            ))
    }

    private static func unauthorized(_ authenticator: Authenticator, isMissing: Bool) -> Problem {
        Problem(
            status: 401,
            detail: isMissing
                ? "say who you are: send the user and password, or the token, of --web.config.file in an Authorization header"
                : "the Authorization header names nobody of --web.config.file with the right password or token",
            headers: authenticator.challenges.map { ("WWW-Authenticate", $0) })
    }

    private static let tooMany = Problem.retryLater(
        "too many passwords wait to be compared; nothing was applied", closesConnection: true)
}

extension Route {
    /// One of these scopes is needed; `nil` where anybody may come (contract section 7).
    var scopes: Set<WebConfiguration.Scope>? {
        switch self {
        case .healthy, .ready: nil
        case .record, .liteLLM, .traces, .otherMetrics, .otherLogs: [.record]
        case .budgets, .budget: [.record, .scrape]
        case .telemetry, .summary, .landing: [.scrape]
        case .reload, .reset, .forget: [.admin]
        // Who may come in may learn that there is nothing.
        case .unknown: Set(WebConfiguration.Scope.allCases)
        }
    }
}
