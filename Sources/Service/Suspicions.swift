import Concurrency
import Model
import Pricing
import Synchronization

/// Counts calls that two intakes may both have counted: same provider, model and tokens, arriving within 2 s.
///
/// It changes no total: it feeds `llm_exporter_suspected_duplicates_total` and its alert. The operator decides with
/// `sources`.
final class Suspicions: Sendable {
    private let state = Locked(State())
    /// By intake, when it last counted a call, in milliseconds; 0 is never.
    private let lastUses = ReportingIntake.allCases.map { _ in LastUse() }

    private final class LastUse: Sendable {
        let milliseconds = Atomic<Int64>(0)
    }

    private struct State: Sendable {
        private(set) var recent: [Key: Seen] = [:]
        private var order: [Key] = []

        mutating func remember(_ key: Key, _ seen: Seen) {
            if recent.updateValue(seen, forKey: key) == nil { order.append(key) }
            guard order.count > limit else { return }
            // Half of them at once, so that each call moves one on average.
            for key in order.prefix(limit / 2) { recent[key] = nil }
            order.removeFirst(limit / 2)
        }
    }

    /// A digest of provider, model and tokens.
    private struct Key: Hashable {
        let digest: Int
    }

    private struct Seen {
        var intake: ReportingIntake
        var time: Int64
    }

    private let began = ContinuousClock.now
    private static let window: Int64 = 2000
    /// Most calls that are remembered.
    private static let limit = 4096
    /// An intake unused for this long is ignored. If only one is in use, calls are not compared.
    private static let memory: Int64 = 600_000

    /// Notes the calls of one request. All of them were counted just now.
    ///
    /// - Parameter spellings: by which providers are compared; asked for only if another intake is in use.
    /// - Returns: how many of them another intake seems to have counted too.
    func note(
        _ events: [(index: Int, event: Event)], of intake: ReportingIntake,
        spellings: @autoclosure () -> ProviderSpellings
    ) -> Int {
        let now = (ContinuousClock.now - began).wholeMilliseconds + 1
        lastUses[intake.place].milliseconds.store(now, ordering: .relaxed)
        let isAlone = ReportingIntake.allCases.allSatisfy { other in
            let last = lastUses[other.place].milliseconds.load(ordering: .relaxed)
            return other == intake || last == 0 || last + Self.memory < now
        }
        if isAlone { return 0 }
        let spellings = spellings()
        let keys = events.compactMap { placed -> Key? in
            guard case .end(let record) = placed.event else { return nil }
            return Self.key(record, spellings)
        }
        return state.withLock { state in
            keys.count { key in
                defer { state.remember(key, Seen(intake: intake, time: now)) }
                guard let seen = state.recent[key] else { return false }
                return seen.intake != intake && seen.time + Self.window >= now
            }
        }
    }

    /// `nil` for calls that report no tokens: all of them would look alike.
    private static func key(_ record: CallRecord, _ spellings: ProviderSpellings) -> Key? {
        let usage = record.usage
        guard usage.billedTokens > 0 else { return nil }
        var hasher = Hasher()
        hasher.combine(spellings.canonical(record.labels.provider.text))
        hasher.combine(ModelNames(requested: record.labels.model.text, answered: nil))
        hasher.combine(usage.input)
        hasher.combine(usage.output)
        hasher.combine(usage.billedTokens)
        return Key(digest: hasher.finalize())
    }
}

extension ReportingIntake {
    fileprivate var place: Int {
        switch self {
        case .record: 0
        case .litellm: 1
        case .traces: 2
        case .logs: 3
        }
    }
}
