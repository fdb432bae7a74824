/// The status of a failed call, from what a sender says of the failure. Our own clients use the same names.
enum FailureStatus: String {
    case rateLimited = "rate_limited"
    case timeout
    case cancelled
    case error

    /// - Parameters:
    ///   - type: the error's class, such as `openai.RateLimitError` or `rate_limit_error`.
    ///   - code: the status of the provider's HTTP answer.
    init(type: String?, code: Int64?) {
        // A class says more than a code: a proxy may answer 500 for all of them.
        if let type, let status = Self(type: type) {
            self = status
            return
        }
        switch code {
        case 429: self = .rateLimited
        case 408, 504: self = .timeout
        case 499: self = .cancelled
        default: self = .error
        }
    }

    private init?(type: String) {
        let words = SoughtText(type)
        func holds(_ names: StaticString...) -> Bool { names.contains { words.holds($0) } }
        if holds("ratelimit", "toomanyrequests", "resourceexhausted", "throttl") {
            self = .rateLimited
        } else if holds("timeout", "timedout", "deadlineexceeded") {
            self = .timeout
        } else if holds("cancelled", "canceled", "abort") {
            self = .cancelled
        } else if let code = Int64(type) {
            self.init(type: nil, code: code)
        } else {
            return nil
        }
    }
}
