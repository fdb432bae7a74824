internal import Model

extension OfferingSeries: Row {
    static var table: String { "offering_series" }

    static var schema: [Int64: String] {
        [1: creation, 5: "ALTER TABLE offering_series ADD COLUMN created_ms INTEGER"]
    }

    private static var creation: String {
        """
        CREATE TABLE offering_series (
            number INTEGER PRIMARY KEY, checksum INTEGER NOT NULL, provider TEXT NOT NULL, model TEXT NOT NULL,
            unpriced_calls INTEGER NOT NULL
        ) STRICT
        """
    }

    static var columns: [String] { ["provider", "model", "unpriced_calls", "created_ms"] }

    var values: [Value] {
        [
            .text(labels.provider.text), .text(labels.model.text), .integer(unpricedCalls),
            Value(created?.unixMilliseconds),
        ]
    }

    init(number: Int64, values: [Value]) throws(StoreError) {
        var reader = ValueReader(values)
        let labels = OfferingLabels(provider: LabelValue(try reader.text()), model: LabelValue(try reader.text()))
        self.init(
            number: number, labels: labels, unpricedCalls: try reader.natural(), created: try reader.optionalInstant())
    }
}
