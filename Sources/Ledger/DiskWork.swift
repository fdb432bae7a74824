import Concurrency
import Model
import Store

/// A change of the state that is committed before it is adopted.
enum Step: Sendable {
    case batch(Batch)
    case state(LedgerState, adopt: @Sendable () -> Void)
}

extension Book {
    // MARK: Commit and adopt

    /// Commits a step and adopts it, or neither.
    mutating func perform(_ step: Step) -> LedgerRefusal? {
        if isBlocked, let trouble { return LedgerRefusal(trouble) }
        if isClosed { return .closed }
        let moment = moment
        let outcome = atDisk { storage in
            switch step {
            case .batch(let batch): storage.commit(batch)
            case .state(let state, _): storage.replace(with: state, at: moment)
            }
        }
        switch outcome {
        case .committed:
            adopt(step)
            recovered()
            return nil
        case .refused(let error):
            failed(error, blocks: false)
            return LedgerRefusal(error)
        case .undecided(let error):
            undecided = step
            failed(error, blocks: true)
            return .outcomeUnknown
        }
    }

    private mutating func adopt(_ step: Step) {
        switch step {
        case .batch(let batch): state.adopt(batch)
        case .state(let changed, let adopt):
            state = changed
            adopt()
        }
    }

    /// Writes the WAL back if it has grown, after the batch is answered.
    mutating func tidy() {
        guard storage.isUntidy else { return }
        let observer = observer
        atDisk { storage in
            do throws(StoreError) {
                try storage.tidy()
            } catch {
                observer.checkpointFailed(error)
            }
        }
    }

    /// - Returns: why the next start does not find all that was committed, and nothing else; `nil` if it does.
    mutating func close() -> StoreError? {
        isClosed = true
        readClocks()
        let failure = atDisk { $0.close() }
        if let failure { mailbox.withLock { $0.trouble = failure } }
        return failure
    }

    // MARK: While the queue is busy

    private mutating func atDisk<Result>(_ work: (any Storage) -> Result) -> Result {
        guard storage.isDurable else { return work(storage) }
        showState(isAtDisk: true)
        defer { hideState() }
        return work(storage)
    }

    /// Answers scrapes that come from now on from the state as it is.
    mutating func showState(isAtDisk: Bool) {
        let standing = LedgerSnapshot(state, at: moment)
        let held = held.taken()
        let waiting = mailbox.withLock { mailbox in
            mailbox.standing = standing
            mailbox.held = held
            if isAtDisk { mailbox.diskWorkBegan = .now }
            return mailbox.scrapes.taken()
        }
        for reply in waiting { reply(standing) }
    }

    mutating func hideState() {
        held = mailbox.withLock { mailbox in
            mailbox.standing = nil
            mailbox.diskWorkBegan = nil
            return mailbox.held.taken()
        }
    }

    // MARK: Trouble

    private mutating func failed(_ error: StoreError, blocks: Bool) {
        let isNew = trouble == nil || isBlocked != blocks
        setTrouble(error, blocks: blocks)
        observer.commitFailed(error, isUndecided: blocks, isNew: isNew)
        guard !isRetrying else { return }
        isRetrying = true
        needsRetry = true
    }

    private mutating func recovered() {
        guard trouble != nil else { return }
        setTrouble(nil, blocks: false)
        observer.recovered()
    }

    private mutating func setTrouble(_ error: StoreError?, blocks: Bool) {
        trouble = error
        isBlocked = blocks
        mailbox.withLock { mailbox in
            mailbox.trouble = error
            mailbox.isBlocked = blocks
        }
    }

    /// Settles what is undecided, and tries whether commits succeed again, so that the exporter is ready without a
    /// post.
    mutating func retry() {
        isRetrying = false
        readClocks()
        guard !isClosed, trouble != nil else { return }
        if isBlocked {
            switch atDisk({ $0.settle() }) {
            case .committed:
                if let step = undecided {
                    adopt(step)
                    observer.committed(records: 0, overflowRecords: 0, in: .zero)
                    reportShortWindow()
                }
            case .refused: break
            case .undecided(let error):
                failed(error, blocks: true)
                return
            }
            undecided = nil
        }
        probe()
    }

    /// Tries a commit that changes nothing.
    mutating func probe() {
        switch atDisk({ $0.probe() }) {
        case .committed: recovered()
        case .refused(let error): failed(error, blocks: false)
        // A probe changes nothing, so there is nothing to adopt later.
        case .undecided(let error): failed(error, blocks: true)
        }
    }
}
