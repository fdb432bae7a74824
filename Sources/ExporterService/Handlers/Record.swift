import Bytes
import ContentCoding
import Dispatch
import HTTPServer
import Intake
import Model

extension Service {
    /// `POST /record`: bytes to records here, on the server's thread, or behind other large bodies; records to totals on
    /// the ledger's queue.
    func record(_ request: borrowing Request, _ reply: Reply) {
        // Nothing is decoded that would be refused anyway.
        if let refusal = ledger.refusal {
            reply.send(refusal)
            return
        }
        let post: RecordPost
        do throws(PostRefusal) {
            post = try RecordPost(request)
        } catch {
            reply.send(error.problem)
            return
        }
        let bytes = post.body.count
        let inlineLimit = min(Self.inlineLimitBytes, settings.bodyLimitBytes)
        guard bytes > inlineLimit || take(post, limit: inlineLimit, isGathered: !ledger.isDurable, reply) == .tooLarge
        else { return }
        // What a compressed body takes is known only once it is decoded: at most this. One always finds room.
        let cost = post.coding == nil ? bytes : settings.bodyLimitBytes
        guard decodingBytes.add(cost, ordering: .relaxed).oldValue < ledger.waitingBytesLimit else {
            decodingBytes.subtract(cost, ordering: .relaxed)
            reply.send(LedgerRefusal.overloaded)
            return
        }
        decoder.async(
            execute: DispatchWorkItem { [self] in
                defer { decodingBytes.subtract(cost, ordering: .relaxed) }
                if let refusal = ledger.refusal {
                    reply.send(refusal)
                } else if .now - reply.began > Self.decodingPatience {
                    reply.send(LedgerRefusal.overloaded)
                } else if take(post, limit: settings.bodyLimitBytes, reply) == .tooLarge {
                    reply.send(bodyTooLarge)
                }
            })
    }

    /// Bodies up to this size are decoded on the server's thread: about half a millisecond.
    private static let inlineLimitBytes = 256 << 10

    /// A large body that has waited longer behind others is refused.
    private static let decodingPatience: Duration = .seconds(5)

    private enum Taking {
        case taken
        case tooLarge
    }

    /// Decodes a body of up to `limit` bytes and hands its records to the ledger.
    private func take(_ post: RecordPost, limit: Int, isGathered: Bool = false, _ reply: Reply) -> Taking {
        let body: PaddedBytes
        var batch: DecodedBatch
        do throws(PostRefusal) {
            guard let decoded = try post.decoded(limit: limit) else { return .tooLarge }
            body = decoded
            let decoder = decoders.withLock { $0.popLast() } ?? RecordDecoder()
            defer { decoders.withLock { $0.append(decoder) } }
            batch = try post.batch(body, by: decoder, arrival: clock())
        } catch {
            reply.send(error.problem)
            return .taken
        }
        pricer.price(&batch.events)
        ledger.submit(batch.events, bytes: body.count, isGathered: isGathered) { [metrics, batch] result in
            switch result {
            case .success(let verdict):
                let outcome = BatchOutcome(
                    accepted: verdict.accepted, duplicates: verdict.duplicates,
                    rejections: batch.rejections.merging(verdict.rejections), warnings: batch.warnings)
                metrics.took(outcome, unknownFields: batch.unknownFields, costSources: verdict.costSources)
                reply.send(Self.acknowledgement(of: outcome))
            case .failure(let refusal): reply.send(refusal)
            }
        }
        return .taken
    }

    /// The answer to nearly all posts of one record, written once.
    private static let oneAccepted: Response = {
        let outcome = BatchOutcome(accepted: 1, duplicates: 0, rejections: RejectedRecords(), warnings: [])
        var json = JSONWriter()
        json.object { json in outcome.write(to: &json) }
        return .json(200, json)
    }()

    private static func acknowledgement(of outcome: BatchOutcome) -> Response {
        if outcome.isRefused {
            let count = outcome.rejections.count
            let detail = count == 1 ? "the record was rejected" : "all \(count) records were rejected"
            return Problem(status: 422, detail: detail + "; errors says why", outcome: outcome).response
        }
        if outcome.accepted == 1, outcome.duplicates == 0, outcome.rejections.isEmpty, outcome.warnings.isEmpty {
            return oneAccepted
        }
        var json = JSONWriter()
        json.object { json in outcome.write(to: &json) }
        return .json(200, json)
    }
}
