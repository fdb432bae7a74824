@testable import Model

/// Calls that some processes make, and the spans that their instrumentations report of them.
///
/// In a process each instrumentation reports every call, as real ones do. The outermost is that of a framework; the
/// others report the same call inside it, beside it, or in traces of their own.
struct ReportedWorld {
    /// What was served.
    private(set) var succeeded = 0
    private(set) var failed = 0
    private(set) var tokens = TokenKinds()
    /// What arrives, each by itself.
    private(set) var items: [Item] = []

    enum Item {
        case call(CallRecord, CallReport)
        case link(SpanLink)
    }

    /// A span in its trace.
    private struct Place {
        var trace: UInt128
        var number: UInt64
    }

    private struct Instrumentation {
        let scope: UInt64
        let tellsUsage: Bool
        let tellsResponse: Bool
        /// Where its span stands, seen from that of the instrumentation around it.
        let position: Position
    }

    private enum Position: CaseIterable {
        case inside, below, beside, ownTrace
    }

    /// One call, as it was served.
    private struct Call {
        var model: String
        var embeds = false
        var fails = false
        var start: UInt64
        var end: UInt64
        var usage: Usage?
        var response: String
    }

    private var random: Seeded
    private var nextSpan: UInt64 = 1
    private var nextResponse = 0
    private var process: UInt64 = 0
    private var instrumentations: [Instrumentation] = []
    private var usages: [Usage] = []

    private static let millisecond: UInt64 = 1_000_000
    private static let dawn: UInt64 = 1_796_000_000_000_000_000

    init(seed: UInt64) {
        random = Seeded(seed)
        for process in 1...UInt64.random(in: 1...2, using: &random) {
            self.process = process
            instrumentations = makeInstrumentations()
            for _ in 0..<Int.random(in: 2...14, using: &random) { addWork() }
        }
    }

    private mutating func isOne(in count: Int) -> Bool { Int.random(in: 0..<count, using: &random) == 0 }

    private mutating func makeInstrumentations() -> [Instrumentation] {
        let count = Int.random(in: 1...3, using: &random)
        // Spans beside each other are known by their tokens alone: all report them, or none.
        let tellsUsage = !isOne(in: 5)
        var made: [Instrumentation] = []
        for place in 0..<count {
            let position = place == 0 ? .ownTrace : Position.allCases.randomElement(using: &random) ?? .inside
            let isNested = position == .inside || position == .below
            made.append(
                Instrumentation(
                    scope: UInt64(place + 1), tellsUsage: isNested && isOne(in: 4) ? !tellsUsage : tellsUsage,
                    tellsResponse: !isOne(in: 3), position: position))
        }
        // A span that stands beside one is beside what is around that too.
        if made.contains(where: { $0.position == .beside || $0.position == .ownTrace }), made.count > 1 {
            made = made.map {
                Instrumentation(
                    scope: $0.scope, tellsUsage: tellsUsage, tellsResponse: $0.tellsResponse, position: $0.position)
            }
        }
        return made
    }

    private mutating func newPlace(in trace: UInt128? = nil) -> Place {
        defer { nextSpan += 1 }
        return Place(trace: trace ?? UInt128(nextSpan) << 64 | 7, number: nextSpan)
    }

    private mutating func newCall() -> Call {
        let start =
            Self.dawn + UInt64.random(in: 0..<20_000, using: &random) * Self.millisecond
            + UInt64.random(in: 0..<1_000_000, using: &random)
        nextResponse += 1
        var usage = Usage(
            input: .random(in: 50...5000, using: &random), output: .random(in: 1...500, using: &random),
            cacheRead: .random(in: 0...20, using: &random), reasoning: 1)
        if isOne(in: 3) {
            usage[.cacheWrite] = .random(in: 0...10, using: &random)
            usage[.cacheWrite1h] = .random(in: 0...(usage[.cacheWrite] ?? 0), using: &random)
            usage[.inputAudio] = .random(in: 0...10, using: &random)
        }
        if isOne(in: 4), let same = usages.randomElement(using: &random) { usage = same }
        usages.append(usage)
        return Call(
            model: ["gpt-4o", "gpt-4o-mini"].randomElement(using: &random) ?? "gpt-4o", fails: isOne(in: 6),
            start: start,
            end: start + UInt64.random(in: 300...4000, using: &random) * Self.millisecond, usage: usage,
            // Ollama draws its ids from 999 numbers.
            response: "chatcmpl-\(nextResponse % 999)")
    }

