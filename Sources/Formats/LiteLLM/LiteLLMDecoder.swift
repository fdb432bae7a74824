package import Bodies
package import Model

/// Reads what LiteLLM's generic API logger posts: an array of items, one item a line, or one item, all of them labelled
/// `application/json`.
///
/// Bodies are large, because items hold prompts and answers: of those nothing is read, and nothing kept. That they are
/// JSON is checked by brackets and quotes alone, so that a batch is not lost for a character in a prompt.
package struct LiteLLMDecoder {
    private let agentName: String?
    private let arrival: Instant

    /// - Parameters:
    ///   - agentName: the header `X-Agent-Name`.
    ///   - arrival: when the body came.
    package init(agentName: String?, arrival: Instant) {
        self.agentName = agentName
        self.arrival = arrival
    }

    /// Decodes a whole body. Items that are null are skipped: the logger posts one for each call whose log it could not
    /// make. Of lines those are taken that are an item or a list of them; a byte order mark before it all is passed over.
    ///
    /// - Throws: when the body as a whole is neither an item nor a list of them.
    package func decode(_ body: PaddedBytes) throws(MalformedBody) -> DecodedBatch {
        // Safe: no text or object leaves the closure, only values made of them.
        try unsafe body.repairedUTF8.withUnsafeBytes { (bytes) throws(MalformedBody) in
            let text = unsafe JSONText(bytes.assumingMemoryBound(to: UInt8.self))
            var records = RecordReader()
            records.begin(idempotencyKey: nil, arrival: arrival)
            var decoding = BodyDecoding(
                JSONReader(skippingAllBut: LiteLLMItemReader.keyTable), records,
                items: LiteLLMItemReader(agentName: agentName))
            try decoding.read(text, format: .json)
            return decoding.batch
        }
    }
}

/// Makes records of items, which are LiteLLM's `StandardLoggingPayload` (docs.litellm.ai/docs/proxy/logging_spec).
///
/// Its token counts include cached, written and reasoning ones, as the contract's do. An item is rejected for its labels, its
/// status and its two token counts alone; details that break a rule are left out, and warned of.
final class LiteLLMItemReader {
    private let headerAgentName: [UInt8]?
    private var tags = JSONReader(skippingAllBut: "")
    private var draft = RecordDraft()

    init(agentName: String?) {
        headerAgentName = agentName.flatMap { $0.utf8.isName ? Array($0.utf8) : nil }
    }

    /// What is read of an item.
    private enum Key: Int, CaseIterable {
        case status, provider, model, callID, startTime, endTime, isStream, errorClass
        case promptTokens, completionTokens
        case cachedTokens, cacheReadTokens, cacheCreationTokens, cacheWrittenTokens, reasoningTokens
        case cost, costFailure, zeroCost
        case requesterAgent, loggedAgent, tags, keyAlias

        var path: String {
            switch self {
            case .status: "status"
            case .provider: "custom_llm_provider"
            case .model: "model"
            case .callID: "litellm_call_id"
            case .startTime: "startTime"
            case .endTime: "endTime"
            case .isStream: "stream"
            case .errorClass: "error_information.error_class"
            case .promptTokens: "prompt_tokens"
            case .completionTokens: "completion_tokens"
            case .cachedTokens: "metadata.usage_object.prompt_tokens_details.cached_tokens"
            case .cacheReadTokens: "metadata.usage_object.cache_read_input_tokens"
            case .cacheCreationTokens: "metadata.usage_object.prompt_tokens_details.cache_creation_tokens"
            case .cacheWrittenTokens: "metadata.usage_object.cache_creation_input_tokens"
            case .reasoningTokens: "metadata.usage_object.completion_tokens_details.reasoning_tokens"
            case .cost: "response_cost"
            case .costFailure: "response_cost_failure_debug_info"
            case .zeroCost: "zero_cost_diagnostic"
            case .requesterAgent: "metadata.requester_metadata.agent_name"
            case .loggedAgent: "metadata.spend_logs_metadata.agent_name"
            case .tags: "request_tags"
            case .keyAlias: "metadata.user_api_key_alias"
            }
        }
    }

    private struct Item {
        let object: JSONObject

        subscript(key: Key) -> JSONValue { object[place: key.rawValue] }
    }

    static let keyTable = Key.allCases.map { $0.path + "\n" }.joined()

    private static let tagPrefix = Array("agent:".utf8)
    private static let unknown = Array("unknown".utf8)

    /// An object without any of them is no item: millions of empty ones fit into a small compressed body.
    private static let keysOfCalls: [Key] = [.model, .callID, .status, .startTime, .provider, .promptTokens, .cost]

