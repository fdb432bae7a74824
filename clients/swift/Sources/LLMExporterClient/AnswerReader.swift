#if canImport(FoundationEssentials)
    import FoundationEssentials
#else
    import Foundation
#endif

/// Reads an answer of a provider as its bytes come: one JSON object, an array of them, or a stream of server-sent
/// events.
///
/// Anything else has no usage, and neither has an answer or an event longer than `limitBytes`.
struct AnswerReader: Sendable {
    private enum Form { case unknown, whole, events }

    private let limitBytes: Int
    private var form = Form.unknown
    /// The answer, or the line of an event, as far as it has come.
    private var pending: [UInt8] = []
    private var isTooLong = false
    /// The lines of the event, without `data:`.
    private var event: [UInt8] = []
    private var read = Findings()

    /// - `limitBytes`: more than an answer with images or embeddings in it; what is being read waits in memory.
    init(limitBytes: Int = 32 << 20) { self.limitBytes = limitBytes }

    /// The findings so far.
    struct Findings: Equatable, Sendable {
        private var reported: ReportedUsage?
        /// See `AnswerPart` for this and the next three.
        private(set) var failure: String?
        private(set) var model: String?
        private(set) var serviceTier: String?
        private(set) var searchContextSize: LLMSearchContextSize?
        fileprivate private(set) var hasToken = false
        fileprivate(set) var isBegun = false
        fileprivate var isEnded = false

        var usage: TokenUsage? { reported?.usage }

        /// Whether the end of the stream is still to come. A provider whose streams announce no end never leaves it so.
        var isUnfinished: Bool { isBegun && !isEnded && failure == nil }

        fileprivate mutating func add(_ part: AnswerPart) {
            if let usage = part.usage { reported = reported?.updated(by: usage) ?? usage }
            failure = part.failure ?? failure
            model = part.model ?? model
            serviceTier = part.serviceTier ?? serviceTier
            searchContextSize = part.searchContextSize ?? searchContextSize
            hasToken = hasToken || part.hasToken
            isBegun = isBegun || part.isBegun
            isEnded = isEnded || part.isEnd
        }
    }

    /// Whether the first token of a stream has come.
    var hasToken: Bool { form == .events && read.hasToken }

    /// The findings of an answer that ends here.
    var findings: Findings {
        var ended = self
        if form == .whole {
            if !isTooLong { ended.decode(pending) }
            // Only streams are left early: a part of an answer is not JSON.
            ended.read.isBegun = false
        } else {
            ended.endLine()
            ended.endEvent()
        }
        return ended.read
    }

    mutating func read(_ bytes: [UInt8]) {
        var rest = bytes[...]
        if form == .unknown {
            // A byte order mark and white space may stand before either.
            rest = rest.drop { $0 <= 0x20 || $0 >= 0x80 }
            guard let first = rest.first else { return }
            // Gemini streams an array unless it is asked for events.
            form = first == UInt8(ascii: "{") || first == UInt8(ascii: "[") ? .whole : .events
        }
        while form == .events, let end = rest.firstIndex(of: UInt8(ascii: "\n")) {
            append(rest[..<end])
            endLine()
            rest = rest[(end + 1)...]
        }
        append(rest)
    }

    private mutating func append(_ bytes: ArraySlice<UInt8>) {
        if isTooLong || pending.count + bytes.count > limitBytes {
            isTooLong = true
        } else {
            pending += bytes
        }
    }

    private static let fieldName = Array("data:".utf8)

    private mutating func endLine() {
        defer {
            pending.removeAll(keepingCapacity: pending.count < 65_536)
            isTooLong = false
        }
        if pending.last == UInt8(ascii: "\r") { pending.removeLast() }
        if pending.isEmpty {
            endEvent()
        } else if !isTooLong, pending.starts(with: Self.fieldName), event.count + pending.count <= limitBytes {
            event += pending.dropFirst(Self.fieldName.count)
            // Lines of one event are joined by one; in JSON it is white space.
            event.append(UInt8(ascii: "\n"))
        }
    }

    /// The beginnings, behind a quotation mark, of what reports tokens, a failure, or the end.
    private static let marks = ["usage", #"error""#, #"finish_reason":""#, #"finish_reason": ""#, #"message_stop""#]
        .map { Array($0.utf8) }
    /// OpenAI's last event.
    private static let end = Array("[DONE]\n".utf8)

    private mutating func endEvent() {
        // Most events of a stream hold a few letters; after the first token only others are worth a parser.
        if !read.hasToken || hasMark { decode(event) }
        if event.count <= Self.end.count + 1, event.suffix(Self.end.count) == Self.end[...] { read.isEnded = true }
        event.removeAll(keepingCapacity: event.count < 65_536)
    }

    private var hasMark: Bool {
        var rest = event[...]
        // Written out, as `firstRange(of:)` takes longer than the parser.
        while let quote = rest.firstIndex(of: UInt8(ascii: "\"")) {
            rest = rest[(quote + 1)...]
            if Self.marks.contains(where: { rest.starts(with: $0) }) { return true }
        }
        return false
    }

    private mutating func decode(_ json: [UInt8]) {
        if json.isEmpty { return }
        let (decoder, data) = (JSONDecoder(), Data(json))
        if let part = try? decoder.decode(AnswerPart.self, from: data) {
            read.add(part)
        } else if form == .whole, let parts = try? decoder.decode([AnswerPart].self, from: data) {
            for part in parts { read.add(part) }
        }
    }
}
