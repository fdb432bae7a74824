import Model
import Testing

@testable import Store

@Suite("Changed bounds of histograms") struct BoundsTests {
    private static let fewer = HistogramBounds(microseconds: [500_000, 5_000_000])
    private static let others = HistogramBounds(microseconds: [500_000, 3_000_000])

    /// A day with latencies in all buckets, on and beside their bounds; the later the record, the later its trace.
    private func day(_ folder: StorageFolder, _ bounds: HistogramBounds?) throws -> History {
        var history = try History(folder, .example(bounds: bounds))
        var random = Seeded(1)
        for number in 0..<200 {
            let around = HistogramBounds.standard.microseconds.randomElement(using: &random) ?? 0
            try history.take(
                CallRecord(
                    labels: SeriesLabels(number % 2 == 0 ? "A" : "B"), cost: Money(picoUSD: 1),
                    latencyMicroseconds: around + .random(in: -1...1, using: &random),
                    apiLatencyMicroseconds: .random(in: 0...20_000_000, using: &random), id: .example(number),
                    trace: number % 3 == 0
                        ? Trace(id: "\(number)", unixMilliseconds: dawn.unixMilliseconds + Int64(number)) : nil))
        }
        history.close()
        return history
    }

    @Test("to fewer of them keep counts, sums and exemplars, as if they had been so from the beginning")
    func fewer() throws {
        try withFolder { folder in
            let first = try day(folder, nil)
            let under = try day(folder.beside("fewer"), Self.fewer)
            #expect(under.account != first.account)
            let settings = StoreSettings.example(bounds: Self.fewer)
            #expect(try folder.opened(settings).account(of: under.ids) == under.account)
            // Stored: asked for again, and for those that are stored.
            #expect(try folder.opened(settings).account(of: under.ids) == under.account)
            #expect(try folder.opened(.example()).account(of: under.ids) == under.account)
            // The others are gone for good.
            let error = #expect(throws: StoreError.self) { try folder.opened(.example(bounds: .standard)) }
            #expect(error?.kind == .boundsChanged)
        }
    }

    @Test("in a new database are those asked for")
    func new() throws {
        try withFolder { folder in
            let made = try folder.opened(.example(bounds: Self.others))
            #expect(made.registry.bounds == Self.others)
            #expect(try folder.opened().registry.bounds == Self.others)
        }
        let standard = try withFolder { try $0.opened().registry.bounds }
        #expect(standard == .standard)
    }

    @Test("to others are refused, naming the flag, and change nothing", arguments: [true, false])
    func refused(afterACrash: Bool) throws {
        try withFolder { folder in
            var history = try day(folder, nil)
            if afterACrash {
                history = try History(folder)
                try history.take([.ended("C", 1000)])
            }
            let left = try folder.crashed(into: folder.beside("left"))
            history.close()
            let before = try left.contents()
            let error = #expect(throws: StoreError.self) { try left.opened(.example(bounds: Self.others)) }
            #expect(error?.kind == .boundsChanged)
            #expect(error?.description.contains("--histogram.buckets") == true)
            #expect(error?.description.contains("--histogram.reset-on-change") == true)
            #expect(error?.description.contains("0.1,0.5,1.0,2.5,5.0,10.0") == true)
            #expect(try left.contents() == before)
            #expect(try history.account(of: left) == history.account)
        }
    }

    @Test("are taken if there is no histogram yet")
    func withoutHistograms() throws {
        try withFolder { folder in
            var history = try History(folder)
            try history.take(CallRecord(labels: SeriesLabels("A"), cost: .zero))
            history.close()
            #expect(try folder.opened(.example(bounds: Self.others)).registry.bounds == Self.others)
        }
    }

    @Test("with a reset begin the two histogram families again, and nothing else")
    func reset() throws {
        try withFolder { folder in
            let history = try day(folder, nil)
            let settings = StoreSettings.example(bounds: Self.others, resetsHistogramsOnChange: true)
            let state = try folder.opened(settings)
            #expect(
                state.registry.calls.elements.map(\.totals.latency) == [
                    Histogram(bounds: state.registry.bounds), Histogram(bounds: state.registry.bounds),
                ])
            #expect(state.registry.endpoints.elements.map(\.latency.counts) == [[0, 0, 0], [0, 0, 0]])
            #expect(state.registry.endpoints.elements.map(\.latency.sumMicroseconds) == [0, 0])
            func others(_ account: [String]) -> [String] {
                account.filter { !$0.hasPrefix("bounds") && !$0.hasPrefix("endpoint") }
                    .map { $0.hasPrefix("call") ? String($0.prefix(while: { $0 != "[" })) : $0 }
            }
            #expect(others(state.account(of: history.ids)) == others(history.account))
            // Done once: what is observed from then on stays, flag or not.
            var next = try History(folder, settings)
            try next.take(CallRecord(labels: SeriesLabels("A"), latencyMicroseconds: 1))
            next.close()
            #expect(try next.account(of: folder) == next.account)
            #expect(try folder.opened(settings).registry.calls.elements.map(\.totals.latency?.count) == [1, 0])
        }
    }

    @Test("with a reset that is not needed keep what can be kept")
    func resetNotNeeded() throws {
        try withFolder { folder in
            _ = try day(folder, nil)
            let under = try day(folder.beside("fewer"), Self.fewer)
            let state = try folder.opened(.example(bounds: Self.fewer, resetsHistogramsOnChange: true))
            #expect(state.account(of: under.ids) == under.account)
        }
    }
}
