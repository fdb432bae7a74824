import AsyncHTTPClient
import NIOHTTP1

/// What an error says about a call: by its type, its case, and the HTTP status that it carries.
struct Failure: Equatable, Sendable {
    let status: LLMCallStatus
    /// `Type`, or `Type.case` of an enumeration.
    let errorType: String

    /// - `isCancelled`: whether the task that threw was cancelled; libraries have errors of their own for that.
    init(_ error: any Error, isCancelled: Bool) {
        let words = Self.words(for: error)
        errorType = RecordLine.errorType(words.joined(separator: ".")) ?? "unknown"
        let code = Self.httpStatus(in: error, depth: 3)
        if isCancelled || error is CancellationError || Self.isCancellation(error) {
            status = .cancelled
        } else if Self.isTimeout(error) {
            status = .timeout
        } else {
            status = Self.status(httpStatus: code, words: words.joined(separator: "."))
        }
    }

    /// The status of a call that failed and was not cancelled.
    ///
    /// - `words`: what names the failure: a type, a case, a code.
    static func status(httpStatus: Int?, words: String) -> LLMCallStatus {
        let text = words.lowercased().filter { $0 != "_" }
        func contains(_ parts: String...) -> Bool { parts.contains { text.contains($0) } }
        // OpenAI answers 429 with this code when an account has no money left.
        let isQuota = text == "insufficientquota"
        if httpStatus == 429 || isQuota
            || contains("ratelimit", "toomanyrequests", "resourceexhausted", "throttl")
        {
            return .rateLimited
        }
        let isTimeout = [408, 504].contains(httpStatus) || contains("timeout", "timedout", "deadlineexceeded")
        return isTimeout ? .timeout : .error
    }

    private static func words(for error: any Error) -> [String] {
        let type = String(describing: Swift.type(of: error))
        if error is HTTPClientError {
            // A structure over an enumeration: only its description, `HTTPClientError.readTimeout`, tells the case.
            return [String("\(error)".prefix { $0 != "(" })]
        }
        let mirror = Mirror(reflecting: error)
        guard mirror.displayStyle == .enum else { return [type] }
        // A case without values has no child, and its name is its description, unless that is customized.
        if let label = mirror.children.first?.label { return [type, label] }
        return error is any CustomStringConvertible ? [type] : [type, "\(error)"]
    }

    // Foundation tells its errors by a domain and a code. Both are asked for in this way, which any error answers,
    // because a program without Foundation should not get it through this package.

    private static func isTimeout(_ error: any Error) -> Bool {
        (error._domain == "NSURLErrorDomain" && error._code == -1001)
            || (error._domain == "NSPOSIXErrorDomain" && [60, 110].contains(error._code))
    }

    private static func isCancellation(_ error: any Error) -> Bool {
        (error._domain == "NSURLErrorDomain" && error._code == -999) || (error as? HTTPClientError) == .cancelled
    }

    /// The integer, or NIO's status, under a name that means one: in the error, in what it holds, in a case's values.
    private static func httpStatus(in value: Any, isNamed: Bool = false, depth: Int) -> Int? {
        if let status = value as? HTTPResponseStatus { return Int(status.code) }
        if isNamed, let integer = value as? any BinaryInteger { return Int(exactly: integer) }
        if depth == 0 { return nil }
        let mirror = Mirror(reflecting: value)
        for (label, child) in mirror.children.prefix(16) {
            // The unnamed values of a case, and of an optional, go by the name of what holds them.
            let isPart = label == nil || label == "some" || label?.hasPrefix(".") == true
            let names: Set = ["statuscode", "httpstatus", "httpstatuscode", "status", "code"]
            let isStatus = names.contains((label ?? "").lowercased().filter { $0 != "_" })
            if let status = httpStatus(in: child, isNamed: isStatus || (isPart && isNamed), depth: depth - 1) {
                return status
            }
        }
        return nil
    }
}
