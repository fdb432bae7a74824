internal import Bodies

/// Counts the data points of an `ExportMetricsServiceRequest` in JSON (specification of OTLP, "JSON Protobuf
/// Encoding").
///
/// Unread values are checked for brackets, quotes and UTF-8 only. A value of the wrong type counts as absent.
struct JSONDataPoints: ~Copyable {
    // One reader for each level: each continues after what is read within.
    private var groups = JSONReader(skippingAllBut: "scopeMetrics\n")
    private var scopes = JSONReader(skippingAllBut: "metrics\n")
    private var metrics = JSONReader(skippingAllBut: Self.kinds.map { $0 + ".dataPoints\n" }.joined())
    private var dataPoints = JSONReader(skippingAllBut: "")

    private static let kinds = ["gauge", "sum", "histogram", "exponentialHistogram", "summary"]

    static func count(in body: PaddedBytes) throws(MalformedBody) -> Int {
        var count = 0
        try body.readJSON(.metrics) { (groups) throws(JSONFault) in
            var request = JSONDataPoints()
            count = try request.count(inGroups: groups)
        }
        return count
    }

    private mutating func count(inGroups text: BorrowedBytes) throws(JSONFault) -> Int {
        var sum = 0
        _ = try groups.open(text)
        while let group = try groups.nextElement() {
            if case .object(let group) = group, case .array(let text) = group[place: 0] {
                sum += try count(inScopes: text)
            }
        }
        return sum
    }

    private mutating func count(inScopes text: BorrowedBytes) throws(JSONFault) -> Int {
        var sum = 0
        _ = try scopes.open(text)
        while let scope = try scopes.nextElement() {
            if case .object(let scope) = scope, case .array(let text) = scope[place: 0] {
                sum += try count(inMetrics: text)
            }
        }
        return sum
    }

    private mutating func count(inMetrics text: BorrowedBytes) throws(JSONFault) -> Int {
        var sum = 0
        _ = try metrics.open(text)
        while let metric = try metrics.nextElement() {
            guard case .object(let metric) = metric else { continue }
            for place in Self.kinds.indices {
                guard case .array(let text) = metric[place: place] else { continue }
                _ = try dataPoints.open(text)
                while let dataPoint = try dataPoints.nextElement() {
                    if case .object = dataPoint { sum += 1 }
                }
            }
        }
        return sum
    }
}
