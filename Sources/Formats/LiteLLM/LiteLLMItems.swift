internal import Model

/// Objects that are items of LiteLLM's generic API logger: its `StandardLoggingPayload`
/// (docs.litellm.ai/docs/proxy/logging_spec).
///
/// An item may be wrapped, as programs that pass payloads on do: `{"standard_logging_payload": {…}}`, and
/// `{"records": […]}` around several.
///
/// Its token counts include cached, written and reasoning ones, as the contract's do. An item is rejected for its
/// labels, its status and its two token counts alone; other details that break a rule are left out with a warning.
struct LiteLLMItems: BodyObjects, ~Copyable {
    private let headerAgentName: [UInt8]?
    private var rules = RecordRules()
    private var tags = JSONReader(skippingAllBut: "")
    private var payloads = JSONReader(skippingAllBut: LiteLLMItem.keyTable)
    private var draft = RecordDraft()

    /// The logger posts a null for each call whose log it could not make.
    static let skipsNull = true
    static let takesSoundLines = true
    static let allowsByteOrderMark = true

    /// - Parameters:
    ///   - agentName: the header `X-Agent-Name`.
    ///   - arrival: the time of exemplars that have none of their own.
    init(agentName: String?, arrival: Instant) {
        headerAgentName = agentName.flatMap { $0.utf8.isName ? Array($0.utf8) : nil }
        rules.begin(idempotencyKey: nil, arrival: arrival, comparesContent: false)
    }

    private static let tagPrefix = Array("agent:".utf8)
    private static let unknown = Array("unknown".utf8)

    /// An object with none of them is not an item: millions of empty ones fit into a small compressed body.
    private static let keysOfCalls: [LiteLLMItem.Key] = [
        .model, .callID, .status, .startTime, .provider, .promptTokens, .cost,
    ]

    private static func describesCall(_ item: LiteLLMItem) -> Bool { keysOfCalls.contains { !item[$0].isAbsent } }

    static func elements(of object: JSONObject) -> BorrowedBytes? {
        if case .array(let text) = LiteLLMItem(object)[.records] { text } else { nil }
    }

    func agentName(of object: JSONObject) -> LabelValue? { draft.validAgentName }

    mutating func read(
        _ object: JSONObject, index: Int, warnings: inout BodyWarnings
    ) throws(RecordFault) -> ReadObject {
        draft.removeAll()
        let item = LiteLLMItem(object)
        switch item[.payload] {
        case .object(let text): return try read(try payload(text), index: index, warnings: &warnings)
        case .null where !Self.describesCall(item): return .null
        default: return try read(item, index: index, warnings: &warnings)
        }
    }

    private mutating func payload(_ text: BorrowedBytes) throws(RecordFault) -> LiteLLMItem {
        do throws(JSONFault) {
            _ = try payloads.open(text)
            return LiteLLMItem(try payloads.readObject())
        } catch {
            throw .noCall("standard_logging_payload is not JSON")
        }
    }

    private mutating func read(
        _ item: LiteLLMItem, index: Int, warnings: inout BodyWarnings
    ) throws(RecordFault) -> ReadObject {
        if case .string(let name) = item[.callType], let type = LiteLLMNonCall(callType: name) { return .nonCall(type) }
        guard Self.describesCall(item) else {
            throw .noCall("the item says nothing of a call")
        }
        setAgentName(item)
        // LiteLLM leaves out the provider of a model that it does not know; a failed call counts all the same.
        try copy(item[.provider], string: .provider, else: Self.unknown)
        try copy(item[.model], string: .model, else: Self.unknown)
        let isSuccess = try setStatus(item)
        // A stream whose end reported no usage, or a call without an answer: its zeros mean that nothing is known.
        let lacksUsage =
            (!isSuccess || item[.isStream].isTrue) && !item[.promptTokens].isAboveZero
            && !item[.completionTokens].isAboveZero
        if !lacksUsage { try setUsage(item, index, &warnings) }
        // A cost of 0 without usage means unknown. LiteLLM also writes 0 for a cost that it could not compute, and then
        // says why.
        let hasCost =
            item[.cost].isAboveZero
            || (!lacksUsage || !isSuccess) && item[.costFailure].isAbsent && item[.zeroCost].isAbsent
        if hasCost { setDetail(.costUSD, item[.cost], index, &warnings) }
        setBill(item)
        setLatency(item)
        setDetail(.timestamp, item[.endTime], index, &warnings)
        if !setID(item) { warnings.noteOmitted(.id, index: index) }
        return .event(try draft.event(index: index, by: &rules, warnings: &warnings))
    }

