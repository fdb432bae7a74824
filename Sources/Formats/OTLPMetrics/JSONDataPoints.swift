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
        // Safe: no text leaves the closure.
        try unsafe body.repairedUTF8.withUnsafeBytes { (bytes) throws(MalformedBody) in
            let text = unsafe BorrowedBytes(bytes.assumingMemoryBound(to: UInt8.self))
            var count: Int?
            do throws(JSONFault) {
                count = try Self.count(in: text)
            } catch {
                // The fault may quote the body, so the answer does not show it.
            }
            guard let count else { throw .unreadable(.json, as: .metrics) }
            return count
        }
    }

    /// - Returns: `nil` if the text is JSON of another form.
    private static func count(in text: BorrowedBytes) throws(JSONFault) -> Int? {
        var whole = JSONReader(skippingAllBut: "resourceMetrics\n")
        guard try whole.open(text) == .object else { return nil }
        switch try whole.readObject()[place: 0] {
        case .absent, .null: return 0
        case .array(let groups):
            var request = JSONDataPoints()
            return try request.count(inGroups: groups)
        default: return nil
        }
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