    private mutating func addWork() {
        let root = newPlace()
        // Of a caller elsewhere, whose spans do not come here, or of an agent.
        if !isOne(in: 3) { addLink(root, parent: 0, holdsCalls: true) }
        let call = newCall()
        switch Int.random(in: 0..<8, using: &random) {
        case 0 where instrumentations.count > 1: addRetries(call, below: root)
        case 1 where instrumentations.count > 1: addWhole(call, below: root)
        case 2: addOther(inside: call, below: root)
        case 3: addEmbedding(inside: call, below: root)
        case 4: addTool(inside: call, below: root)
        default: add(call, below: root)
        }
    }

    // MARK: Calls

    /// A call of its own, as all instrumentations report it.
    @discardableResult
    private mutating func add(_ call: Call, below parent: Place) -> Place {
        serve(call, isTold: call.fails || instrumentations.contains(where: \.tellsUsage))
        return report(call, by: instrumentations[...], below: parent)
    }

    /// Attempts that fail, inside a call of the framework that succeeds.
    private mutating func addRetries(_ call: Call, below parent: Place) {
        var call = call
        call.fails = false
        let outer = report(call, by: instrumentations[..<1], below: parent)
        let attempts = Int.random(in: 1...3, using: &random)
        let length = (call.end - call.start) / UInt64(attempts)
        for number in 0..<attempts {
            var attempt = call
            attempt.start = call.start + length * UInt64(number) + Self.millisecond * 2
            attempt.end = attempt.start + length - Self.millisecond * 4
            attempt.fails = number + 1 < attempts
            nextResponse += 1
            let isLast = !attempt.fails
            if !isLast { attempt.response = "none" }
            serve(attempt, isTold: !isLast || instrumentations.contains(where: \.tellsUsage))
            report(attempt, by: isNested ? instrumentations[1...] : instrumentations[1..<1], below: outer)
            // Beside the framework's span the attempts cannot be told from it by their place.
            if !isNested, !isLast { failed -= 1 }
        }
    }

    private var isNested: Bool { instrumentations[1...].allSatisfy { $0.position == .inside || $0.position == .below } }

    /// Calls that succeed, inside a span of the framework that adds them up.
    private mutating func addWhole(_ call: Call, below parent: Place) {
        // Spans between that arrive last cannot be made good: tokens are never taken back.
        guard instrumentations.count == 2, instrumentations[1].position == .inside else {
            add(call, below: parent)
            return
        }
        let parts = Int.random(in: 2...3, using: &random)
        let length = (call.end - call.start) / UInt64(parts)
        var whole = call
        whole.fails = false
        whole.usage = Usage(input: 0, output: 0, cacheRead: 0, reasoning: 0)
        whole.response = ""
        var calls: [Call] = []
        for number in 0..<parts {
            var part = newCall()
            part.model = call.model
            part.fails = false
            part.start = call.start + length * UInt64(number) + Self.millisecond * 2
            part.end = part.start + length - Self.millisecond * 4
            whole.usage = whole.usage.map { sum in
                var sum = sum
                sum.input = (sum.input ?? 0) + (part.usage?.input ?? 0)
                sum.output = (sum.output ?? 0) + (part.usage?.output ?? 0)
                for kind in [TokenKind.cacheRead, .cacheWrite, .cacheWrite1h, .inputAudio, .reasoning] {
                    sum[kind] = (sum[kind] ?? 0) + (part.usage?[kind] ?? 0)
                }
                return sum
            }
            calls.append(part)
        }
        let outer = report(whole, by: instrumentations[..<1], below: parent)
        for part in calls {
            serve(part, isTold: instrumentations.contains(where: \.tellsUsage))
            report(part, by: instrumentations[1...], below: outer)
        }
    }

    /// A guardrail on another model, inside a call.
    private mutating func addOther(inside call: Call, below parent: Place) {
        let outer = add(call, below: parent)
        var other = inner(of: call)
        other.model = "guard-1"
        // With the same tokens it would be the same call.
        other.usage?.input = (call.usage?.input ?? 0) + 1
        add(other, below: outer)
    }

