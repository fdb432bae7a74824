/// The families of one set of (agent_name, provider, model).
package struct CallSeries: NumberedSeries {
    package let number: Int64
    package let labels: SeriesLabels
    package let block: LabelBlock
    package internal(set) var totals: CallTotals

    package init(number: Int64, labels: SeriesLabels, totals: CallTotals = CallTotals()) {
        self.number = number
        self.labels = labels
        self.totals = totals
        block = LabelBlock([("agent_name", labels.agentName), ("provider", labels.provider), ("model", labels.model)])
    }

    package var key: SeriesLabels { labels }

    /// The same with other histograms; `nil` if `convert` has none for one of them.
    package func converting(_ convert: (Histogram) -> Histogram?) -> CallSeries? {
        var series = self
        if let latency = totals.latency {
            guard let converted = convert(latency) else { return nil }
            series.totals.latency = converted
        }
        if let time = totals.timeToFirstToken {
            guard let converted = convert(time) else { return nil }
            series.totals.timeToFirstToken = converted
        }
        return series
    }

    /// The same with histograms that begin again at 0.
    package func restartingHistograms(_ bounds: HistogramBounds, at now: Instant) -> CallSeries {
        var series = self
        if totals.latency != nil {
            series.totals.latency = Histogram(bounds: bounds)
            series.totals.created.renew(.latency, at: now)
        }
        if totals.timeToFirstToken != nil {
            series.totals.timeToFirstToken = Histogram(bounds: bounds)
            series.totals.created.renew(.timeToFirstToken, at: now)
        }
        return series
    }
}
