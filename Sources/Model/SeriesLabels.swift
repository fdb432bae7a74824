/// What one call is counted under: the labels that most families share.
package struct SeriesLabels: Hashable, Sendable {
    package let agentName: LabelValue
    package let provider: LabelValue
    package let model: LabelValue

    package init(agentName: LabelValue, provider: LabelValue, model: LabelValue) {
        self.agentName = agentName
        self.provider = provider
        self.model = model
    }

    package var endpoint: EndpointLabels { EndpointLabels(agentName: agentName, provider: provider) }
    package var offering: OfferingLabels { OfferingLabels(provider: provider, model: model) }

    /// The set that a known agent's calls join once the limit is reached.
    package static func folded(agentName: LabelValue) -> SeriesLabels {
        SeriesLabels(agentName: agentName, provider: .other, model: .other)
    }

    /// Folded sets are not counted against the limit.
    package var isFolded: Bool { model == .other }
}

/// Labels of `llm_api_latency_seconds`.
package struct EndpointLabels: Hashable, Sendable {
    package let agentName: LabelValue
    package let provider: LabelValue

    package init(agentName: LabelValue, provider: LabelValue) {
        self.agentName = agentName
        self.provider = provider
    }
}

/// Labels of `llm_calls_unpriced_total`: a model as a provider offers it.
package struct OfferingLabels: Hashable, Sendable {
    package let provider: LabelValue
    package let model: LabelValue

    package init(provider: LabelValue, model: LabelValue) {
        self.provider = provider
        self.model = model
    }
}

/// Label pairs as they stand between the braces of an exposition, rendered once at a series' birth.
///
/// Escaped as the text format 0.0.4 and OpenMetrics 1.0 ("Escaping") both say: backslash, quote, line feed. Everything
/// else, CR included, stays byte for byte.
package struct LabelBlock: Hashable, Sendable {
    package private(set) var bytes: [UInt8] = []

    package init(_ pairs: [(name: String, value: LabelValue)] = []) {
        for (name, value) in pairs { append(name, value) }
    }

    package mutating func append(_ name: String, _ value: LabelValue) {
        if !bytes.isEmpty { bytes.append(UInt8(ascii: ",")) }
        bytes.append(contentsOf: name.utf8)
        bytes.append(UInt8(ascii: "="))
        bytes.append(UInt8(ascii: "\""))
        // Over bytes: "\r\n" is one Character.
        for byte in value.text.utf8 {
            switch byte {
            case UInt8(ascii: "\\"), UInt8(ascii: "\""): bytes.append(contentsOf: [UInt8(ascii: "\\"), byte])
            case UInt8(ascii: "\n"): bytes.append(contentsOf: [UInt8(ascii: "\\"), UInt8(ascii: "n")])
            default: bytes.append(byte)
            }
        }
        bytes.append(UInt8(ascii: "\""))
    }
}
