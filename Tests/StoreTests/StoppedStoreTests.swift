import FoundationEssentials
import Model
import Testing

@testable import Store

@Suite("A stopped store") struct StoppedStoreTests {
    private func filled(_ folder: StorageFolder) throws -> History {
        var history = try History(folder, .example(maxSeries: 4))
        for (number, agentName) in (["A", "B", "A", "C", "D"] as [LabelValue]).enumerated() {
            try history.take(
                CallRecord(
                    labels: SeriesLabels(agentName, "p", number == 2 ? "m2" : "m1"), usage: Usage(input: 10),
                    cost: Money(picoUSD: 7), latencyMicroseconds: 5, apiLatencyMicroseconds: 5, memoryRSSMegabytes: 1,
                    memoryAvailableMegabytes: 2, id: .example(number)))
        }
        try history.take([.started("A", 10), .started("B", 11)])
        return history
    }

    @Test("is reset as a running one is: ids and calls in flight stay", arguments: [true, false])
    func reset(afterACrash: Bool) throws {
        try withFolder { folder in
            var history = try filled(folder)
            let stopped = try folder.crashed(into: folder.beside("stopped"))
            if !afterACrash { _ = try stopped.opened() }
            let (series, sums) = try Store.reset(stopped, now: dawn)
            #expect(series == 5)
            #expect([sums.calls, sums.failedCalls, sums.tokens, sums.picoUSD] == [5, 0, 50, 35])
            try history.reset()
            #expect(try history.account(of: stopped) == history.account)
            #expect(history.state.registry.calls.count == 0)
            #expect(history.state.openCalls.count == 2)
            history.close()
        }
    }

    @Test(
        "forgets as a running one does, and reports what",
        arguments: [
            SeriesSelection(agentName: "A"), SeriesSelection(agentName: "A", model: "m2"),
            SeriesSelection(agentName: "B", provider: "p"), SeriesSelection(agentName: "_other"),
        ])
    func forget(selection: SeriesSelection) throws {
        try withFolder { folder in
            var history = try filled(folder)
            let stopped = try folder.crashed(into: folder.beside("stopped"))
            let forgotten = try Store.forget(selection, in: stopped)
            let expected = try history.forget(selection)
            #expect(!expected.isEmpty)
            #expect(forgotten.series == expected.series)
            #expect(forgotten.sums == expected.sums)
            #expect(forgotten.removesAgent == expected.removesAgent)
            #expect(try history.account(of: stopped) == history.account)
            history.close()
        }
    }

    @Test("keeps everything if nothing has the labels, or there is no database")
    func nothingToForget() throws {
        try withFolder { folder in
            let history = try filled(folder)
            history.close()
            #expect(try Store.forget(SeriesSelection(agentName: "Z"), in: folder).isEmpty)
            #expect(try history.account(of: folder) == history.account)
            let nowhere = folder.beside("nowhere")
            for error in [
                #expect(throws: StoreError.self) { try Store.reset(nowhere, now: dawn) },
                #expect(throws: StoreError.self) { try Store.forget(SeriesSelection(agentName: "A"), in: nowhere) },
            ] {
                #expect(error?.kind == .failed)
                #expect(error?.description.contains(nowhere.database) == true)
            }
            #expect(!FileManager.default.fileExists(atPath: nowhere.path))
        }
    }

    @Test("keeps the times of its ids and calls")
    func keepsTimes() throws {
        try withFolder { folder in
            var history = try History(folder)
            for number in 0..<5 {
                try history.take([.ended("A", number), .started("A", 10 + number)])
                history.pass(.seconds(100))
            }
            history.close()
            _ = try Store.reset(folder, now: dawn)
            try history.restart()
            #expect(
                history.state.openCalls.all.map(\.begun).sorted()
                    == (0..<5).map { dawn.adding(.seconds(100 * $0)) })
            #expect(
                history.ids.map { history.state.recentIDs.end(of: $0, after: history.now) }.max()
                    == dawn.adding(.seconds(4000)).unixMilliseconds)
            history.close()
        }
    }
}
