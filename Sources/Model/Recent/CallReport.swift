/// The parts of a span or log record, beside its record, by which another report of the same call is recognised.
///
/// A class, so that records without a report are not larger.
package final class CallReport: Sendable {
    /// `nil` for log records, and for spans without ids.
    package let span: SpanID?
    /// The number of the span above it; 0 if there is none.
    let parentNumber: UInt64
    /// Equal numbers are one process, or one instrumentation scope. They hold for this run of the exporter only.
    let process: UInt64
    let scope: UInt64
    /// Nanoseconds since 1970; 0 is unknown.
    let start: UInt64
    let end: UInt64
    /// Whether the call makes an embedding, not an answer.
    let embeds: Bool
    let models: ModelNames
    /// A digest of the id that the provider gave its answer; 0 if there is none.
    let responseID: UInt64
    /// How complete the report is. Of one request's reports of a call, the most complete is counted.
    let fullness: Int
    /// The request id by which a span and a log record of one call are recognised.
    let requestID: Digest?
    let isLog: Bool

    /// A span.
    package init(
        span: SpanID?, parentNumber: UInt64, process: UInt64, scope: UInt64, start: UInt64, end: UInt64, embeds: Bool,
        models: ModelNames, responseID: String?, fullness: Int, requestID: Digest?
    ) {
        self.span = span
        self.parentNumber = parentNumber
        self.process = process
        self.scope = scope
        self.start = start
        self.end = end
        self.embeds = embeds
        self.models = models
        self.responseID = responseID.map { UInt64(bitPattern: Int64($0.hashValue)) | 1 } ?? 0
        self.fullness = fullness
        self.requestID = requestID
        isLog = false
    }

    /// A log record.
    package init(requestID: Digest) {
        span = nil
        parentNumber = 0
        process = 0
        scope = 0
        start = 0
        end = 0
        embeds = false
        models = ModelNames(requested: nil, answered: nil)
        responseID = 0
        fullness = 0
        self.requestID = requestID
        isLog = true
    }

    var parent: SpanID? { span.flatMap { SpanID(trace: $0.trace, span: parentNumber) } }

    /// The key that records that a span with this request id was counted.
    var requestOfSpan: Digest? { isLog ? nil : requestID?.forSpan }
}

/// A span that reports no call: its place in the tree of spans.
package struct SpanLink: Sendable {
    package let id: SpanID
    package let parentNumber: UInt64
    /// Whether it is an agent's run, a workflow, a chain or a tool: calls within it are not the call around it.
    package let holdsCalls: Bool

    package init(id: SpanID, parentNumber: UInt64, holdsCalls: Bool) {
        self.id = id
        self.parentNumber = parentNumber
        self.holdsCalls = holdsCalls
    }

    var parent: SpanID? { SpanID(trace: id.trace, span: parentNumber) }
}
