internal import Model

extension EndpointSeries: Row {
    static var table: String { "endpoint_series" }

    static var schema: [Int64: String] { [1: creation, 5: addition] }

    private static var addition: String {
        """
        ALTER TABLE endpoint_series ADD COLUMN api_latency_native BLOB;
        ALTER TABLE endpoint_series ADD COLUMN created_ms INTEGER
        """
    }

    private static var creation: String {
        """
        CREATE TABLE endpoint_series (
            number INTEGER PRIMARY KEY, checksum INTEGER NOT NULL, agent_name TEXT NOT NULL, provider TEXT NOT NULL,
            api_latency_buckets TEXT, api_latency_count INTEGER, api_latency_sum_us INTEGER, api_latency_exemplars TEXT
        ) STRICT
        """
    }

    static var columns: [String] {
        ["agent_name", "provider"] + Histogram.columns(prefix: "api_latency") + ["api_latency_native", "created_ms"]
    }

    var values: [Value] {
        var values: [Value] = [.text(labels.agentName.text), .text(labels.provider.text)]
        Histogram.append(latency, to: &values)
        values.append(Histogram.nativeValue(latency))
        values.append(Value(created?.unixMilliseconds))
        return values
    }

    init(number: Int64, values: [Value]) throws(StoreError) {
        var reader = ValueReader(values)
        let labels = EndpointLabels(
            agentName: LabelValue(try reader.text()), provider: LabelValue(try reader.text()))
        guard var latency = try Histogram.read(from: &reader) else { throw StoreError(.damaged, "no histogram") }
        try latency.readNative(from: &reader)
        self.init(number: number, labels: labels, latency: latency, created: try reader.optionalInstant())
    }
}
