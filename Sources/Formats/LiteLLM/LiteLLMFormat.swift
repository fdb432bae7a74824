package import Bodies
package import HTTP
package import Model

/// The bodies that LiteLLM's generic API logger posts: an array of items, one item a line, or one item, all of them
/// labelled `application/json`.
///
/// Bodies are large, because items hold prompts and answers, which are stepped over. Of those, only brackets, quotes
/// and UTF-8 matter, so that a batch is not lost for a character in a prompt.
package struct LiteLLMFormat: JSONFormat {
    private let agentName: String?

    /// - Parameter agentName: the header `X-Agent-Name`.
    package init(agentName: String?) {
        self.agentName = agentName
    }

    package var intake: ReportingIntake? { .litellm }
    /// The logger drops a batch whose post fails.
    package var isSentOnce: Bool { true }

    package func readable(_ body: PaddedBytes) -> PaddedBytes { body.repairedUTF8 }

    package func decode(
        _ body: PaddedBytes, arrival: Instant, from cursor: BodyCursor?, elementLimit: Int
    ) throws(MalformedBody) -> (batch: DecodedBatch, next: BodyCursor?) {
        // Safe: no text or object leaves the closure, only values made of them.
        try unsafe body.withUnsafeBytes { (bytes) throws(MalformedBody) in
            let text = unsafe BorrowedBytes(bytes.assumingMemoryBound(to: UInt8.self))
            var walk = BodyWalk(
                JSONReader(skippingAllBut: LiteLLMItem.keyTable),
                LiteLLMItems(agentName: agentName, arrival: arrival), from: cursor ?? BodyCursor(),
                elementLimit: elementLimit)
            if cursor == nil { try walk.read(text, format: .json) } else { walk.readOn(text) }
            return (walk.batch, walk.next)
        }
    }

    /// 200 even if all items were rejected: after an error the logger would drop its whole batch.
    package func answer(to outcome: Outcome) -> Response { outcome.acknowledgement }
}
