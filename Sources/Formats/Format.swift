package import Bodies
package import HTTP
package import Model

/// A format in which calls arrive: how a body becomes records, and how its sender is answered.
package protocol Format: Sendable {
    /// The intake that reports calls in this format; `nil` if none are in it.
    var intake: ReportingIntake? { get }

    /// Largest body in bytes that is decoded on a server thread: about half a millisecond of work.
    var inlineLimitBytes: Int { get }

    /// Whether a body is decoded in parts; if not, all its events are in memory at once.
    var isDivisible: Bool { get }

    /// Elements in a part of a large body: some tens of milliseconds of work for the ledger.
    var partElements: Int { get }

    /// Whether the sender discards a body that is refused, instead of sending it again.
    var isSentOnce: Bool { get }

    /// Decodes a whole body. From any thread.
    ///
    /// - Parameter arrival: the time of exemplars that have no time of their own.
    /// - Throws: if the body as a whole is not of this format. A record that breaks a rule is among the rejections
    ///   instead, and the others are taken.
    func decode(_ body: PaddedBytes, arrival: Instant) throws(MalformedBody) -> DecodedBatch

    /// Decodes the beginning of a body. Nothing of it may be taken if this throws.
    ///
    /// - Parameter elementLimit: the most elements, such as records, that are decoded.
    /// - Returns: their records, and what is left; `nil` if that is all.
    func decode(
        _ body: PaddedBytes, arrival: Instant, elementLimit: Int
    ) throws(MalformedBody) -> (batch: DecodedBatch, rest: BodyRest?)

    /// The answer to a body whose records were decided one by one.
    func answer(to outcome: Outcome) -> Response
}

extension Format {
    package var isDivisible: Bool { false }
    /// Other reports of each call are looked for.
    package var partElements: Int { 512 }

    /// By default the body is decoded whole: what it reports may be related. Its events are divided.
    package func decode(
        _ body: PaddedBytes, arrival: Instant, elementLimit: Int
    ) throws(MalformedBody) -> (batch: DecodedBatch, rest: BodyRest?) {
        try decode(body, arrival: arrival).divided(elementLimit: elementLimit)
    }
}
