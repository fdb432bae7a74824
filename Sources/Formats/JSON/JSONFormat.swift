package import Bodies
package import Model

/// A format whose bodies are JSON: they are decoded in parts.
package protocol JSONFormat: Format {
    /// The body as its parts are decoded from it.
    func readable(_ body: PaddedBytes) -> PaddedBytes

    /// Decodes a part of a readable body.
    ///
    /// - Parameter cursor: where the part begins; `nil` for the beginning of the body.
    /// - Returns: its records, and where the next part begins; `nil` at the end of the body.
    func decode(
        _ body: PaddedBytes, arrival: Instant, from cursor: BodyCursor?, elementLimit: Int
    ) throws(MalformedBody) -> (batch: DecodedBatch, next: BodyCursor?)
}

extension JSONFormat {
    package var inlineLimitBytes: Int { 256 << 10 }
    package var isDivisible: Bool { true }
    package var partElements: Int { 4096 }

    package func readable(_ body: PaddedBytes) -> PaddedBytes { body }

    package func decode(_ body: PaddedBytes, arrival: Instant) throws(MalformedBody) -> DecodedBatch {
        try decode(body, arrival: arrival, elementLimit: .max).batch
    }

    package func decode(
        _ body: PaddedBytes, arrival: Instant, elementLimit: Int
    ) throws(MalformedBody) -> (batch: DecodedBatch, rest: BodyRest?) {
        let body = readable(body)
        let (batch, next) = try decode(body, arrival: arrival, from: nil, elementLimit: elementLimit)
        guard let next else { return (batch, nil) }
        let rest = BodyRest(from: next) { (cursor, limit) throws(MalformedBody) in
            try decode(body, arrival: arrival, from: cursor, elementLimit: limit)
        }
        return (batch, rest)
    }
}
