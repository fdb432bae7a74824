internal import Bodies

/// Counts the data points of an `ExportMetricsServiceRequest` in protobuf (opentelemetry-proto 1.9:
/// collector/metrics/v1 and metrics/v1).
///
/// Bytes that are not protobuf, in the messages from the request down to the data points, refuse the body. Nothing is
/// kept.
enum ProtobufDataPoints {
    static func count(in body: PaddedBytes) throws(MalformedBody) -> Int {
        try body.readProtobuf(.metrics) { (request) throws(ProtobufFault) in try count(in: request, below: path[...]) }
    }

    /// The numbers of the fields that lead from a request to its data points: resource_metrics, scope_metrics, metrics,
    /// one of gauge, sum, histogram, exponential_histogram and summary, and data_points.
    private static let path: [Set<UInt32>] = [[1], [2], [2], [5, 7, 9, 10, 11], [1]]

    private static func count(
        in message: BorrowedBytes, below path: ArraySlice<Set<UInt32>>
    ) throws(ProtobufFault) -> Int {
        var fields = ProtobufReader(message)
        guard let numbers = path.first else {
            while try fields.nextField() != nil {}
            return 1
        }
        var sum = 0
        while let field = try fields.nextField() {
            guard case .bytes(let inner) = field.value, numbers.contains(field.number) else { continue }
            sum += try count(in: inner, below: path.dropFirst())
        }
        return sum
    }
}
