import Bodies
import Formats
import HTTP
import Ledger
import Model

/// A post of calls: how its body is laid out, and the body.
struct Intake: Sendable {
    private let format: any Format
    /// `nil` is none.
    private let coding: ContentCoding?
    /// As it came over the wire.
    private let body: PaddedBytes

    init(_ exchange: borrowing Exchange, as format: any Format) throws(Refusal) {
        self.format = format
        body = exchange.takeBody()
        guard let list = exchange.list("Content-Encoding"), !body.isEmpty else {
            coding = nil
            return
        }
        // Several would be decoded one after the other; no sender of records encodes twice.
        guard let codings = ContentCoding.list(list), codings.count <= 1 else { throw .contentCoding }
        coding = codings.first
    }

    /// The agent that our clients name in a header, if it is valid.
    static func agentName(_ exchange: borrowing Exchange) -> LabelValue? {
        exchange.header("X-Agent-Name").flatMap { $0.isName ? LabelValue($0) : nil }
    }

    /// Whether the body is small enough to be decoded on a server thread, as far as its length shows.
    func isSmall(_ settings: Settings) -> Bool { body.count <= inlineLimitBytes(settings) }

    var isCompressed: Bool { coding != nil }

    func inlineLimitBytes(_ settings: Settings) -> Int { min(format.inlineLimitBytes, settings.bodyLimitBytes) }

    /// The intake that reports these calls; `nil` if there are none.
    var reporting: ReportingIntake? { format.intake }

    /// Whether the sender discards a body that is refused.
    var isSentOnce: Bool { format.isSentOnce }

    var isDivisible: Bool { format.isDivisible }

    var partElements: Int { format.partElements }

    func answer(to outcome: Outcome) -> Response { format.answer(to: outcome) }

    /// Decodes the first records.
    ///
    /// - Parameter share: takes what the body has more bytes without its content coding; `nil` for a small body.
    /// - Throws: `tooLarge` if the body has more than `limit` bytes without its content coding.
    func decode(
        limit: Int, arrival: Instant, elementLimit: Int, share: (any MemoryShare)? = nil
    ) throws(Refusal) -> (batch: DecodedBatch, rest: BodyRest?, bytes: Int) {
        let body = try decompressed(limit: limit, share)
        guard body.count <= format.inlineLimitBytes || MemoryProbe.hasRoom(for: neededBytes(for: body)) else {
            throw .noMemory
        }
        do throws(MalformedBody) {
            let (batch, rest) = try format.decode(body, arrival: arrival, elementLimit: elementLimit)
            return (batch, rest, body.count)
        } catch {
            throw .malformed(error.detail)
        }
    }

    /// The memory that decoding a large body takes: that of a part, or that of all its spans.
    private func neededBytes(for body: PaddedBytes) -> Int {
        MemoryProbe.partBytes + (format.isDivisible ? 0 : 14 * body.count)
    }

    private func decompressed(limit: Int, _ share: (any MemoryShare)?) throws(Refusal) -> PaddedBytes {
        guard let coding else {
            guard body.count <= limit else { throw .tooLarge }
            return body
        }
        do throws(ContentCoding.Failure) {
            return try coding.decode(body, limit: limit, share: share)
        } catch {
            switch error {
            case .malformed:
                throw .malformed(
                    "the body is not whole \(coding.rawValue): check Content-Encoding, and that nothing was cut off")
            case .tooLarge: throw .tooLarge
            case .outOfMemory, .noRoom: throw .noMemory
            }
        }
    }
}

/// Records that are ready for the ledger.
struct PreparedBatch: Sendable {
    let batch: DecodedBatch
    /// Calls that another intake counts.
    let uncounted: Int
    /// Bytes that the body takes beside its records.
    let bytes: Int
}

// MARK: - The formats of the routes

extension Intake {
    /// Call records, as their headers describe them.
    static func records(
        _ exchange: borrowing Exchange, _ service: Service
    ) throws(Refusal) -> any Format {
        guard let layout = BodyFormat(contentType: exchange.header("Content-Type")) else {
            throw .mediaType(
                remedy: "records come as JSON or NDJSON: add -H 'Content-Type: application/json' "
                    + "(or application/x-ndjson)",
                accepted: "application/json, application/x-ndjson, application/jsonl")
        }
        var key: IdempotencyKey?
        if let header = exchange.header("Idempotency-Key") {
            key = IdempotencyKey(header: header)
            if key == nil { throw .idempotencyKey }
        }
        return RecordsFormat(layout, idempotencyKey: key, decoders: service.decoders)
    }

    /// LiteLLM's items. The first byte of the body decides how they are laid out: the logger labels all bodies JSON.
    static func liteLLM(
        _ exchange: borrowing Exchange, _: Service
    ) throws(Refusal) -> any Format {
        LiteLLMFormat(agentName: exchange.header("X-Agent-Name"))
    }

    /// Spans of OpenTelemetry.
    static func traces(
        _ exchange: borrowing Exchange, _ service: Service
    ) throws(Refusal) -> any Format {
        TracesFormat(try encoding(exchange), operatorAttributes: service.operatorAttributes.withLock { $0 })
    }

    /// Log records of OpenTelemetry.
    static func logs(
        _ exchange: borrowing Exchange, _ service: Service
    ) throws(Refusal) -> any Format {
        LogsFormat(try encoding(exchange), operatorAttributes: service.operatorAttributes.withLock { $0 })
    }

