/// Finds the calls that several spans of a request report. For example, the instrumentation of a client library and
/// that of a framework above it report the same call, or a library and an instrumentation package for it.
///
/// Two spans are one call if one of these holds:
/// 1. One is above the other, with no agent, workflow or tool between them, nor another call that reports usage; both
///    report
///    usage, and both are embeddings or neither is.
/// 2. They have the same `gen_ai.response.id`, come from different instrumentation scopes of one process, and overlap
///    in
///    time. The id alone says nothing: responses from a cache repeat it.
/// 3. They failed, so that there is no response, come from different scopes of one process, name one model, and begin
///    within 50 ms.
///
/// A scope reports a call once: two spans of one scope are two calls. A report that makes no record replaces no other.
struct RepeatedReports {
    private let calls: [CallSpan]
    private let lineage: Lineage
    private let isRecord: [Bool]
    private(set) var dropped: [Bool]

    private static let failureNanoseconds: UInt64 = 50_000_000
    /// Most calls that a span is compared with, those that began last: bounds the work for hostile bodies.
    private static let candidates = 64

    /// - Parameter isRecord: by place, whether the call obeys the rules for records.
    init(of calls: [CallSpan], _ lineage: Lineage, isRecord: [Bool]) {
        self.calls = calls
        self.lineage = lineage
        self.isRecord = isRecord
        dropped = Array(repeating: false, count: calls.count)
        dropAncestors()
        dropSiblings()
    }

    /// The inner span is closer to the provider.
    private mutating func dropAncestors() {
        var places: [SpanID: Int] = [:]
        for (place, call) in calls.enumerated() where call.hasUsage {
            if let id = call.id { places[id] = place }
        }
        let above = calls.map { call in call.hasUsage ? lineage.nearest(above: call) { places[$0] } : nil }
        for (place, call) in calls.enumerated() {
            guard let outer = above[place], calls[outer].embeds == call.embeds, isRecord[place],
                Self.ends(place, above)
            else { continue }
            // The outer one stays if only it has the labels.
            dropped[call.isNamed || !calls[outer].isNamed ? outer : place] = true
        }
    }

    /// `false` if the parent links form a cycle.
    private static func ends(_ place: Int, _ above: [Int?]) -> Bool {
        var next = above[place]
        for _ in 0..<Lineage.limit {
            guard let place = next else { return true }
            next = above[place]
        }
        return false
    }

    private struct Key: Hashable {
        let process: Int
        /// The response's id, or the model's name if there was no response.
        let name: String
        let isFailure: Bool
    }

    /// The reports of one call that are found so far, in the order of their starts.
    private struct Reports {
        private(set) var places: [Int]
        private var scopes: Set<Int>
        private let start: UInt64
        /// The earliest end: a span that begins before it overlaps with all of them.
        private var end: UInt64

        init(_ call: CallSpan, place: Int) {
            places = [place]
            scopes = [call.scope]
            start = call.start
            end = call.end
        }

        /// - Parameter call: it begins no earlier than they do.
        func mayBeOne(with call: CallSpan, isFailure: Bool) -> Bool {
            if scopes.contains(call.scope) { return false }
            if isFailure { return call.start - start <= RepeatedReports.failureNanoseconds }
            return call.start < end || call.start == start
        }

        mutating func add(_ call: CallSpan, place: Int) {
            places.append(place)
            scopes.insert(call.scope)
            end = min(end, call.end)
        }
    }

    private mutating func dropSiblings() {
        var numbers: [Key: Int] = [:]
        var reports: [[Reports]] = []
        let order = calls.indices.filter { !dropped[$0] }.sorted { (calls[$0].start, $0) < (calls[$1].start, $1) }
        for place in order {
            let call = calls[place]
            let key: Key
            if let responseID = call.responseID {
                key = Key(process: call.process, name: responseID, isFailure: false)
            } else if call.isFailed, let model = call.model {
                key = Key(process: call.process, name: model, isFailure: true)
            } else {
                continue
            }
            let number = numbers[key, default: reports.count]
            if number == reports.count {
                numbers[key] = number
                reports.append([])
            }
            let match = reports[number].indices.suffix(Self.candidates).first { index in
                reports[number][index].mayBeOne(with: call, isFailure: key.isFailure)
            }
            if let match {
                reports[number][match].add(call, place: place)
            } else {
                reports[number].append(Reports(call, place: place))
            }
        }
        for known in reports.joined() where known.places.count > 1 {
            // The fullest; of equal ones the innermost, which began last.
            let sound = known.places.filter { isRecord[$0] }
            let kept = (sound.isEmpty ? known.places : sound).max {
                calls[$0].reportedFields <= calls[$1].reportedFields
            }
            for place in known.places where place != kept { dropped[place] = true }
        }
    }
}
