/// Why a request got no answer.
///
/// Each description is one line that names the URL, without the password in it, and the remedy.
package enum HTTPClientError: Error, Equatable, CustomStringConvertible {
    /// The text is no address of a server. It is not shown: any part of it may be a password.
    case invalidAddress(reason: String)
    /// This client cannot use the URL.
    case invalidURL(String, reason: String)
    /// A header holds a byte that would begin another line.
    case invalidHeader(name: String)
    /// The host has no address.
    case unresolved(url: String, reason: String)
    /// No connection: nothing listens there, or the host cannot be reached.
    case refused(url: String, reason: String)
    /// No whole answer within the limit. Whether the request was handled is unknown.
    case timedOut(url: String, limit: Duration)
    /// The body of the answer is longer than the limit.
    case answerTooLarge(url: String, limitBytes: Int)
    /// libcurl is not on this machine.
    case noLibrary(reason: String)
    /// Memory is out.
    case outOfMemory(url: String)
    /// Anything else: TLS, a broken connection, an answer that is not HTTP.
    case failed(url: String, reason: String)

    package var description: String {
        switch self {
        case .invalidAddress(let reason):
            reason
        case .invalidURL(let url, let reason):
            "\(url): \(reason)"
        case .invalidHeader(let name):
            "header \(name.debugDescription): its name or value holds a control character; remove it"
        case .unresolved(let url, let reason):
            "\(url): \(reason); check the name of the host"
        case .refused(let url, let reason):
            "\(url): \(reason); is the exporter running? start it with `llm-exporter`"
        case .timedOut(let url, let limit):
            "\(url): no answer within \(limit); is this the exporter's address, and is it healthy? "
                + "ask its /-/ready, then try again"
        case .answerTooLarge(let url, let limitBytes):
            "\(url): the answer is longer than \(limitBytes) bytes; is this the exporter's address?"
        case .noLibrary(let reason):
            "cannot load libcurl: \(reason); install it (Debian's package is libcurl4)"
        case .outOfMemory(let url):
            "\(url): out of memory"
        case .failed(let url, let reason):
            "\(url): \(reason); is this the exporter's address, with the right scheme (http or https)"
                + (url.hasPrefix("https") ? ", and its authority's certificate in LLM_EXPORTER_CA_FILE?" : "?")
        }
    }
}
