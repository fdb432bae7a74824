internal import Model

/// The rules of docs/openapi.yaml: checks the fields of records, one record after the other, and makes events of them.
///
/// It remembers the last value of each name: the records of a body mostly repeat them, and then share one string.
struct RecordRules {
    private var idempotencyKey: IdempotencyKey?
    private var idOwner: LabelValue?
    private var comparesContent = true
    private var arrival = Instant(unixMilliseconds: 0)

    private var agentName = RepeatedName()
    private var provider = RepeatedName()
    private var model = RepeatedName()
    private var status = RepeatedName()
    private var errorType = RepeatedName()
    private var responseModel = RepeatedName()
    private var digestInput = DigestInput()

    static let nameBytes = 256
    static let idBytes = 256
    /// How old a timestamp may be to become the time of an exemplar.
    private static let exemplarAge = Duration.seconds(600)
    /// How old a timestamp may be for prices to go by it.
    private static let pricedAge = Duration.seconds(86_400)
    private static let unknownError = LabelValue("unknown")

    /// Begins another body.
    ///
    /// - Parameters:
    ///   - arrival: the time of exemplars that have none of their own.
    ///   - idOwner: the owner of all ids, if an id alone identifies a call; else each belongs to its agent.
    ///   - comparesContent: whether the same id with other content is an error; else it is a duplicate.
    mutating func begin(
        idempotencyKey: IdempotencyKey?, arrival: Instant, idOwner: LabelValue? = nil, comparesContent: Bool = true
    ) {
        self.comparesContent = comparesContent
        self.idempotencyKey = idempotencyKey
        self.idOwner = idOwner
        self.arrival = arrival
    }

    /// - Parameter index: the record's place in the body.
    /// - Throws: the first error in the order of the contract's table.
    mutating func event(
        of object: some RecordFields, index: Int, warnings: inout BodyWarnings
    ) throws(RecordFault) -> Event {
        // Checked first: it decides which fields are required, and a misspelt event must not be reported as a missing
        // model.
        try checkEvent(object)
        let isStart = if case .string(let event) = object[.event] { event.elementsEqual("start".utf8) } else { false }

        guard let agentName = try name(object, .agentName, memory: &agentName) else {
            throw .missing(.agentName, in: object, isStart: isStart)
        }
        let provider = try name(object, .provider, memory: &provider)
        if provider == nil, !isStart { throw .missing(.provider, in: object, isStart: isStart) }
        let model = try name(object, .model, memory: &model)
        if model == nil, !isStart { throw .missing(.model, in: object, isStart: isStart) }
        let status = try status(object)
        var usage = try usage(object)
        let cost = try units(object, .costUSD, .cost)
        let latency = try units(object, .latencyMilliseconds, .latency)
        let apiLatency = try units(object, .apiLatencyMilliseconds, .latency)
        let memoryRSS = try megabytes(object, .memoryRSSMegabytes)
        let memoryAvailable = try megabytes(object, .memoryAvailableMegabytes)
        let id = try id(object)
        if isStart, id == nil, idempotencyKey == nil { throw .missing(.id, in: object, isStart: isStart) }
        let timestamp = try timestamp(object)
        let traceID = try traceID(object)
        let timeToFirstToken = try timeToFirstToken(object, latency: latency)
        var bill = BillFields()
        if object.hasAny(at: Field.placesOfBill) {
            bill = try self.bill(object, &usage, index: index, warnings: &warnings)
        }
        let errorType = try errorType(object, status: status, index: index, warnings: &warnings)

        let call = callDigest(agentName: agentName, id: id, index: index)
        guard !isStart, let provider, let model else {
            // The id alone distinguishes starts; `isStart` has made sure of one.
            guard let call else { throw .missing(.id, in: object, isStart: isStart) }
            return .start(CallStart(agentName: agentName, id: RecordID(call: call, content: 0)))
        }
        var record = CallRecord(
            labels: SeriesLabels(agentName: agentName, provider: provider, model: model), status: status,
            errorType: errorType, usage: usage, cost: cost.flatMap { Money(picoUSD: Int128($0)) },
            latencyMicroseconds: latency, apiLatencyMicroseconds: apiLatency, memoryRSSMegabytes: memoryRSS,
            memoryAvailableMegabytes: memoryAvailable)
        record.timeToFirstTokenMicroseconds = timeToFirstToken
        record.details = bill.details
        record.time = time(timestamp, within: Self.pricedAge)
        if let call {
            let content = comparesContent ? contentDigest(record, cost: cost, bill) : nil
            record.id = RecordID(call: call, content: content)
        }
        if let traceID {
            record.trace = Trace(
                id: traceID, unixMilliseconds: time(timestamp, within: Self.exemplarAge).unixMilliseconds)
        }
        return .end(record)
    }

