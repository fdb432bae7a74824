import AsyncHTTPClient
import Foundation
import NIOCore
import NIOHTTP1
import Testing

@testable import LLMExporterClient

@Suite("Failures") struct FailureTests {
    private enum APIError: Error {
        case overloaded
        case rateLimited
        case requestTimedOut(after: Int)
        case http(statusCode: Int, body: String)
        case status(HTTPResponseStatus)
    }
    private struct RateLimitError: Error {}
    private struct Response { let httpStatusCode: Int }
    private struct ResponseError: Error { let response: Response? }
    private struct Counted: Error { let count = 429 }
    private struct Generic<Value>: Error {}

    @Test(
        "statuses and kinds of errors",
        arguments: [
            (APIError.overloaded, "error", "APIError.overloaded"),
            (APIError.rateLimited, "rate_limited", "APIError.rateLimited"),
            (APIError.requestTimedOut(after: 5), "timeout", "APIError.requestTimedOut"),
            (APIError.http(statusCode: 429, body: "x"), "rate_limited", "APIError.http"),
            (APIError.http(statusCode: 500, body: "timeout"), "error", "APIError.http"),
            (APIError.status(.tooManyRequests), "rate_limited", "APIError.status"),
            (APIError.status(.gatewayTimeout), "timeout", "APIError.status"),
            (APIError.http(statusCode: 504, body: "x"), "timeout", "APIError.http"),
            (APIError.http(statusCode: 529, body: "x"), "error", "APIError.http"),
            (RateLimitError(), "rate_limited", "RateLimitError"),
            (ResponseError(response: Response(httpStatusCode: 408)), "timeout", "ResponseError"),
            (ResponseError(response: nil), "error", "ResponseError"), (Counted(), "error", "Counted"),
            (Generic<[Int]>(), "error", "Generic_Array_Int"), (CancellationError(), "cancelled", "CancellationError"),
            (HTTPClientError.cancelled, "cancelled", "HTTPClientError.cancelled"),
            (HTTPClientError.readTimeout, "timeout", "HTTPClientError.readTimeout"),
            (HTTPClientError.deadlineExceeded, "timeout", "HTTPClientError.deadlineExceeded"),
            (HTTPClientError.remoteConnectionClosed, "error", "HTTPClientError.remoteConnectionClosed"),
            (URLError(.timedOut), "timeout", "URLError"), (URLError(.cancelled), "cancelled", "URLError"),
            (URLError(.cannotFindHost), "error", "URLError"),
        ] as [(any Error, String, String)])
    func table(error: any Error, status: String, errorType: String) {
        let failure = Failure(error, isCancelled: false)
        #expect(failure.status.rawValue == status && failure.errorType == errorType)
    }

    @Test("whatever a cancelled task throws, its call is cancelled")
    func cancelled() {
        #expect(Failure(APIError.overloaded, isCancelled: true).status == .cancelled)
    }
}

@Suite("Retry-After") struct RetryAfterTests {
    @Test(
        "seconds or a date",
        arguments: [
            ("0", .zero), ("120", .seconds(120)), ("Sun, 06 Nov 1994 08:49:47 GMT", .seconds(10)),
            ("Sun, 06 Nov 1994 08:49:27 GMT", .zero), ("-1", nil), ("soon", nil), ("", nil),
            ("Sun, 06 Foo 1994 08:49:47 GMT", nil), ("Sun, 06 Nov 1994", nil),
        ] as [(String, Duration?)])
    func table(value: String, delay: Duration?) {
        let now = Date(timeIntervalSince1970: 784_111_777)
        #expect(RetryAfter.delay(value, now: now) == delay)
    }
}

@Suite("Memory") struct ProcessMemoryTests {
    @Test("this process and its host are of a plausible size")
    func plausible() throws {
        #expect(try #require(ProcessMemory.residentMB()) > 1)
        #if os(Linux)
            let available = try #require(ProcessMemory.availableMB())
            #expect(available > 10 && available * 1024 * 1024 < Double(ProcessInfo.processInfo.physicalMemory))
        #endif
    }
}
