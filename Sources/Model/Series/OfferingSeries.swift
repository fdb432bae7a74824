/// `llm_calls_unpriced_total` of one (provider, model).
package struct OfferingSeries: NumberedSeries {
    package let number: Int64
    package let labels: OfferingLabels
    package let block: LabelBlock
    package private(set) var unpricedCalls: Int64

    package init(number: Int64, labels: OfferingLabels, unpricedCalls: Int64 = 0) {
        self.number = number
        self.labels = labels
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