    /// The first name that an agent may have, from the request's own to the key's.
    private mutating func setAgentName(_ item: LiteLLMItem) {
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

    private mutating func setAgentName(tags value: JSONValue) -> Bool {
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

    private mutating func setStatus(_ item: LiteLLMItem) throws(RecordFault) -> Bool {
        guard let status = try item[.status].string(.status) else { return true }
        if status.elementsEqual("success".utf8) { return true }
        if status.elementsEqual("failure".utf8) {
            let failure = FailureStatus(
                type: item[.errorClass].written, code: item[.errorCode].written.flatMap { Int64($0) })
            draft.set(.status, string: failure.rawValue.utf8)
        } else {
            draft.set(.status, string: status)
        }
        let reported = [item[.errorClass], item[.errorCode]].lazy.compactMap(\.written)
        if let name = reported.compactMap(ErrorClass.name).first { draft.set(.errorType, string: name.utf8) }
        return false
    }

    private mutating func setUsage(
        _ item: LiteLLMItem, _ index: Int, _ warnings: inout BodyWarnings
    ) throws(RecordFault) {
        if let token = try item[.promptTokens].number(.inputTokens) { draft.set(.inputTokens, number: token) }
        if let token = try item[.completionTokens].number(.outputTokens) { draft.set(.outputTokens, number: token) }
        let cacheRead = item.firstAboveZero([.cachedTokens, .inputCachedTokens, .cacheReadTokens])
        let cacheWrite = item.firstAboveZero([
            .cacheWriteTokens, .cacheCreationTokens, .inputCacheWriteTokens, .detailedCacheCreationInputTokens,
            .cacheCreationInputTokens,
        ])
        setDetail(.cacheReadTokens, cacheRead, index, &warnings)
        setDetail(.cacheWriteTokens, cacheWrite, index, &warnings)
        let reasoning = item.firstAboveZero([.reasoningTokens, .outputReasoningTokens])
        setDetail(.reasoningTokens, reasoning, index, &warnings)
        setRare(item, cacheRead: cacheRead.count, cacheWrite: cacheWrite.count, reasoning: reasoning.count)
    }

    /// Sets the kinds of tokens that few calls have.
    private mutating func setRare(_ item: LiteLLMItem, cacheRead: Int64, cacheWrite: Int64, reasoning: Int64) {
        var rare = RareTokens()
        rare.cacheWrite1h = max(
            item[.cacheWrite1h].count + item[.cacheWrite12h].count, item[.rawCacheWrite1h].count)
        rare.inputAudio = item[.audioInput].count - item[.audioCached].count
        rare.inputImage = item[.imageInput].count - item[.imageCached].count
        rare.outputAudio = item[.audioOutput].count
        rare.outputImage = item[.imageOutput].count
        if rare.cacheWrite1h > 0, cacheWrite == 0 {
            draft.set(.cacheWriteTokens, number: "\(rare.cacheWrite1h)".utf8)
        }
        let written = cacheWrite > 0 ? cacheWrite : rare.cacheWrite1h
        rare.limit(
            cacheWrite: written, uncached: item[.promptTokens].count - cacheRead - written,
            plain: item[.completionTokens].count - reasoning)
        rare.write(to: &draft)
    }

    /// Sets the facts beside the tokens that the price depends on.
    private mutating func setBill(_ item: LiteLLMItem) {
        let tiers = [item[.servedTier], item[.usageTier], item[.billedTier], item[.requestedTier]].map(\.string)
        if let tier = ServiceTier.name(in: tiers, isFast: item[.usageSpeed].string == "fast") {
            draft.set(.serviceTier, string: tier.utf8)
        }
        let searches = max(item[.webSearches].count, item[.promptWebSearches].count, item[.searchQueries].count)
        if searches > 0 { draft.set(.webSearchRequests, number: "\(searches)".utf8) }
        let sizes = [item[.usageContextSize], item[.optionContextSize], item[.requestedContextSize]]
        if let size = sizes.lazy.compactMap({ $0.string }).first(where: { SearchContextSize(rawValue: $0) != nil }) {
            draft.set(.searchContextSize, string: size.utf8)
        }
        // The response of most streams names the model that was asked for.
        if let model = item[.pricedModel].name ?? item[.responseModel].name {
            draft.set(.responseModel, string: model)
        }
        // The client's own subscription paid, not the proxy's key.
        if item[.usesClientSubscription].isTrue { draft.set(.billing, string: Billing.plan.rawValue.utf8) }
    }

    private mutating func setDetail(
        _ field: Field, _ value: JSONValue, _ index: Int, _ warnings: inout BodyWarnings
    ) {
        switch value {
        case .number(let token): draft.set(field, number: token)
        case .absent, .null: break
        default: warnings.noteOmitted(field, index: index)
        }
    }

    /// The item's `response_time` is not read: for a stream it is the time to the first token, else the latency.
    private mutating func setLatency(_ item: LiteLLMItem) {
        setDuration(.latencyMilliseconds, from: item[.startTime], to: item[.endTime])
        // For other calls LiteLLM writes the end of the answer.
        if item[.isStream].isTrue {
            setDuration(.timeToFirstTokenMilliseconds, from: item[.startTime], to: item[.completionStartTime])
        }
    }

    private mutating func setDuration(_ field: Field, from start: JSONValue, to end: JSONValue) {
        guard case .number(let start) = start, case .number(let end) = end else { return }
        guard let began = Self.nanoseconds(start), let ended = Self.nanoseconds(end) else {
            // Past all bounds, and refused as such.
            draft.set(field, number: "1e99".utf8)
            return
        }
        let (nanoseconds, overflow) = ended.subtractingReportingOverflow(began)
        // The clock was set back meanwhile: the call is counted without it.
        if nanoseconds < 0 && !overflow { return }
        draft.set(field, number: overflow ? "1e99".utf8 : PlainDecimal.text(nanoseconds, scale: 6).utf8)
    }

    /// LiteLLM writes seconds from doubles, with seven decimal places at most.
    private static func nanoseconds(_ seconds: BorrowedBytes) -> Int128? {
        guard let number = DecimalNumber(seconds), let magnitude = number.magnitude(scale: 9) else { return nil }
        return number.isNegative ? -magnitude : magnitude
    }

    /// All attempts of one call share its id, and each is logged: the time at which an attempt began makes its id
    /// unique.
    ///
    /// - Returns: `false` if the id is neither text nor a number: such an id identifies nothing.
    private mutating func setID(_ item: LiteLLMItem) -> Bool {
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

    private mutating func copy(
        _ value: JSONValue, string field: Field, else other: [UInt8]
    ) throws(RecordFault) {
        if let text = try value.string(field), !text.trimmingSpaces().isEmpty {
            draft.set(field, string: text)
        } else {
            draft.set(field, string: other)
        }
    }
}

extension JSONValue {
    /// A string that an agent may have as its name.
    fileprivate var name: BorrowedBytes? {
        guard case .string(let text) = self, text.isName else { return nil }
        return text
    }

    fileprivate var isTrue: Bool {
        if case .boolean(let token) = self { token.elementsEqual("true".utf8) } else { false }
    }

    /// A string, or a number as it was written.
    fileprivate var written: String? {
        switch self {
        case .string(let text), .number(let text): text.string
        default: nil
        }
    }

    /// A whole number of 0 or more that a record may have; 0 for anything else.
    fileprivate var count: Int64 {
        guard case .number(let token) = self, let number = DecimalNumber(token)?.integer else { return 0 }
        return (0...Quantity.tokens.bound).contains(number) ? number : 0
    }

    var isAboveZero: Bool {
        if case .number(let token) = self { token.double > 0 } else { false }
    }
}
