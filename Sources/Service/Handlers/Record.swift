import Bodies
import Dispatch
import Formats
import HTTP
import Ledger
import Model

extension Service {
    /// `POST /record` and the routes of other formats: bytes to records here, on the server's thread, or behind other
    /// large bodies; records to totals on the ledger's queue.
    func record(_ request: borrowing Request, _ reply: Reply) {
        // Nothing is decoded that would be refused anyway.
        if let refusal = ledger.refusal {
            reply.send(refusal)
            return
        }
        let post: RecordPost
        do throws(PostRefusal) {
            post = try RecordPost(request, reply.route.format(of: request, decoders))
        } catch {
            reply.send(error.problem)
            return
        }
        let bytes = post.body.count
        let inlineLimit = min(post.format.inlineLimitBytes, settings.bodyLimitBytes)
        guard bytes > inlineLimit || take(post, limit: inlineLimit, isGathered: !ledger.isDurable, reply) == .tooLarge
        else { return }
        // What a compressed body takes is known only once it is decoded: at most this. One always finds room.
        let cost = post.coding == nil ? bytes : settings.bodyLimitBytes
        guard decodingBytes.add(cost, ordering: .relaxed).oldValue < ledger.waitingBytesLimit else {
            decodingBytes.subtract(cost, ordering: .relaxed)
            reply.send(
                .retryLater("more large bodies wait to be decoded than the exporter can hold; nothing was applied"))
            return
        }
        decoder.async(
            execute: DispatchWorkItem { [self] in
                defer { decodingBytes.subtract(cost, ordering: .relaxed) }
                if let refusal = ledger.refusal {
                    reply.send(refusal)
                } else if !post.format.isSentOnce, .now - reply.began > Self.decodingPatience {
                    reply.send(
                        .retryLater("other large bodies took too long to decode; nothing of this one was applied"))
                } else if take(post, limit: settings.bodyLimitBytes, reply) == .tooLarge {
                    reply.send(bodyTooLarge)
                }
            })
    }

    /// A large body that has waited longer behind others is refused, if its sender will try again.
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
            batch = try decode(body, as: post.format)
        } catch {
            reply.send(error.problem)
            return .taken
        }
        pricer.price(&batch.events)
        ledger.submit(batch.events, bytes: body.count, isGathered: isGathered) {
            [metrics, batch, format = post.format] result in
            switch result {
            case .success(var outcome):
                outcome.rejections = batch.rejections.merging(outcome.rejections)
                outcome.warnings = batch.warnings
                metrics.took(outcome, unknownFields: batch.unknownFields, ignored: batch.ignoredSpans)
                reply.send(format.answer(to: outcome))
            case .failure(let refusal): reply.send(refusal)
            }
        }
        return .taken
    }

    private func decode(_ body: PaddedBytes, as format: any Format) throws(PostRefusal) -> DecodedBatch {
        do throws(MalformedBody) {
            return try format.decode(body, arrival: clock())
        } catch {
            throw PostRefusal(400, error.detail)
        }
    }
}
