internal import Model

extension Tally {
    /// `success 3,error 1`. Neither statuses nor error types contain a space or a comma (docs/openapi.yaml).
    var stored: String {
        entries.map { "\($0.name) \($0.count)" }.joined(separator: ",")
    }

    init(stored text: String) throws(StoreError) {
        self.init()
        for entry in text.split(separator: ",") {
            let parts = entry.split(separator: " ", omittingEmptySubsequences: false)
            guard parts.count == 2, let count = Int64(parts[1]), count >= 0 else {
                throw StoreError(.damaged, "not a tally")
            }
            let name = LabelValue(String(parts[0]))
            guard !contains(name) else { throw StoreError(.damaged, "a name twice in a tally") }
            add(count, to: name)
        }
    }
}
