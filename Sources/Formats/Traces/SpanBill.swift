internal import Model

/// Facts of a span beside its tokens that its price depends on.
struct SpanBill {
    let serviceTier: String?
    let webSearches: Int64?
    /// `nil` if it says no more than the model of the labels.
    let responseModel: String?

    init(_ attributes: SpanAttributes, _ usage: SpanUsage, model: String?) {
        let answered = attributes.first(of: SpanAttribute.ofResponseModel)?.text?.unquoted
        responseModel = answered == model ? nil : answered
        guard usage.serviceTier != nil || usage.isFast || attributes.has(SpanAttribute.ofBill) else {
            serviceTier = nil
            webSearches = usage.webSearches
            return
        }
        let metadata = Metadata(attributes)
        webSearches = usage.webSearches ?? metadata?.webSearches
        let served = attributes.all(of: SpanAttribute.ofServedTier).map { $0.text }
        let inJSON = [usage.serviceTier, metadata?.serviceTier]
        let asked =
            [attributes[.langfuseParameters]?.text.flatMap(Parameters.serviceTier)]
            + attributes.all(of: SpanAttribute.ofRequestedTier).map { $0.text }
        let isFast = usage.isFast || metadata?.isFast == true || attributes[.speed]?.text == "fast"
        serviceTier = ServiceTier.name(in: served + inJSON + asked, isFast: isFast)
    }

    /// The members of JSON objects that Vercel's AI SDK and OpenInference's instrumentation of Anthropic write.
    private struct Metadata {
        let webSearches: Int64?
        let serviceTier: String?
        let isFast: Bool

        init?(_ attributes: SpanAttributes) {
            // Users put anything into these: most of it is not worth reading.
            guard let text = attributes.first(of: SpanAttribute.ofMetadata)?.text,
                ["web_search_requests", "erviceTier", "service_tier", "speed"].contains(where: { text.contains($0) }),
                let counts = JSONCounts<Path>(text)
            else { return nil }
            webSearches = counts.first(.webSearches, .vercelWebSearches)
            serviceTier =
                counts.text(.openAITier) ?? counts.text(.azureTier) ?? counts.text(.googleTier)
                ?? counts.text(.anthropicTier)
            isFast = counts.text(.anthropicSpeed) == "fast"
        }

        private enum Path: String, JSONPath {
            static let keyTable = table

            case webSearches = "server_tool_use.web_search_requests"
            case vercelWebSearches = "anthropic.usage.server_tool_use.web_search_requests"
            case openAITier = "openai.serviceTier"
            case azureTier = "azure.serviceTier"
            case googleTier = "google.serviceTier"
            case anthropicTier = "anthropic.usage.service_tier"
            case anthropicSpeed = "anthropic.usage.speed"
        }
    }

    private enum Parameters: String, JSONPath {
        static let keyTable = table

        case tier = "service_tier"

        static func serviceTier(_ text: String) -> String? { JSONCounts<Parameters>(text)?.text(.tier) }
    }
}