    private mutating func addEmbedding(inside call: Call, below parent: Place) {
        let outer = add(call, below: parent)
        var embedding = inner(of: call)
        embedding.embeds = true
        embedding.fails = false
        embedding.response = ""
        add(embedding, below: outer)
    }

    /// A call of the same model in a tool that a call runs.
    private mutating func addTool(inside call: Call, below parent: Place) {
        let outer = add(call, below: parent)
        let tool = newPlace(in: outer.trace)
        addLink(tool, parent: outer.number, holdsCalls: true)
        var other = inner(of: call)
        other.model = call.model
        add(other, below: tool)
    }

    private mutating func inner(of call: Call) -> Call {
        var other = newCall()
        other.start = call.start + (call.end - call.start) / 4
        other.end = call.end - (call.end - call.start) / 4
        return other
    }

    // MARK: Spans

    private mutating func serve(_ call: Call, isTold: Bool) {
        if call.fails { failed += 1 } else { succeeded += 1 }
        guard !call.fails, isTold, let kinds = call.usage?.kinds else { return }
        tokens = tokens.adding(kinds) ?? tokens
    }

    /// - Returns: the place of the outermost span.
    @discardableResult
    private mutating func report(
        _ call: Call, by instrumentations: ArraySlice<Instrumentation>, below parent: Place
    ) -> Place {
        var around = parent
        var outermost: Place?
        var (start, end) = (call.start, call.end)
        for (order, one) in instrumentations.enumerated() {
            let isOutermost = order == 0 && one.scope == 1
            var above = around.number
            var trace = around.trace
            switch isOutermost ? .inside : one.position {
            case .inside: break
            case .below:
                let between = newPlace(in: trace)
                addLink(between, parent: above, holdsCalls: false)
                above = between.number
            case .beside:
                above = parent.number
                trace = parent.trace
            case .ownTrace:
                above = 0
                trace = newPlace().trace
            }
            let place = newPlace(in: trace)
            addSpan(call, one, place, parent: above, start: start, end: end)
            if isOutermost || one.position == .inside || one.position == .below { around = place }
            outermost = outermost ?? place
            start += UInt64.random(in: 1000...900_000, using: &random)
            end -= UInt64.random(in: 1000...900_000, using: &random)
        }
        return outermost ?? parent
    }

    private mutating func addLink(_ place: Place, parent: UInt64, holdsCalls: Bool) {
        guard let id = SpanID(trace: place.trace, span: place.number) else { return }
        items.append(.link(SpanLink(id: id, parentNumber: parent, holdsCalls: holdsCalls)))
    }

    private mutating func addSpan(
        _ call: Call, _ by: Instrumentation, _ place: Place, parent: UInt64, start: UInt64, end: UInt64
    ) {
        let told = call.fails || !by.tellsUsage ? Usage() : call.usage ?? Usage()
        let hasResponse = by.tellsResponse && !call.fails && !call.embeds && !call.response.isEmpty
        let record = CallRecord(
            labels: SeriesLabels("agent", "openai", LabelValue(call.model)),
            status: call.fails ? "error" : CallRecord.success, errorType: call.fails ? "unknown" : nil, usage: told,
            latencyMicroseconds: Int64((end - start) / 1000),
            id: .example(UInt128(place.number), content: 0))
        let report = CallReport(
            span: SpanID(trace: place.trace, span: place.number), parentNumber: parent, process: process,
            scope: by.scope, start: start, end: end, embeds: call.embeds,
            models: ModelNames(requested: isOne(in: 3) ? "openai/\(call.model)-2026-05-01" : call.model, answered: nil),
            responseID: hasResponse ? call.response : nil, fullness: 0, requestID: nil)
        items.append(.call(record, report))
    }

    // MARK: Arrival

    /// The items in random order, in requests of random size.
    mutating func requests(isShuffled: Bool, isSplit: Bool) -> [[Item]] {
        var rest = (isShuffled ? items.shuffled(using: &random) : items)[...]
        var requests: [[Item]] = []
        while !rest.isEmpty {
            let size = isSplit ? 1 : Int.random(in: 1...rest.count, using: &random)
            requests.append(Array(rest.prefix(size)))
            rest = rest.dropFirst(size)
        }
        return requests
    }
}
