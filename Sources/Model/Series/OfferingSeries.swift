/// `llm_calls_unpriced_total` of one (provider, model).
package struct OfferingSeries: NumberedSeries {
    package let number: Int64
    package let labels: OfferingLabels
    package let block: LabelBlock
    package private(set) var unpricedCalls: Int64
    /// The arrival of the first record; `nil` if version 0.1.0 stored it.
    package let created: Instant?

    package init(number: Int64, labels: OfferingLabels, unpricedCalls: Int64 = 0, created: Instant?) {
        self.number = number
        self.labels = labels
        self.created = created
        self.unpricedCalls = unpricedCalls
        block = LabelBlock([("provider", labels.provider), ("model", labels.model)])
    }

    package var key: OfferingLabels { labels }

    mutating func add(_ record: CallRecord) {
        if record.isUnpriced { addUnpricedCall() }
    }

    mutating func addUnpricedCall() {
        unpricedCalls += 1
    }
}
