internal import Model

/// The time from the request to the first token of a streamed answer, as a span reports it.
struct SpanFirstToken {
    let nanoseconds: Int128

    /// - Returns: `nil` if the span does not report it, or its answer was not streamed: openlit then writes the time to
    ///   the whole answer.
    init?(_ span: Span, from sender: SpanSender) {
        let attributes = span.attributes
        guard attributes.has(SpanAttribute.ofFirstToken) else { return nil }
        let isStream = (attributes[.isStream] ?? attributes[.isStreamOfOpenlit])?.description.lowercased()
        guard isStream == "true" || (isStream == nil && !sender.writesFirstTokenOfAllAnswers) else { return nil }
        for name in SpanAttribute.ofFirstToken.names {
            guard let value = attributes[name] else { continue }
            let nanoseconds: Int128? =
                switch name {
                case .langfuseFirstToken: Self.nanoseconds(to: value, from: span.start)
                case .vercelFirstChunkMilliseconds, .claudeFirstTokenMilliseconds: Self.nanoseconds(value, scale: 6)
                case .firstToken where sender.writesFirstTokenInMilliseconds: Self.nanoseconds(value, scale: 6)
                default: Self.nanoseconds(value, scale: 9)
                }
            guard let nanoseconds else { continue }
            self.nanoseconds = nanoseconds
            return
        }
        return nil
    }

    /// - Parameter scale: 9 for seconds.
    private static func nanoseconds(_ value: AttributeValue, scale: Int) -> Int128? {
        guard let number = DecimalNumber(value.description.utf8), !number.isNegative else { return nil }
        return number.magnitude(scale: scale)
    }

    /// From the start of a span, if that is known, to a time of day.
    private static func nanoseconds(to time: AttributeValue, from start: UInt64) -> Int128? {
        guard start != 0, var text = time.text?.unquoted else { return nil }
        // Safe: the bytes are read while the closure runs.
        let end = text.withUTF8 { utf8 in unsafe Timestamp.unixNanoseconds(rfc3339: BorrowedBytes(utf8)) }
        return end.flatMap { $0 >= Int128(start) ? $0 - Int128(start) : nil }
    }
}
