#if canImport(FoundationEssentials)
    import FoundationEssentials
#else
    import Foundation
#endif

/// What an answer means for the batch that was sent.
enum Verdict: Sendable {
    /// Its end is known. `complaint` is the exporter's on the first record that it rejected.
    case settled(sent: Int, duplicates: Int, rejected: Int, complaint: Complaint?)
    /// It may be taken in parts.
    case tooLarge
    /// It has to be sent again.
    case later(Later)

    struct Complaint: Sendable {
        let field: String
        let code: String
        let message: String
    }

    /// Why a batch has to be sent again.
    struct Later: Sendable {
        let kind: String
        let reason: String
        var retryAfter: Duration?
    }

    /// The record is at fault, or so the server says: the same bytes would meet the same answer. 401, 403, 404, 405 and
    /// 407 are not here: an operator mends those on the other side, and then the same bytes are welcome.
    private static let hopeless: Set<Int> = [400, 402, 406, 409, 410, 411, 413, 414, 415, 422, 431]

    /// - `address`: the exporter's, to be named in a reason.
    init(_ answer: Answer, records: Int, address: String) {
        let reply = try? JSONDecoder().decode(Reply.self, from: Data(answer.body.readableBytesView))
        switch answer.status {
        case 200:
            guard let accepted = reply?.accepted, let duplicates = reply?.duplicates else {
                self = .later(Later(kind: "stranger", reason: "what answers at \(address) is no exporter"))
                return
            }
            let sent = min(max(0, accepted), records)
            let repeated = min(max(0, duplicates), records - sent)
            let rejected = records - sent - repeated
            self = .settled(
                sent: sent, duplicates: repeated, rejected: rejected,
                complaint: rejected > 0 ? Self.complaint(in: reply, status: 200) : nil)
        case 413 where records > 1:
            self = .tooLarge
        case _ where Self.hopeless.contains(answer.status):
            self = .settled(
                sent: 0, duplicates: 0, rejected: records, complaint: Self.complaint(in: reply, status: answer.status))
        default:
            var reason = "the exporter at \(address) answers \(answer.status)"
            if [401, 403].contains(answer.status) {
                reason += ": look at the user name and password, or the token"
            } else if let location = answer.location {
                reason += " and points to \(location): give that as the URL"
            } else if [404, 405].contains(answer.status) {
                reason += ": is that the exporter's URL?"
            }
            self = .later(Later(kind: "status \(answer.status)", reason: reason, retryAfter: answer.retryAfter))
        }
    }

    private static func complaint(in reply: Reply?, status: Int) -> Complaint {
        let first = reply?.errors?.first
        return Complaint(
            field: first?.field ?? "-", code: first?.code ?? "-",
            message: first?.message ?? reply?.detail ?? "HTTP \(status)")
    }
}
