import Model
import Testing

@testable import Store

@Suite("Stored ids") struct IDTests {
    private static let window = StoreSettings.example(idWindow: .seconds(60))

    /// Ids on disk, those whose time is over included.
    private func stored(_ folder: StorageFolder) throws -> Int { try Inspection(folder).check().ids }

    @Test("are found for all of their window and no longer, across restarts")
    func lastTheirWindow() throws {
        try withFolder { folder in
            var history = try History(folder, Self.window)
            for number in 0..<120 {
                history.pass(.seconds(1))
                try history.take([.ended("A", number), .started("A", 1000 + number)])
                if number % 7 == 0 { try history.restart() }
                for known in max(0, number - 59)...number {
                    // Neither changes anything: were one accepted, the next round would find it.
                    #expect(
                        try history.take([.ended("A", known), .started("A", 1000 + known)]) == [.duplicate, .duplicate])
                }
                guard number >= 60 else { continue }
                let outcomes = try history.take([
                    .ended("B", number - 60, content: 7), .ended("B", number - 60, content: 1),
                ])
                // Counted as new, and at once known with its content.
                #expect(outcomes == [.accepted, nil])
            }
            history.close()
        }
    }

    @Test("with other content are refused after a restart as before")
    func contentIsKept() throws {
        try withFolder { folder in
            var history = try History(folder)
            try history.take([.ended("A", 1, content: .max), .ended("A", 2, content: 1 << 63)])
            try history.restart()
            #expect(
                try history.take([
                    .ended("A", 1, content: .max), .ended("A", 1, content: 0), .ended("A", 2, content: 1 << 63),
                    .ended("A", 2, content: 1),
                ]) == [.duplicate, nil, .duplicate, nil])
            history.close()
        }
    }

    @Test("make the file no larger, window after window")
    func steadyState() throws {
        try withFolder { folder in
            var history = try History(folder, Self.window)
            var largest: [Int64] = []
            for window in 0..<8 {
                var bytes: Int64 = 0
                for second in 0..<60 {
                    history.pass(.seconds(1))
                    let first = (window * 60 + second) * 40
                    try history.take((first..<first + 40).map { .ended("A", $0) })
                    bytes = max(bytes, folder.sizes[0].bytes)
                }
                largest.append(bytes)
                try history.restart()
                #expect(history.state.recentIDs.count == 60 * 40)
                // Expired ids go with the next batches.
                #expect(try stored(folder) <= 2 * 60 * 40)
            }
            #expect(largest[3...].max() == largest[2])
            // 2,400 ids of 24 bytes are 58 kB.
            #expect(largest[2] < 200_000)
            history.close()
        }
    }

    @Test("that have expired leave the disk in small steps, one batch at a time")
    func smallSteps() throws {
        try withFolder { folder in
            var history = try History(folder, Self.window)
            for number in 0..<100 { try history.take([.ended("A", number)]) }
            history.pass(.seconds(60))
            try history.restart()
            var known = try stored(folder)
            #expect(known == 100)
            var batches = 0
            while known > 0, batches < 200 {
                try history.take([.started("A", 1000)])
                let left = try stored(folder)
                // A row holds the one id of its batch.
                #expect(left >= known - 3)
                #expect(left < known || left == 1)
                known = left == 1 ? 0 : left
                batches += 1
            }
            #expect((30...60).contains(batches))
            history.close()
        }
    }

    @Test("of one batch are kept in rows of 4,096 at most")
    func rowsAreBounded() throws {
        try withFolder { folder in
            var history = try History(folder, Self.window)
            try history.take((0..<10_000).map { .ended("A", $0) })
            let before = history.account
            try history.restart()
            #expect(history.account == before)
            let connection = try Connection(folder.database, .readingBeside)
            #expect(
                try connection.value("SELECT group_concat(length(digests) / 24) FROM ids") == .text("4096,4096,1808"))
            connection.close()
            // The first are kept as long as any of their row is.
            history.pass(.seconds(30))
            try history.take((10_000..<10_100).map { .ended("A", $0) })
            history.pass(.seconds(31))
            for _ in 0..<200 { try history.take([.ended("A", 20_000 + Int.random(in: 0..<1_000_000_000))]) }
            #expect(try stored(folder) < 400)
            history.close()
        }
    }

    @Test("are cut to a smaller limit by the next start, and on disk by the batches that follow")
    func smallerLimit() throws {
        try withFolder { folder in
            var history = try History(folder, Self.window)
            for number in 0..<50 { try history.take([.ended("A", number)]) }
            history.close()
            history = try History(folder, .example(idWindow: .seconds(60), maxIDs: 10))
            #expect(history.state.recentIDs.count == 10)
            #expect(try history.take([.ended("A", 40), .ended("A", 49)]) == [.duplicate, .duplicate])
            #expect(history.state.recentIDs.effectiveWindow(now: history.now) == .zero)
            for number in 100..<140 { try history.take([.ended("A", number)]) }
            // Beside those of the last batch.
            #expect(try stored(folder) == 11)
            #expect(try history.take([.ended("A", 129)]) == [.accepted])
            history.close()
        }
    }

    @Test("none are forgotten before their time, whatever the batches and restarts", arguments: 0..<6 as Range<UInt64>)
    func noneForgottenEarly(seed: UInt64) throws {
        try withFolder { folder in
            var random = Seeded(seed)
            var history = try History(folder, Self.window)
            var accepted: [Int: Instant] = [:]
            for _ in 0..<150 {
                history.pass(
                    .milliseconds(Int.random(in: 0...20_000, using: &random) / (Bool.random(using: &random) ? 1 : 40)))
                let now = history.now
                let numbers = (0..<Int.random(in: 1...40, using: &random)).map { _ in
                    Int.random(in: 0..<400, using: &random)
                }
                let outcomes = try history.take(numbers.map { .ended("A", $0) })
                for (number, outcome) in zip(numbers, outcomes) {
                    let isKnown = accepted[number].map { now < $0.adding(.seconds(60)) } ?? false
                    #expect(outcome == (isKnown ? .duplicate : .accepted))
                    if !isKnown { accepted[number] = now }
                }
                if Int.random(in: 0..<6, using: &random) == 0 { try history.restart() }
            }
            history.close()
        }
    }

    // MARK: Clocks that are wrong

    @Test("end a window after the start that found them in the future")
    func clockWasAhead() throws {
        try withFolder { folder in
            var ahead = try History(folder, Self.window, now: dawn.adding(.seconds(10 * 365 * 86_400)))
            try ahead.take([.ended("A", 1), .started("A", 2)])
            ahead.close()
            var history = try History(folder, Self.window)
            #expect(history.state.openCalls.all.map(\.begun) == [dawn])
            #expect(try history.take([.ended("A", 1)]) == [.duplicate])
            history.pass(.seconds(59))
            #expect(try history.take([.ended("A", 1)]) == [.duplicate])
            history.pass(.seconds(1))
            #expect(try history.take([.ended("A", 1), .started("A", 2)]) == [.accepted, .duplicate])
            try history.take([], expiring: .seconds(60))
            #expect(history.state.openCalls.count == 1)
            history.pass(.milliseconds(1))
            try history.take([], expiring: .seconds(60))
            #expect(history.state.openCalls.count == 0)
            history.close()
        }
    }

    @Test("are not cut short by a clock that went back")
    func clockWentBack() throws {
        try withFolder { folder in
            var history = try History(folder, Self.window)
            try history.take([.ended("A", 1), .started("A", 2)])
            history.close()
            // An hour back, and later a year back.
            for back in [3600, 365 * 86_400] {
                history = try History(folder, Self.window, now: dawn.adding(.seconds(-back)))
                #expect(try history.take([.ended("A", 1), .started("A", 2)]) == [.duplicate, .duplicate])
                try history.take([.ended("A", 3)], expiring: .seconds(60))
                #expect(history.state.openCalls.count == 1)
                history.close()
            }
            // Right again: a row written a year ago lies behind one that is not over yet, and is not over itself.
            history = try History(folder, Self.window, now: dawn.adding(.seconds(30)))
            #expect(try history.take([.ended("A", 1), .ended("A", 3)]) == [.duplicate, .duplicate])
            history.close()
        }
    }
}
