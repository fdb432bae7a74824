import Bodies
import Metrics

/// What form of a scrape the Accept headers ask for.
enum Negotiation {
    /// Protobuf if nothing in Accept weighs more, or as much and is named before it; else OpenMetrics if no text does;
    /// else text, also when nothing fits: a person can still read a scrape in a form that was not asked for; a 406 has
    /// none.
    static func format(accept: String?, of offered: [ExpositionFormat]) -> ExpositionFormat {
        let entries = QualityValues(accept ?? "").entries
        func format(named entry: QualityValues.Entry) -> ExpositionFormat? { offered.first { $0.isNamed(by: entry) } }
        let greatest = entries.map(\.weight).max()
        if let first = entries.first(where: { $0.weight == greatest }), first.weight > 0,
            case .protobuf(let hasNativeHistograms)? = format(named: first)
        {
            return .protobuf(hasNativeHistograms: hasNativeHistograms)
        }
        var chosen: (format: ExpositionFormat, weight: Int)?
        for entry in entries where entry.weight > (chosen?.weight ?? 0) {
            guard let format = format(named: entry) else { continue }
            if case .protobuf = format { continue }
            chosen = (format, entry.weight)
        }
        return chosen?.format ?? .text
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

extension ExpositionFormat {
    /// Whether an entry of Accept names the format: its media type, and parameters that do not contradict it.
    fileprivate func isNamed(by entry: QualityValues.Entry) -> Bool {
        func has(_ name: String, _ value: String) -> Bool {
            entry.parameters.allSatisfy { $0.name != name || $0.value == value }
        }
        switch self {
        case .text: return entry.value == "text/plain" && has("version", "0.0.4")
        case .openMetrics: return entry.value == "application/openmetrics-text" && has("version", "1.0.0")
        case .protobuf:
            return entry.value == "application/vnd.google.protobuf"
                && entry.parameters.contains { $0.name == "encoding" && $0.value == "delimited" }
                && entry.parameters.contains { $0.name == "proto" && $0.value == "io.prometheus.client.metricfamily" }
        }
    }
}