    // MARK: Names

    private func name(
        _ object: some RecordFields, _ field: Field, memory: inout RepeatedName
    ) throws(RecordFault) -> LabelValue? {
        guard let sent = try string(object, field) else { return nil }
        let name = sent.trimmingSpaces()
        if let known = memory.value(ifEqualTo: name) { return known }
        guard !name.isEmpty else { throw .empty(field, limitBytes: Self.nameBytes) }
        guard name.count <= Self.nameBytes else {
            throw .tooLong(field, Excerpt(name), bytes: name.count, limitBytes: Self.nameBytes)
        }
        if name.containsControlCharacter { throw .controlCharacter(field, Excerpt(name)) }
        if name.first == UInt8(ascii: "_") { throw .reserved(field, Excerpt(name)) }
        return memory.remember(name)
    }

    private mutating func status(_ object: some RecordFields) throws(RecordFault) -> LabelValue {
        guard let name = try string(object, .status) else { return CallRecord.success }
        if let known = status.value(ifEqualTo: name) { return known }
        guard name.isStatus else {
            throw .invalidFormat(
                .status, name, expected: "1 to 32 of a-z, 0-9 and _, the first a letter, as in success or timeout")
        }
        return status.remember(name)
    }

    private mutating func errorType(
        _ object: some RecordFields, status: LabelValue, index: Int, warnings: inout BodyWarnings
    ) throws(RecordFault) -> LabelValue? {
        if status == CallRecord.success {
            switch object[.errorType] {
            case .absent, .null: break
            case .repeated: throw .duplicateKey(.errorType)
            default: warnings.noteIgnoredErrorType(index: index)
            }
            return nil
        }
        guard let name = try string(object, .errorType) else { return Self.unknownError }
        if let known = errorType.value(ifEqualTo: name) { return known }
        guard name.isErrorType else {
            throw .invalidFormat(
                .errorType, name,
                expected: "1 to 64 of A-Z, a-z, 0-9, _ . : and -, the first a letter, digit or _, as in rate_limit")
        }
        return errorType.remember(name)
    }

    // MARK: Numbers

    private func usage(_ object: some RecordFields) throws(RecordFault) -> Usage {
        let input = try units(object, .inputTokens, .tokens)
        let output = try units(object, .outputTokens, .tokens)
        let total = try units(object, .totalTokens, .tokens)
        let cacheRead = try part(object, .cacheReadTokens, of: .inputTokens, input, beside: 0)
        let cacheWrite = try part(object, .cacheWriteTokens, of: .inputTokens, input, beside: cacheRead ?? 0)
        let reasoning = try part(object, .reasoningTokens, of: .outputTokens, output, beside: 0)
        return Usage(
            input: input, output: output, total: total, cacheRead: cacheRead, cacheWrite: cacheWrite,
            reasoning: reasoning)
    }

    /// Fields that decide the price beside the usual counts, and the service tier as a content digest holds it.
    private struct BillFields {
        var isPresent = false
        var details: CallDetails?
        var serviceTier: LabelValue?
    }

    // Not inlined: few records have any of these fields.
    @inline(never)
    private mutating func bill(
        _ object: some RecordFields, _ usage: inout Usage, index: Int, warnings: inout BodyWarnings
    ) throws(RecordFault) -> BillFields {
        usage[.cacheWrite1h] = try part(
            object, .cacheWrite1hTokens, of: .cacheWriteTokens, usage[.cacheWrite], beside: 0)
        let cached = (usage[.cacheRead] ?? 0) + (usage[.cacheWrite] ?? 0)
        let reasoning = usage[.reasoning] ?? 0
        usage[.inputAudio] = try part(object, .inputAudioTokens, of: .inputTokens, usage.input, beside: cached)
        usage[.outputAudio] = try part(object, .outputAudioTokens, of: .outputTokens, usage.output, beside: reasoning)
        usage[.inputImage] = try part(
            object, .inputImageTokens, of: .inputTokens, usage.input, beside: cached + (usage[.inputAudio] ?? 0))
        usage[.outputImage] = try part(
            object, .outputImageTokens, of: .outputTokens, usage.output, beside: reasoning + (usage[.outputAudio] ?? 0))
        let tier = try serviceTier(object, index: index, warnings: &warnings)
        let webSearches = try units(object, .webSearchRequests, .searches)
        let size = try choice(object, .searchContextSize, SearchContextSize.self, expected: "low, medium or high")
        let responseModel = try name(object, .responseModel, memory: &responseModel)
        let billing = try choice(object, .billing, Billing.self, expected: "metered or plan")
        let hasDetails =
            tier.tier != .standard || webSearches != nil || size != nil || responseModel != nil || billing != nil
        return BillFields(
            isPresent: true,
            details: hasDetails
                ? CallDetails(
                    serviceTier: tier.tier, webSearches: webSearches, searchContextSize: size,
                    responseModel: responseModel, billing: billing) : nil,
            serviceTier: tier.name)
    }

