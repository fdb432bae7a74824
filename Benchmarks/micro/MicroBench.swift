import Bodies
import Formats
import Glibc
import Metrics
import Model
import Pricing
import Store

/// One stretch of the road of a record, so many times: `micro-bench NAME COUNT`. Prints nanoseconds for one.
///
/// For `Benchmarks/micro.py`, which counts instructions by running it with two counts under callgrind.
@main
enum MicroBench {
    private static let line =
        #"{"agent_name":"ReviewerGPT","provider":"openai","model":"gpt-4o-mini","id":"review-1","input_tokens":100,"#
        + #""output_tokens":436,"cost_usd":0.0002766,"latency_ms":150,"api_latency_ms":120,"memory_rss_mb":256.5,"#
        + #""memory_available_mb":2048}"#
    private static let now = Instant(unixMilliseconds: 1_700_000_000_000)
    private static var moment: Moment { Moment(now) }

    static func main() {
        let arguments = CommandLine.arguments
        guard arguments.count == 3, let count = Int(arguments[2]), count > 0, let work = works[arguments[1]] else {
            print("usage: micro-bench NAME COUNT, with NAME one of \(works.keys.sorted().joined(separator: ", "))")
            exit(2)
        }
        let run = work()
        let began = ContinuousClock.now
        run(count)
        print((ContinuousClock.now - began).wholeMicroseconds * 1000 / Int64(count))
    }

    /// Prepares, and returns what is measured.
    private static let works: [String: @Sendable () -> (Int) -> Void] = [
        "decode": decode, "decode-line": decodeLines, "decode-span": decodeSpans, "price": price, "fold": fold,
        "fold-alone": foldAlone, "fold-span": foldSpans, "commit": commit, "render-sample": render,
    ]

    /// Ends the program unless that many were done: work that is refused takes few instructions, and would look fast.
    private static func check(_ done: Int, of wanted: Int, _ what: String) {
        guard done != wanted else { return }
        print("micro-bench: \(done) of \(wanted) \(what)")
        exit(1)
    }

    private static func decoded(_ text: String, _ format: BodyFormat) -> [(index: Int, event: Event)] {
        let batch = try? RecordDecoder().decode(
            PaddedBytes(Array(text.utf8)), format: format, idempotencyKey: nil, arrival: now)
        return batch?.events ?? []
    }

    /// A body of one record.
    private static func decode() -> (Int) -> Void {
        let body = PaddedBytes(Array(line.utf8))
        let decoder = RecordDecoder()
        return { count in
            var done = 0
            for _ in 0..<count {
                let batch = try? decoder.decode(body, format: .json, idempotencyKey: nil, arrival: now)
                done += batch?.events.count ?? 0
            }
            check(done, of: count, "bodies decoded")
        }
    }

    /// A line of a body of a thousand.
    private static func decodeLines() -> (Int) -> Void {
        let body = PaddedBytes(Array(String(repeating: line + "\n", count: 1000).utf8))
        let decoder = RecordDecoder()
        return { count in
            var done = 0
            for _ in 0..<max(1, count / 1000) {
                let batch = try? decoder.decode(body, format: .ndjson, idempotencyKey: nil, arrival: now)
                done += batch?.events.count ?? 0
            }
            check(done, of: max(1, count / 1000) * 1000, "lines decoded")
        }
    }

    /// A span of an export in protobuf that an instrumentation sent (Tests/Fixtures/otlp).
    private static func decodeSpans() -> (Int) -> Void {
        guard let body = fixture("otlp/traceloop.bin") else { return { check(0, of: $0, "fixtures read") } }
        let format = TracesFormat(.protobuf)
        func spans() -> Int {
            guard let batch = try? format.decode(body, arrival: now) else { return 0 }
            return batch.events.count + batch.ignoredSpans.otherSpans + batch.ignoredSpans.openedStreams
        }
        let size = spans()
        return { count in
            var done = 0
            for _ in 0..<max(1, count / max(1, size)) { done += spans() }
            check(done, of: max(1, count / max(1, size)) * max(1, size), "spans decoded")
        }
    }

