package import Bodies
package import HTTP
package import Model

/// What LiteLLM's generic API logger posts to `/litellm`.
package struct LiteLLMFormat: Format {
    private let agentName: String?

    /// - Parameter agentName: the header `X-Agent-Name`.
    package init(agentName: String?) {
        self.agentName = agentName
    }

    package var inlineLimitBytes: Int { 256 << 10 }
    /// The logger drops a batch whose post fails.
    package var isSentOnce: Bool { true }

    package func decode(_ body: PaddedBytes, arrival: Instant) throws(MalformedBody) -> DecodedBatch {
        try LiteLLMDecoder(agentName: agentName, arrival: arrival).decode(body)
    }

    /// 200 even if all items were rejected: after an error the logger would drop its whole batch.
    package func answer(to outcome: Outcome) -> Response { outcome.acknowledgement }
}
