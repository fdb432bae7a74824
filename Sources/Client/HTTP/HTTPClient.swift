private import CCurlShim
private import Model

/// A client of one HTTP server, for one caller at a time. Its connection stays open between requests.
///
/// Redirects are not followed and proxies not used. A user and password in the base URL are sent as basic
/// authentication. Over https, libcurl writes to the socket without `MSG_NOSIGNAL`: the program must ignore SIGPIPE.
@safe package struct HTTPClient: ~Copyable, @unchecked Sendable {
    // Safe: the handle is never handed out, and bytes that the shim lends are copied before the next request.
    // Unchecked: libcurl allows a handle on any thread, one at a time; the value cannot be copied, and `send` is
    // mutating, so the law of exclusivity gives it to one caller at a time.
    private let handle: OpaquePointer

    /// The base URL without user and password, which libcurl gets apart from it: its messages cannot show them.
    package let shownURL: String

    private let connectLimit: Duration
    private let totalLimit: Duration
    private let answerLimitBytes: Int

    /// Makes a client, which connects with the first request.
    ///
    /// - Parameters:
    ///   - baseURL: as `HTTPAddress` takes it.
    ///   - access: credentials and authorities.
    ///   - connectLimit: longest time for the name look-up and the connection.
    ///   - totalLimit: longest time for a whole request, the connection included.
    ///   - answerLimitBytes: longest body of an answer that is read.
    /// - Throws: `HTTPClientError.invalidAddress`, `.noLibrary` or `.outOfMemory`.
    package init(
        baseURL: String, access: HTTPAccess = .none, connectLimit: Duration = .seconds(5),
        totalLimit: Duration = .seconds(30),
        answerLimitBytes: Int = 64 << 20
    ) throws(HTTPClientError) {
        let address = try HTTPAddress(baseURL)
        // Safe: the text is static.
        if let fault = unsafe ccurlshim_load() { throw .noLibrary(reason: unsafe String(cString: fault)) }
        let access = address.user.map(access.with) ?? access
        guard let handle = unsafe Self.make(access) else { throw .outOfMemory(url: address.text) }
        unsafe self.handle = handle
        shownURL = address.text
        self.connectLimit = connectLimit
        self.totalLimit = totalLimit
        self.answerLimitBytes = answerLimitBytes
    }

    /// - Returns: `nil` if memory is out.
    private static func make(_ access: HTTPAccess) -> OpaquePointer? {
        guard let handle = unsafe ccurlshim_client_create() else { return nil }
        // Safe: the shim copies the texts.
        let isKept = unsafe ccurlshim_client_use_access(
            handle, access.certificateFile, access.username, access.password, access.token)
        guard isKept == 0 else {
            unsafe ccurlshim_client_free(handle)
            return nil
        }
        return unsafe handle
    }

    deinit {
        // Safe: the handle was made in `init` and never handed out.
        unsafe ccurlshim_client_free(handle)
    }

    /// Sends one request and waits for the whole answer, whatever its status.
    ///
    /// - Parameters:
    ///   - path: begins with a slash; appended to the base URL as it stands.
    ///   - body: `nil` for none; an empty one is sent with `Content-Length: 0`.
    package mutating func send(
        _ method: String, _ path: String, headers: [(name: String, value: String)] = [], body: [UInt8]? = nil
    ) throws(HTTPClientError) -> HTTPAnswer {
        let shown = shownURL + path
        guard Self.isClean(path), Self.isClean(method) else {
            throw .invalidURL(shown, reason: "a control character or space in it; remove it")
        }
        for header in headers where !(Self.isHeaderText(header.name) && Self.isHeaderText(header.value)) {
            throw .invalidHeader(name: header.name)
        }
        for header in headers {
            let line = header.value.isEmpty ? header.name + ";" : header.name + ": " + header.value
            // Safe: the shim copies the line.
            guard unsafe ccurlshim_client_add_header(handle, line) == 0 else { throw .outOfMemory(url: shown) }
        }
        let outcome = perform(method, shown, body)
        guard outcome == CCURLSHIM_ANSWERED else { throw error(of: outcome, shown) }
        let seconds = unsafe ccurlshim_client_retry_after(handle)
        return unsafe HTTPAnswer(
            status: Int(ccurlshim_client_status(handle)), body: takeBody(),
            retryAfter: seconds > 0 ? .seconds(seconds) : nil)
    }

    private func error(of outcome: ccurlshim_outcome, _ shown: String) -> HTTPClientError {
        switch outcome {
        case CCURLSHIM_BAD_URL:
            .invalidURL(shown, reason: problem + "; write it as http://HOST:PORT")
        case CCURLSHIM_UNRESOLVED:
            .unresolved(url: shown, reason: problem)
        case CCURLSHIM_REFUSED:
            .refused(url: shown, reason: problem)
        case CCURLSHIM_TIMED_OUT:
            .timedOut(url: shown, limit: totalLimit)
        case CCURLSHIM_TOO_LARGE:
            .answerTooLarge(url: shown, limitBytes: answerLimitBytes)
        case CCURLSHIM_OUT_OF_MEMORY:
            .outOfMemory(url: shown)
        default:
            .failed(url: shown, reason: problem)
        }
    }

    private func perform(_ method: String, _ url: String, _ body: [UInt8]?) -> ccurlshim_outcome {
        let connect = Self.milliseconds(connectLimit)
        let total = Self.milliseconds(totalLimit)
        let limit = max(0, answerLimitBytes)
        // Safe: method, URL and body are lent for the call, and the shim keeps none of them.
        guard let body else {
            return unsafe ccurlshim_client_send(handle, method, url, nil, 0, connect, total, limit)
        }
        // The byte gives an empty body an address: a null pointer would mean that there is no body.
        let padded = body.isEmpty ? [0] : body
        return unsafe ccurlshim_client_send(handle, method, url, padded, body.count, connect, total, limit)
    }

    /// A copy of the answer's body: the shim's own bytes live only until the next request.
    private func takeBody() -> [UInt8] {
        // Safe: the shim gives both the address and the length of its bytes.
        let length = unsafe ccurlshim_client_answer_length(handle)
        return unsafe Array(UnsafeBufferPointer(start: ccurlshim_client_answer(handle), count: length))
    }

    /// libcurl's text about the failure.
    private var problem: String {
        // Safe: the text ends in NUL and lives until the next request; the string is a copy.
        unsafe String(cString: ccurlshim_client_problem(handle))
    }

    /// Whole milliseconds, at least 1: libcurl takes 0 for "no limit".
    private static func milliseconds(_ limit: Duration) -> Int64 {
        max(1, min(limit, .seconds(1 << 31)).wholeMilliseconds)
    }

    /// Whether text may stand in a request line: no space, no control character.
    private static func isClean(_ text: String) -> Bool {
        text.utf8.allSatisfy { $0 > 0x20 && $0 != 0x7F }
    }

    /// Whether text may stand in a header line: a line break in it would begin another header.
    private static func isHeaderText(_ text: String) -> Bool {
        text.utf8.allSatisfy { $0 >= 0x20 && $0 != 0x7F }
    }
}
