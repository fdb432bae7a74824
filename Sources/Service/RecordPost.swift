import Bodies
import Formats
import HTTP

/// What a post says of its body, and the body.
struct RecordPost: Sendable {
    let format: any Format
    /// `nil` is none.
    let coding: ContentCoding?
    /// As it came over the wire.
    let body: PaddedBytes

    init(_ request: borrowing Request, _ format: any Format) throws(PostRefusal) {
        self.format = format
        body = request.body
        let name = request.header("Content-Encoding") ?? ""
        if name.isEmpty || name.lowercased() == "identity" || body.isEmpty {
            coding = nil
            return
        }
        coding = ContentCoding(token: name)
        if coding == nil {
            let known = ContentCoding.allCases.map(\.rawValue).joined(separator: ", ")
            throw PostRefusal(
                415, "this Content-Encoding is not known; use one of \(known), or none",
                headers: [("Accept-Encoding", known)])
        }
    }

    /// The body without its content coding; `nil` where it has more than `limit` bytes.
    func decoded(limit: Int) throws(PostRefusal) -> PaddedBytes? {
        guard let coding else { return body.count <= limit ? body : nil }
        do throws(ContentCoding.Failure) {
            return try coding.decode(body, limit: limit)
        } catch {
            switch error {
            case .malformed:
                throw PostRefusal(
                    400,
                    "the body is not whole \(coding.rawValue): check Content-Encoding, and that nothing was cut off")
            case .tooLarge: return nil
            case .outOfMemory: throw PostRefusal(.retryLater("no memory to decode this body; nothing was applied"))
            }
        }
    }
}

/// Why a body was not decoded.
struct PostRefusal: Error {
    let problem: Problem

    init(_ status: Int, _ detail: String, headers: [(name: String, value: String)] = []) {
        problem = Problem(status: status, detail: detail, headers: headers)
    }

    init(_ problem: Problem) {
        self.problem = problem
    }
}
