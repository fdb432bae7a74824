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
        } else if code == 429 || Self.contains(words, "ratelimit", "toomanyrequests", "resourceexhausted", "throttl") {
            status = .rateLimited
        } else if code == 408 || Self.isTimeout(error)
            || Self.contains(words, "timeout", "timedout", "deadlineexceeded")
        {
            status = .timeout
        } else {
            status = .error
        }
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

    private static func contains(_ words: [String], _ parts: String...) -> Bool {
        let text = words.joined(separator: ".").lowercased().filter { $0 != "_" }
        return parts.contains { text.contains($0) }
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