    private func serviceTier(
        _ object: some RecordFields, index: Int, warnings: inout BodyWarnings
    ) throws(RecordFault) -> (tier: ServiceTier, name: LabelValue?) {
        guard let name = try string(object, .serviceTier) else { return (.standard, nil) }
        guard name.isStatus else {
            throw .invalidFormat(
                .serviceTier, name, expected: "1 to 32 of a-z, 0-9 and _, the first a letter, as in flex or batch")
        }
        let text = name.string
        if let tier = ServiceTier(sent: text) { return (tier, LabelValue(text)) }
        warnings.noteUnknownServiceTier(text, index: index)
        return (.standard, LabelValue(text))
    }

    /// The value of a field that has one of a few.
    private func choice<Value: RawRepresentable<String>>(
        _ object: some RecordFields, _ field: Field, _: Value.Type, expected: StaticString
    ) throws(RecordFault) -> Value? {
        guard let text = try string(object, field) else { return nil }
        guard let value = Value(rawValue: text.string) else {
            throw .invalidFormat(field, text, expected: expected)
        }
        return value
    }

    /// - Parameter taken: what another part takes of the whole.
    private func part(
        _ object: some RecordFields, _ field: Field, of wholeField: Field, _ whole: Int64?, beside taken: Int64
    ) throws(RecordFault) -> Int64? {
        guard let part = try units(object, field, .tokens) else { return nil }
        if part > 0, part > (whole ?? 0) - taken {
            throw .inconsistent(field, part, of: wholeField, whole, taken: taken)
        }
        return part
    }

    private func units(
        _ object: some RecordFields, _ field: Field, _ quantity: Quantity
    ) throws(RecordFault) -> Int64? {
        guard let token = try number(object, field) else { return nil }
        do {
            return try quantity.units(token)
        } catch {
            throw quantity.fault(error, field, token)
        }
    }

    private func timeToFirstToken(_ object: some RecordFields, latency: Int64?) throws(RecordFault) -> Int64? {
        guard let time = try units(object, .timeToFirstTokenMilliseconds, .latency) else { return nil }
        if let latency, time > latency { throw .firstTokenPastLatency(time, latency: latency) }
        return time
    }

    private func megabytes(_ object: some RecordFields, _ field: Field) throws(RecordFault) -> Double? {
        guard let token = try number(object, field) else { return nil }
        do {
            return try Quantity.megabytes.double(token)
        } catch {
            throw Quantity.megabytes.fault(error, field, token)
        }
    }

    // MARK: The rest

    private func id(_ object: some RecordFields) throws(RecordFault) -> BorrowedBytes? {
        guard let id = try string(object, .id) else { return nil }
        guard !id.isEmpty else { throw .empty(.id, limitBytes: Self.idBytes) }
        guard id.count <= Self.idBytes else {
            throw .tooLong(.id, Excerpt(id), bytes: id.count, limitBytes: Self.idBytes)
        }
        return id
    }

    private func checkEvent(_ object: some RecordFields) throws(RecordFault) {
        guard let event = try string(object, .event) else { return }
        guard event.elementsEqual("end".utf8) || event.elementsEqual("start".utf8) else {
            throw .invalidFormat(.event, event, expected: "\"end\" or \"start\"")
        }
    }

    private func timestamp(_ object: some RecordFields) throws(RecordFault) -> Instant? {
        switch object[.timestamp] {
        case .absent, .null: return nil
        case .repeated: throw .duplicateKey(.timestamp)
        case .number(let token):
            guard let instant = Timestamp.instant(unixSeconds: token) else {
                throw .timeBelowZero(Excerpt(token))
            }
            return instant
        case .string(let text):
            guard let instant = Timestamp.instant(rfc3339: text) else {
                throw .invalidFormat(
                    .timestamp, text, expected: "a date and time of RFC 3339 as in 2025-01-31T23:59:59Z")
            }
            return instant
        case let other:
            throw .wrongType(.timestamp, other, expected: "a string of RFC 3339 or a number of seconds since 1970")
        }
    }

