/// `llm_api_latency_seconds` of one (agent_name, provider).
package struct EndpointSeries: NumberedSeries {
    package let number: Int64
    package let labels: EndpointLabels
    package let block: LabelBlock
    package private(set) var latency: Histogram
    /// The arrival of the first record; `nil` if version 0.1.0 stored it.
    package let created: Instant?

    package init(number: Int64, labels: EndpointLabels, latency: Histogram, created: Instant?) {
        self.number = number
        self.labels = labels
        self.latency = latency
        self.created = created
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

    /// The same with another histogram; `nil` if `convert` has none.
    package func converting(_ convert: (Histogram) -> Histogram?) -> EndpointSeries? {
        convert(latency).map { EndpointSeries(number: number, labels: labels, latency: $0, created: created) }
    }

    /// The same with a histogram that begins again at 0.
    package func restartingHistograms(_ bounds: HistogramBounds, at now: Instant) -> EndpointSeries {
        EndpointSeries(number: number, labels: labels, latency: Histogram(bounds: bounds), created: now)
    }
}
