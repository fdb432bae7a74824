import Bodies
import Metrics

/// What form of a scrape the Accept headers ask for.
enum Negotiation {
    /// OpenMetrics when Accept names it and prefers it to text; text in every other case, also when nothing fits: a
    /// scrape in a form that was not asked for can be read by a person, a 406 cannot.
    static func format(accept: String?) -> ExpositionFormat {
        guard let accept else { return .text }
        let entries = QualityValues(accept).entries
        let openMetrics = entries.enumerated().first { _, entry in
            entry.value == "application/openmetrics-text" && entry.weight > 0
                && entry.parameters.allSatisfy { $0.name != "version" || $0.value == "1.0.0" }
        }
        guard let openMetrics else { return .text }
        let text = entries.enumerated().filter { _, entry in
            entry.value == "text/plain" && entry.parameters.allSatisfy { $0.name != "version" || $0.value == "0.0.4" }
        }
        // Of two that weigh the same, the one named first.
        let isOutweighed = text.contains { place, entry in
            entry.weight > openMetrics.element.weight
                || (entry.weight == openMetrics.element.weight && place < openMetrics.offset)
        }
        return isOutweighed ? .text : .openMetrics
    }

    /// The coding that weighs most among those offered; `nil` for none.
    static func coding(acceptEncoding: String?) -> ContentCoding? {
        guard let acceptEncoding else { return nil }
        let entries = QualityValues(acceptEncoding).entries
        func weight(_ coding: ContentCoding) -> Int {
            (entries.first { $0.value == coding.rawValue } ?? entries.first { $0.value == "*" })?.weight ?? 0
        }
        let best = ContentCoding.offered.map(weight).max() ?? 0
        return best > 0 ? ContentCoding.offered.first { weight($0) == best } : nil
    }
}