    /// - Parameter isTold: whether anybody reads the message of what is thrown.
    func read(
        _ object: JSONObject, index: Int, isTold: Bool, by records: inout RecordReader, warnings: inout BodyWarnings
    ) throws(RecordFault) -> Event {
        let item = Item(object: object)
        guard Self.keysOfCalls.contains(where: { item[$0].isTold }) else {
            throw RecordFault(code: .missing, message: "the item tells nothing of a call")
        }
        draft.removeAll()
        func detail(_ value: JSONValue, _ field: Field) {
            switch value {
            case .number(let token): draft.set(field, number: token)
            case .absent, .null: break
            default: warnings.noteOmitted(field, index: index)
            }
        }
        setAgentName(item)
        // LiteLLM leaves out the provider of a model that it does not know; the failure is a call all the same.
        try copy(item[.provider], string: .provider, else: Self.unknown)
        try copy(item[.model], string: .model, else: Self.unknown)
        let isSuccess = try setStatus(item)
        // A stream whose end told no usage, or a call that had no answer: not one without tokens.
        let lacksUsage =
            (!isSuccess || item[.isStream].isTrue) && !item[.promptTokens].isAboveZero
            && !item[.completionTokens].isAboveZero
        if !lacksUsage {
            try copy(item[.promptTokens], number: .inputTokens)
            try copy(item[.completionTokens], number: .outputTokens)
            // Told twice, in OpenAI's form and in Anthropic's; either may be left at 0.
            detail(item[.cachedTokens].isAboveZero ? item[.cachedTokens] : item[.cacheReadTokens], .cacheReadTokens)
            detail(
                item[.cacheCreationTokens].isAboveZero ? item[.cacheCreationTokens] : item[.cacheWrittenTokens],
                .cacheWriteTokens)
            detail(item[.reasoningTokens], .reasoningTokens)
        }
        // The cost of what is not known is none, where 0 is said; and LiteLLM writes 0 also for a cost that it could not
        // compute, and then says why.
        let hasCost =
            item[.cost].isAboveZero
            || (!lacksUsage || !isSuccess) && !item[.costFailure].isTold && !item[.zeroCost].isTold
        if hasCost { detail(item[.cost], .costUSD) }
        setLatency(item)
        if !setID(item) { warnings.noteOmitted(.id, index: index) }
        return try draft.read(index: index, isTold: isTold, by: &records, warnings: &warnings)
    }

    /// The first name that an agent may have, from the request's own to the key's.
    private func setAgentName(_ item: Item) {
        if let name = item[.requesterAgent].name ?? item[.loggedAgent].name {
            draft.set(.agentName, string: name)
        } else if !setAgentName(tags: item[.tags]) {
            if let headerAgentName {
                draft.set(.agentName, string: headerAgentName)
            } else if let name = item[.keyAlias].name {
                draft.set(.agentName, string: name)
            } else {
                draft.set(.agentName, string: Self.unknown)
            }
        }
    }

    private func setAgentName(tags value: JSONValue) -> Bool {
        guard case .array(let text) = value else { return false }
        do throws(JSONFault) {
            guard try tags.open(text) == .array else { return false }
            while let tag = try tags.nextElement() {
                guard case .other(.string(let tag)) = tag, tag.starts(with: Self.tagPrefix) else { continue }
                let name = tag.trimmed(prefix: Self.tagPrefix.count, suffix: 0)
                guard name.isName else { continue }
                draft.set(.agentName, string: name)
                return true
            }
        } catch {
            // Tags that cannot be read name no agent.
        }
        return false
    }

    private func setStatus(_ item: Item) throws(RecordFault) -> Bool {
        guard let status = try item[.status].string(.status) else { return true }
        if status.elementsEqual("success".utf8) { return true }
        if status.elementsEqual("failure".utf8) {
            draft.set(.status, string: "error".utf8)
        } else {
            draft.set(.status, string: status)
        }
        if case .string(let text) = item[.errorClass], let name = ErrorClass.name(in: text) {
            draft.set(.errorType, string: name)
        }
        return false
    }

    /// The whole call. `response_time` would be the time to the first token where the answer is a stream.
    private func setLatency(_ item: Item) {
        guard case .number(let start) = item[.startTime], case .number(let end) = item[.endTime] else { return }
        guard let began = Self.nanoseconds(start), let ended = Self.nanoseconds(end) else {
            // Past all bounds, and refused as such.
            draft.set(.latencyMilliseconds, number: "1e99".utf8)
            return
        }
        let (nanoseconds, overflow) = ended.subtractingReportingOverflow(began)
        // The clock was set back meanwhile: the call is counted without its latency.
        if nanoseconds < 0 && !overflow { return }
        draft.set(
            .latencyMilliseconds, number: overflow ? "1e99".utf8 : PlainDecimal.text(nanoseconds, scale: 6).utf8)
    }

    /// Seconds are written from doubles: seven places behind the point, at most.
    private static func nanoseconds(_ seconds: JSONText) -> Int128? {
        guard let number = DecimalNumber(seconds), let magnitude = number.magnitude(scale: 9) else { return nil }
        return number.isNegative ? -magnitude : magnitude
    }

    /// Attempts of one call share its id, and each is logged: the time at which one began tells it from the others.
    ///
    /// - Returns: `false` for what is neither text nor a number: it tells nothing apart.
    private func setID(_ item: Item) -> Bool {
        switch item[.callID] {
        case .absent, .null: return true
        case .string(let id), .number(let id):
            if id.isEmpty { return true }
            guard case .number(let start) = item[.startTime] else {
                draft.set(id: id)
                return true
            }
            draft.set(id: Array(id) + [UInt8(ascii: "/")] + Array(start))
            return true
        default: return false
        }
    }

    private func copy(_ value: JSONValue, string field: Field, else other: [UInt8]) throws(RecordFault) {
        if let text = try value.string(field), !text.trimmingSpaces().isEmpty {
            draft.set(field, string: text)
        } else {
            draft.set(field, string: other)
        }
    }

    private func copy(_ value: JSONValue, number field: Field) throws(RecordFault) {
        if let token = try value.number(field) { draft.set(field, number: token) }
    }
}

extension JSONValue {
    /// A string that an agent may have as its name.
    fileprivate var name: JSONText? {
        guard case .string(let text) = self, text.isName else { return nil }
        return text
    }

    fileprivate var isTrue: Bool {
        if case .boolean(let token) = self { token.elementsEqual("true".utf8) } else { false }
    }

    /// Whether it is there, and not null.
    fileprivate var isTold: Bool {
        switch self {
        case .absent, .null: false
        default: true
        }
    }

    fileprivate var isAboveZero: Bool {
        if case .number(let token) = self { token.double > 0 } else { false }
    }
}
