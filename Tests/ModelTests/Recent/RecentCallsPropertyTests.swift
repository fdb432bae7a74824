import Foundation
import Testing

@testable import Model

extension LedgerState {
    /// Folds each request in a batch of its own, and adopts it.
    @discardableResult
    mutating func take(_ requests: [[ReportedWorld.Item]], now: Instant = dawn) -> [FoldedReport] {
        var outcomes: [FoldedReport] = []
        for request in requests {
            var batch = batch(now: now)
            outcomes += batch.fold(request.reports, links: request.links, onto: self).outcomes
            adopt(batch)
        }
        return outcomes
    }

    /// The sums of all series.
    var whole: WholeSums {
        registry.calls.elements.reduce(into: WholeSums()) { sums, series in
            sums.succeeded += Int(series.totals.calls[CallRecord.success])
            sums.failed += Int(series.totals.failedCalls)
            sums.errors += Int(series.totals.errors.total)
            sums.billed += series.totals.tokens
            if let kinds = series.totals.kinds { sums.tokens = sums.tokens.adding(kinds) ?? sums.tokens }
        }
    }
}

struct WholeSums: Equatable {
    var succeeded = 0
    var failed = 0
    var errors = 0
    var billed: Int64 = 0
    var tokens = TokenKinds()

    /// Without the parts of input and output.
    var withoutParts: WholeSums {
        var sums = self
        sums.tokens = TokenKinds(input: tokens.allInput, output: tokens.allOutput)
        return sums
    }
}

extension Array<ReportedWorld.Item> {
    var reports: [(record: CallRecord, report: CallReport)] {
        compactMap { if case .call(let record, let report) = $0 { (record, report) } else { nil } }
    }
    var links: [SpanLink] { compactMap { if case .link(let link) = $0 { link } else { nil } } }
}

@Suite("Recent calls") struct RecentCallsPropertyTests {
    /// `make test-merges` has 10,000.
    private static let seeds = UInt64(ProcessInfo.processInfo.environment["LLM_EXPORTER_SEEDS"] ?? "") ?? 200

    @Test("each call counts once, whatever reports it and in whatever order", arguments: 0..<8 as Range<UInt64>)
    func countsOnce(part: UInt64) {
        for seed in stride(from: part, to: Self.seeds, by: 8) {
            var world = ReportedWorld(seed: seed)
            let tokens = world.tokens
            let expected = WholeSums(
                succeeded: world.succeeded, failed: world.failed, errors: world.failed,
                billed: tokens.allInput + tokens.allOutput,
                tokens: tokens)
            for isSplit in [false, true] {
                var state = LedgerState.example()
                state.take(world.requests(isShuffled: false, isSplit: isSplit))
                #expect(state.whole == expected, "seed \(seed), split \(isSplit)")
                // Tokens that were counted for a report that belongs to another call stay, and with them their parts.
                state = .example()
                state.take(world.requests(isShuffled: true, isSplit: isSplit))
                #expect(
                    state.whole.withoutParts == expected.withoutParts, "seed \(seed), shuffled, split \(isSplit)")
            }
        }
    }
}
