/// `llm_api_latency_seconds` of one (agent_name, provider).
package struct EndpointSeries: NumberedSeries {
    package let number: Int64
    package let labels: EndpointLabels
    package let block: LabelBlock
    package private(set) var latency: Histogram

    package init(number: Int64, labels: EndpointLabels, latency: Histogram) {
        self.number = number
        self.labels = labels
        self.latency = latency
        block = LabelBlock([("agent_name", labels.agentName), ("provider", labels.provider)])
    }

    package var key: EndpointLabels { labels }

    /// The sum with one more record.
    ///
    /// - Throws: `total_overflow`.
    func sum(with record: CallRecord) throws(RecordRejection) -> Int64? {
        try Optional(latency.sumMicroseconds).adding(
            record.apiLatencyMicroseconds, of: "llm_api_latency_seconds", field: "api_latency_ms")
    }

    /// - Parameter sum: from `sum(with:)`.
    mutating func add(_ record: CallRecord, sum: Int64, bounds: HistogramBounds) {
        guard let latency = record.apiLatencyMicroseconds else { return }
        self.latency.observe(latency, sum: sum, bounds: bounds, trace: record.trace)
    }
}