    /// A file of Tests/Fixtures.
    private static func fixture(_ name: String) -> PaddedBytes? {
        guard let root = #filePath.firstRange(of: "Benchmarks/micro/") else { return nil }
        let file = unsafe open(#filePath[..<root.lowerBound] + "Tests/Fixtures/\(name)", O_RDONLY)
        guard file >= 0 else { return nil }
        defer { close(file) }
        var bytes = [UInt8](repeating: 0, count: 1 << 20)
        let count = unsafe read(file, &bytes, bytes.count)
        return count > 0 ? PaddedBytes(bytes[..<count]) : nil
    }

    /// A look-up in the shipped table, and the cost of a call.
    private static func price() -> (Int) -> Void {
        var table = PriceTable()
        guard let spellings = try? ShippedProviders.read.get().spellings, let file = try? PriceFile.shipped(spellings),
            case .end(let record)? = decoded(line, .json).first?.event
        else { return { check(0, of: $0, "prices read") } }
        table.add(file)
        let book = PriceBook(table: table, spellings: spellings)
        return { count in
            var done = 0
            for _ in 0..<count {
                let prices = book.match(provider: "azure.ai.openai", model: "gpt-4o-mini")?.prices ?? []
                if case .amount = Price.cost(of: record, by: prices) { done += 1 }
            }
            check(done, of: count, "calls priced")
        }
    }

    private static var empty: LedgerState {
        LedgerState(
            registry: Registry(maxSeries: 10_000), recentIDs: RecentIDs(window: .seconds(3600), maxIDs: 10_000_000))
    }

    /// Events with ids of their own.
    private static func events(_ count: Int) -> [Event] {
        guard case .end(var record)? = decoded(line, .json).first?.event else { return [] }
        return (0..<count).map { number in
            record.id = RecordID(
                call: Digest(bits: UInt128(number + 1) &* 0x9E37_79B9_7F4A_7C15_F39C_C060_5CED_C835), content: 1)
            return .end(record)
        }
    }

    /// One record of a batch of a thousand, adopted at its end.
    private static func fold() -> (Int) -> Void {
        folding(batches: 1000)
    }

    /// A batch of one record.
    private static func foldAlone() -> (Int) -> Void {
        folding(batches: 1)
    }

    private static func folding(batches size: Int) -> (Int) -> Void {
        return { count in
            var state = empty
            let events = events(count)
            var place = 0
            while place < count {
                var batch = Batch(onto: state, at: moment)
                for event in events[place..<min(place + size, count)] {
                    _ = try? batch.fold(event, onto: state)
                }
                state.adopt(batch)
                place += size
            }
            check(state.recentIDs.count, of: count, "records folded")
        }
    }

    /// A report of a call in a request of ten, with as many recent ones as are kept.
    private static func foldSpans() -> (Int) -> Void {
        let full = 65_536
        var state = empty
        var number: UInt64 = 0
        func fold(_ count: Int) {
            for _ in 0..<max(1, count / 10) {
                var batch = Batch(onto: state, at: moment)
                _ = batch.fold((0..<10).compactMap { _ in report(&number) }, links: [], onto: state)
                state.adopt(batch)
            }
        }
        fold(full)
        check(state.recentCalls.count, of: full / 10 * 10, "reports kept")
        return { count in
            let before = state.recentIDs.count
            fold(count)
            check(state.recentIDs.count - before, of: max(1, count / 10) * 10, "reports folded")
        }
    }

    /// Each second one is inside the one before.
    private static func report(_ number: inout UInt64) -> (record: CallRecord, report: CallReport)? {
        number += 1
        guard case .end(var record)? = decoded(line, .json).first?.event else { return nil }
        record.id = RecordID(
            call: Digest(bits: UInt128(number) &* 0x9E37_79B9_7F4A_7C15_F39C_C060_5CED_C835), content: 0)
        record.usage.input = 100 + Int64(number / 2 % 4096)
        let isInner = number.isMultiple(of: 2)
        let start = 1_796_000_000_000_000_000 + number / 2 * 5_000_000
        let report = CallReport(
            span: SpanID(trace: UInt128(number / 2 + 1), span: number), parentNumber: isInner ? 0 : number - 1,
            process: 1, scope: isInner ? 1 : 2, start: start, end: start + 3_000_000_000, embeds: false,
            models: ModelNames(requested: "gpt-4o-mini", answered: "gpt-4o-mini-2024-07-18"), responseID: nil,
            fullness: 0,
            requestID: nil)
        return (record, report)
    }

    /// A batch of 32 records with ids, synced.
    private static func commit() -> (Int) -> Void {
        return { count in
            let place = unsafe getenv("TMPDIR").map { unsafe String(cString: $0) } ?? "/tmp"
            let folder = StorageFolder("\(place)/llm-exporter-micro-\(getpid())")
            let settings = StoreSettings(
                bounds: nil, resetsHistogramsOnChange: false, maxSeries: 10_000, idWindow: .seconds(3600),
                maxIDs: 10_000_000, budgets: nil)
            guard let opened = try? Store.open(folder, settings, now: now) else {
                return check(0, of: count, "batches committed: no storage in \(place)")
            }
            var state = opened.state
            let events = events(count * 32)
            var done = 0
            for number in 0..<count {
                var batch = Batch(onto: state, at: moment)
                for event in events[(number * 32)..<(number * 32 + 32)] {
                    _ = try? batch.fold(event, onto: state)
                }
                if case .committed = opened.store.commit(batch) { done += 1 }
                state.adopt(batch)
            }
            opened.store.close()
            for name in ["llm-exporter.db", "llm-exporter.batch", "lock"] { unsafe unlink("\(folder.path)/\(name)") }
            unsafe rmdir(folder.path)
            check(done, of: count, "batches committed")
        }
    }

    /// A sample of an exposition of a thousand sets.
    private static func render() -> (Int) -> Void {
        var state = empty
        var batch = Batch(onto: state, at: moment)
        for number in 0..<1000 {
            guard
                case .end(let record)? = decoded(
                    line.replacing("gpt-4o-mini", with: "model-\(number)"), .json
                ).first?.event
            else { continue }
            var own = record
            own.id = nil
            _ = try? batch.fold(.end(own), onto: state)
        }
        state.adopt(batch)
        let snapshot = state.registry.snapshot
        let samples = Exposition.render(snapshot, own: [], started: Instant(unixMilliseconds: 0), format: .text).count {
            $0 == UInt8(ascii: "\n")
        }
        check(state.registry.calls.count, of: 1000, "sets made")
        return { count in
            for _ in 0..<max(1, count / samples) {
                _ = Exposition.render(snapshot, own: [], started: Instant(unixMilliseconds: 0), format: .text)
            }
        }
    }
}
