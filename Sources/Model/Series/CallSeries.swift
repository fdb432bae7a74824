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
}
