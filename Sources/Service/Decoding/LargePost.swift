import Bodies
import Concurrency
import Dispatch
import Formats
import Ledger
import Model

/// A post that is decoded and counted part by part.
///
/// While the ledger works off a part, the next is decoded; more do not wait, so a large post takes little memory and
/// leaves the ledger to others. A part may be on disk when a later one fails. The connection then closes without an
/// answer: the outcome is unknown, as it is if a connection breaks.
final class LargePost: TurnTaker, @unchecked Sendable {
    // Unchecked: the variables are used during a turn only, and one turn is taken at a time.
    let client: UInt64
    let weight: Int
    private let intake: Intake
    private let answer: Answer
    private let agentName: LabelValue?
    private let service: Service
    private var hasBegun = false
    private var rest: BodyRest?
    private var memoryTries = 0
    /// Whether the turn ended because there was no memory.
    private var isPutOff = false
    private let progress = Locked(Progress())

    private struct Progress {
        /// Parts that are being decoded or that the ledger has: the post is not over before they are.
        var waiting = 0
        /// A part that the ledger was too busy to take.
        var refused: PreparedBatch?
        var outcome = Outcome()
        var failure: Refusal?
        var isDecoded = false
        var isAnswered = false

        /// Whether the ledger has counted anything.
        var hasApplied = false

        var isOver: Bool { !isAnswered && waiting == 0 && (failure != nil || isDecoded && refused == nil) }
        var canGoOn: Bool { failure == nil && waiting < LargePost.waitingLimit && !(isDecoded && refused == nil) }
    }

    /// Parts of one post at a time.
    private static let waitingLimit = 2
    /// A post that has waited longer for others is refused, if its sender will try again: it may have given up.
    private static let patience: Duration = .seconds(30)
    /// Before a part is offered again that the ledger was too busy to take.
    private static let retryDelay: DispatchTimeInterval = .milliseconds(20)
    /// How often a part is put off that there is no memory for, before the post fails.
    private static let memoryTries = 250

    /// - Parameter agentName: the agent that the request's header names.
    init(_ intake: Intake, of agentName: LabelValue?, _ answer: Answer, _ service: Service) {
        self.intake = intake
        self.answer = answer
        self.agentName = agentName
        self.service = service
        client = answer.clientNumber
        weight = intake.isDivisible ? 1 : Service.decodingWeightLimit
    }

    // MARK: A turn

    func takeTurn() -> Bool {
        isPutOff = false
        let mayGoOn = progress.withLock { progress in
            guard progress.canGoOn else { return false }
            progress.waiting += 1
            return true
        }
        guard mayGoOn else { return goesOn() }
        var part: PreparedBatch?
        var failure: Refusal?
        do throws(Refusal) {
            part = try nextPart()
        } catch {
            failure = error
        }
        // An earlier part may have failed meanwhile: then nothing more is counted.
        let isWanted = progress.withLock { progress in
            progress.failure = progress.failure ?? failure
            if progress.failure == nil, part != nil { return true }
            progress.waiting -= 1
            return false
        }
        if isWanted, let part { submit(part) }
        return goesOn() && !isPutOff
    }

    /// - Returns: whether there is more to do at once.
    private func goesOn() -> Bool {
        let (isOver, canGoOn) = progress.withLock { progress in
            let isOver = progress.isOver
            if isOver { progress.isAnswered = true }
            return (isOver, progress.canGoOn && progress.refused == nil)
        }
        if isOver { end() }
        return canGoOn && !isOver
    }

    private func nextPart() throws(Refusal) -> PreparedBatch? {
        let refused = progress.withLock { progress in
            defer { progress.refused = nil }
            return progress.refused
        }
        if let refused { return refused }
        return hasBegun ? try laterPart() : try firstPart()
    }

    private func firstPart() throws(Refusal) -> PreparedBatch {
        if let refusal = service.ledger.refusal(for: client) { throw .ledger(refusal) }
        if !intake.isSentOnce, .now - answer.began > Self.patience { throw .decoderIsLate }
        hasBegun = true
        let decoded = try intake.decode(
            limit: service.settings.bodyLimitBytes, arrival: service.clock(), elementLimit: intake.partElements,
            share: intake.isCompressed ? answer.memoryShare() : nil)
        rest = decoded.rest
        if rest == nil { progress.withLock { $0.isDecoded = true } }
        return service.prepare(decoded.batch, of: intake, bytes: decoded.bytes)
    }

    private func laterPart() throws(Refusal) -> PreparedBatch? {
        guard let rest else { return nil }
        guard MemoryProbe.hasRoom(for: MemoryProbe.partBytes) else {
            memoryTries += 1
            guard memoryTries < Self.memoryTries else { throw .noMemory }
            isPutOff = true
            service.resumeLater(self, after: Self.retryDelay)
            return nil
        }
        memoryTries = 0
        let batch: DecodedBatch
        do throws(MalformedBody) {
            batch = try rest.next(elementLimit: intake.partElements)
        } catch {
            throw .malformed(error.detail)
        }
        if rest.isAtEnd {
            self.rest = nil
            progress.withLock { $0.isDecoded = true }
        }
        return service.prepare(batch, of: intake, bytes: 0)
    }

    // MARK: Parts at the ledger

    private func submit(_ part: PreparedBatch) {
        service.submit(part, of: intake, isGathered: false, answer) { [self] result in
            settle(part, result)
        }
    }

    private func settle(_ part: PreparedBatch, _ result: Result<Outcome, LedgerRefusal>) {
        let isBusy = progress.withLock { progress in
            progress.waiting -= 1
            switch result {
            case .success(let outcome):
                progress.outcome.merge(outcome)
                if outcome.hasChanges { progress.hasApplied = true }
            case .failure(.overloaded):
                progress.refused = part
                return true
            case .failure(let refusal):
                if progress.failure == nil { progress.failure = .ledger(refusal) }
            }
            return false
        }
        if isBusy { service.resumeLater(self, after: Self.retryDelay) } else if goesOn() { service.resume(self) }
    }

    // MARK: The end

    private func end() {
        let (outcome, failure, hasApplied) = progress.withLock { ($0.outcome, $0.failure, $0.hasApplied) }
        if let failure {
            answer.send(hasApplied ? .ledger(.outcomeUnknown) : failure, of: agentName)
        } else {
            service.answer(outcome, of: intake, answer)
        }
        service.end(self)
    }
}
