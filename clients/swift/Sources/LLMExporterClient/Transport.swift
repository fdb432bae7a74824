import AsyncHTTPClient
import Dispatch
import Logging
import NIOCore
import NIOHTTP1
import NIOPosix
import NIOSSL
import Synchronization

#if canImport(FoundationEssentials)
    import FoundationEssentials
#else
    import Foundation
#endif

/// An HTTP response, read whole.
struct Answer: Sendable {
    let status: Int
    let body: ByteBuffer
    /// How long the server wants to be left alone.
    let retryAfter: Duration?
    let location: String?
}

/// No response came, so nobody knows whether the request was applied. The text says why.
struct Unanswered: Error {
    let reason: String
}

/// HTTP to one exporter: keep-alive, TLS, authentication; no retries and no queue.
///
/// Nothing is opened before the first request, so that a wrong URL or a missing CA file is an `Unanswered` there.
final class Transport: Sendable {
    /// Past the largest scrape that an exporter with its default limits gives.
    private static let answerLimitBytes = 64 << 20
    /// The exporter closes a connection that was idle for 20 s.
    private static let idleTimeout = TimeAmount.seconds(15)

    /// The URL without credentials: the one to log.
    let address: String
    private let client: HTTPClient
    private let headers: HTTPHeaders
    private let fault: String?
    /// Whether the URL can be one of an exporter.
    var isUsable: Bool { fault == nil }
    /// Whether the last request was answered, which leaves a connection that the next one uses.
    private let hasConnection = Atomic(false)

    init(url: String, configuration: LLMMonitor.Configuration) {
        let parts = URLComponents(string: url)
        if let parts, let scheme = parts.scheme?.lowercased(), ["http", "https"].contains(scheme),
            let host = parts.host, !host.isEmpty
        {
            let port = parts.port.map { ":\($0)" } ?? ""
            var path = parts.percentEncodedPath
            while path.hasSuffix("/") { path.removeLast() }
            address = "\(scheme)://\(parts.encodedHost ?? host)\(port)\(path)"
            fault = nil
        } else {
            // Not told: what is no URL may still hold a password.
            address = "the given URL"
            fault = "it must begin with http:// or https:// and name a host"
        }

        var headers = HTTPHeaders([("User-Agent", "llm-exporter-swift/0.1.0")])
        if let token = configuration.token {
            headers.add(name: "Authorization", value: "Bearer \(token)")
        } else if let username = configuration.username ?? parts?.user {
            let password = configuration.password ?? parts?.password ?? ""
            let credentials = Data("\(username):\(password)".utf8).base64EncodedString()
            headers.add(name: "Authorization", value: "Basic \(credentials)")
        }
        self.headers = headers

        var settings = HTTPClient.Configuration()
        settings.httpVersion = .http1Only
        settings.redirectConfiguration = .disallow
        // An agent that traces its own requests did not ask for spans of ours.
        settings.tracing.tracer = nil
        settings.connectionPool.idleTimeout = Self.idleTimeout
        // The sender waits between attempts, and tells of the first that fails.
        settings.connectionPool.retryConnectionEstablishment = false
        if let file = configuration.caFile {
            var tls = TLSConfiguration.makeClientConfiguration()
            tls.trustRoots = .file(file)
            settings.tlsConfiguration = tls
        }
        client = HTTPClient(configuration: settings)
    }

    deinit {
        // The client lives on until its connections are closed.
        client.shutdown(queue: .global()) { _ in }
    }

    /// One request and its response, within `limit`.
    ///
    /// - Throws: `Unanswered`, also when the task is cancelled.
    func exchange(
        _ method: HTTPMethod, _ path: String, body: ByteBuffer? = nil, headers more: HTTPHeaders = [:],
        within limit: Duration
    ) async throws(Unanswered) -> Answer {
        if let fault { throw Unanswered(reason: fault) }
        var request = HTTPClientRequest(url: address + path)
        request.method = method
        request.headers = headers
        request.headers.add(contentsOf: more)
        if let body { request.body = .bytes(body) }

        let deadline = ContinuousClock.now + limit.bounded
        let usesConnection = hasConnection.exchange(false, ordering: .relaxed)
        let answer: Answer
        do {
            answer = try await self.answer(to: request, by: deadline)
        } catch {
            // The server was free to close a kept connection just as we used it: that is no failure of the server.
            guard usesConnection, !(error is Timeout), !Task.isCancelled else {
                throw Unanswered(reason: Self.reason(for: error))
            }
            do {
                answer = try await self.answer(to: request, by: deadline)
            } catch {
                throw Unanswered(reason: Self.reason(for: error))
            }
        }
        hasConnection.store(true, ordering: .relaxed)
        return answer
    }

    /// A header value that names an agent: as it is when it is printable ASCII, else percent-encoded.
    static func headerValue(_ text: String) -> String {
        if text.utf8.allSatisfy({ (0x20..<0x7F).contains($0) }) { return text }
        let unreserved = Set("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_.-~/".utf8)
        let digits = Array("0123456789ABCDEF".utf8)
        let bytes = text.utf8.flatMap { byte in
            unreserved.contains(byte) ? [byte] : [UInt8(ascii: "%"), digits[Int(byte >> 4)], digits[Int(byte & 15)]]
        }
        return String(decoding: bytes, as: UTF8.self)
    }

    private struct Timeout: Error {}

    private func answer(to request: HTTPClientRequest, by deadline: ContinuousClock.Instant) async throws -> Answer {
        try await withThrowingTaskGroup(of: Answer.self) { group in
            defer { group.cancelAll() }
            group.addTask { [client] in
                let response = try await client.execute(request, deadline: .distantFuture)
                let retryAfter = response.headers.first(name: "Retry-After")
                return Answer(
                    status: Int(response.status.code),
                    body: try await response.body.collect(upTo: Self.answerLimitBytes),
                    retryAfter: retryAfter.flatMap { RetryAfter.delay($0, now: Date()) },
                    location: response.headers.first(name: "Location"))
            }
            group.addTask {
                // The client's own deadline ends with the head of a response; this one covers its body.
                try await Task.sleep(until: deadline, clock: .continuous)
                throw Timeout()
            }
            guard let answer = try await group.next() else { throw Timeout() }
            return answer
        }
    }

    private static func reason(for error: any Error) -> String {
        switch error {
        case is Timeout: "no answer in time"
        case let error as HTTPClientError where error == .remoteConnectionClosed:
            "the connection closed without an answer"
        // Shortly: of a header that cannot be sent, the long one shows the token.
        case let error as HTTPClientError: error.shortDescription
        case let error as NIOConnectionError: error.connectionErrors.first.map { "\($0.error)" } ?? "\(error)"
        default: "\(error)"
        }
    }
}