    private func traceID(_ object: some RecordFields) throws(RecordFault) -> String? {
        guard let id = try string(object, .traceID) else { return nil }
        guard id.isTraceID else {
            throw .invalidFormat(.traceID, id, expected: "1 to 64 hexadecimal digits")
        }
        return id.string
    }

    /// The time of a call: its timestamp if that is not older than `age`, else its arrival.
    private func time(_ timestamp: Instant?, within age: Duration) -> Instant {
        guard let timestamp, timestamp <= arrival, timestamp.adding(age) >= arrival else { return arrival }
        return timestamp
    }

    private func string(_ object: some RecordFields, _ field: Field) throws(RecordFault) -> BorrowedBytes? {
        try object[field].string(field)
    }

    private func number(_ object: some RecordFields, _ field: Field) throws(RecordFault) -> BorrowedBytes? {
        try object[field].number(field)
    }

    // MARK: Digests

    private mutating func callDigest(agentName: LabelValue, id: BorrowedBytes?, index: Int) -> Digest? {
        guard id != nil || idempotencyKey != nil else { return nil }
        digestInput.removeAll()
        digestInput.append(.agentName, idOwner ?? agentName)
        if let id {
            digestInput.append(last: id)
        } else if let idempotencyKey {
            digestInput.append(last: idempotencyKey.text)
            digestInput.append(last: "/\(index)")
        }
        return Digest(bits: digestInput.digest128)
    }

    /// A digest of the values, not of how they were written: 5 and 5.0 are one content, and so are absent and null.
    private mutating func contentDigest(_ record: CallRecord, cost: Int64?, _ bill: BillFields) -> UInt64 {
        digestInput.removeAll()
        digestInput.append(.agentName, idOwner ?? record.labels.agentName)
        digestInput.append(.provider, record.labels.provider)
        digestInput.append(.model, record.labels.model)
        digestInput.append(.status, record.status)
        digestInput.append(.inputTokens, record.usage.input)
        digestInput.append(.outputTokens, record.usage.output)
        digestInput.append(.totalTokens, record.usage.total)
        digestInput.append(.cacheReadTokens, record.usage[.cacheRead])
        digestInput.append(.cacheWriteTokens, record.usage[.cacheWrite])
        digestInput.append(.reasoningTokens, record.usage[.reasoning])
        digestInput.append(.costUSD, cost)
        digestInput.append(.latencyMilliseconds, record.latencyMicroseconds)
        digestInput.append(.apiLatencyMilliseconds, record.apiLatencyMicroseconds)
        digestInput.append(.memoryRSSMegabytes, record.memoryRSSMegabytes)
        digestInput.append(.memoryAvailableMegabytes, record.memoryAvailableMegabytes)
        if let errorType = record.errorType { digestInput.append(.errorType, errorType) }
        digestInput.append(.timeToFirstTokenMilliseconds, record.timeToFirstTokenMicroseconds)
        guard bill.isPresent else { return digestInput.digest64 }
        digestInput.append(.cacheWrite1hTokens, record.usage[.cacheWrite1h])
        digestInput.append(.inputAudioTokens, record.usage[.inputAudio])
        digestInput.append(.outputAudioTokens, record.usage[.outputAudio])
        digestInput.append(.inputImageTokens, record.usage[.inputImage])
        digestInput.append(.outputImageTokens, record.usage[.outputImage])
        if let tier = bill.serviceTier { digestInput.append(.serviceTier, tier) }
        guard let details = bill.details else { return digestInput.digest64 }
        digestInput.append(.webSearchRequests, details.webSearches)
        if let size = details.searchContextSize { digestInput.append(.searchContextSize, LabelValue(size.rawValue)) }
        if let model = details.responseModel { digestInput.append(.responseModel, model) }
        if let billing = details.billing { digestInput.append(.billing, LabelValue(billing.rawValue)) }
        return digestInput.digest64
    }
}

/// The last value that a field had.
private struct RepeatedName {
    private var last: LabelValue?
    private var bytes: [UInt8] = []

    func value(ifEqualTo text: BorrowedBytes) -> LabelValue? {
        guard let last, text.equals(bytes) else { return nil }
        return last
    }

    mutating func remember(_ text: BorrowedBytes) -> LabelValue {
        let value = LabelValue(text.string)
        last = value
        bytes = Array(text)
        return value
    }
}