    /// Metrics of OpenTelemetry.
    static func metrics(
        _ exchange: borrowing Exchange, _: Service
    ) throws(Refusal) -> any Format {
        OTLPMetricsFormat(try encoding(exchange))
    }

    private static func encoding(_ exchange: borrowing Exchange) throws(Refusal) -> OTLPEncoding {
        if let encoding = OTLPEncoding(contentType: exchange.header("Content-Type")) { return encoding }
        throw .mediaType(
            remedy: "OTLP comes as Content-Type: application/x-protobuf or application/json",
            accepted: "application/x-protobuf, application/json")
    }
}

// MARK: - The handler

extension Service {
    /// `POST /record` and the routes of other formats: bytes become records here, on the server's thread, or, if that
    /// is much work, on the decoder's queue; records become totals on the ledger's queue.
    func intake(
        _ exchange: borrowing Exchange, _ answer: Answer,
        _ format: (borrowing Exchange, Service) throws(Refusal) -> any Format
    ) {
        let agentName = Intake.agentName(exchange)
        do throws(Refusal) {
            // Nothing is decoded that would be refused anyway.
            if let refusal = ledger.refusal(for: answer.clientNumber) { throw .ledger(refusal) }
            let intake = try Intake(exchange, as: format(exchange, self))
            guard intake.isSmall(settings), try takeSmall(intake, answer) else {
                decoder.add(LargePost(intake, of: agentName, answer, self))
                return
            }
        } catch {
            answer.send(error, of: agentName)
        }
    }

    /// Records that a server thread decodes in one go.
    private static let inlineElements = 2048

    /// - Returns: false if it unpacks to a large body, or has many records: nothing was done then.
    private func takeSmall(_ intake: Intake, _ answer: Answer) throws(Refusal) -> Bool {
        let batch: DecodedBatch
        let bytes: Int
        do throws(Refusal) {
            let decoded = try intake.decode(
                limit: intake.inlineLimitBytes(settings), arrival: clock(), elementLimit: Self.inlineElements)
            guard decoded.rest == nil else { return false }
            (batch, bytes) = (decoded.batch, decoded.bytes)
        } catch .tooLarge {
            return false
        }
        submit(prepare(batch, of: intake, bytes: bytes), of: intake, isGathered: gathers, answer) { [self] result in
            switch result {
            case .success(let outcome): self.answer(outcome, of: intake, answer)
            case .failure(let refusal): answer.send(.ledger(refusal))
            }
        }
        return true
    }

    /// Prices records, and takes out those that another intake counts.
    ///
    /// - Parameter bytes: what the body takes beside its records.
    func prepare(_ batch: DecodedBatch, of intake: Intake, bytes: Int) -> PreparedBatch {
        var batch = batch
        let uncounted = removeUncounted(from: &batch.events, of: intake)
        pricer.price(&batch.events)
        return PreparedBatch(batch: batch, uncounted: uncounted, bytes: bytes)
    }

    /// Hands records to the ledger.
    ///
    /// - Parameter reply: called once, as the ledger calls its own.
    func submit(
        _ prepared: PreparedBatch, of intake: Intake, isGathered: Bool, _ answer: Answer,
        reply: @escaping @Sendable (Result<Outcome, LedgerRefusal>) -> Void
    ) {
        let batch = prepared.batch
        let sender = batch.hasStarts ? answer.sender : .unknown
        ledger.submit(
            batch.events, links: batch.links, from: sender, client: answer.clientNumber, bytes: prepared.bytes,
            isGathered: isGathered
        ) { [self] result in
            reply(
                result.map { outcome in
                    var outcome = outcome
                    outcome.rejections = batch.rejections.merging(outcome.rejections)
                    outcome.warnings = batch.warnings
                    outcome.uncounted = prepared.uncounted
                    if let reporting = intake.reporting, prepared.uncounted > 0 {
                        metrics.uncounted[reporting].add(prepared.uncounted)
                    }
                    if let dataPoints = batch.ignoredDataPoints {
                        outcome.ignoredDataPoints = dataPoints
                        noteMetrics(from: answer)
                    }
                    metrics.took(outcome, of: batch)
                    noteSuspicions(outcome, batch.events, of: intake)
                    return outcome
                })
        }
    }

    /// Answers a post whose records were all decided.
    func answer(_ outcome: Outcome, of intake: Intake, _ answer: Answer) {
        answer.report(outcome.rejections)
        answer.report(outcome.merged)
        answer.send(intake.answer(to: outcome))
    }

    private func removeUncounted(from events: inout [(index: Int, event: Event)], of intake: Intake) -> Int {
        guard let reporting = intake.reporting else { return 0 }
        return sources.withLock { $0 }.removeUncounted(from: &events, of: reporting)
    }

    /// Only requests whose reports are all new: a retry is not a second report, nor is a log record beside its span.
    private func noteSuspicions(_ outcome: Outcome, _ events: [(index: Int, event: Event)], of intake: Intake) {
        guard let reporting = intake.reporting, outcome.merged.counts[.requestID] == nil,
            outcome.accepted + outcome.merged.count == events.count
        else { return }
        let suspected = suspicions.note(events, of: reporting, spellings: pricer.rules.book.spellings)
        if suspected > 0 { metrics.suspectedDuplicates.add(suspected) }
    }
}
