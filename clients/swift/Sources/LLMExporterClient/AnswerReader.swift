#if canImport(FoundationEssentials)
    import FoundationEssentials
#else
    import Foundation
#endif

/// Reads an answer of a provider as its bytes come: one JSON object, or a stream of server-sent events.
///
/// What is neither has no usage. Of an answer or an event longer than `limitBytes` none is read.
struct AnswerReader: Sendable {
    private enum Form { case unknown, object, events }

    private let limitBytes: Int
    private var form = Form.unknown
    /// The object, or the line of an event, as far as it has come.
    private var pending: [UInt8] = []
    private var isTooLong = false
    /// The lines of the event, without `data:`.
    private var event: [UInt8] = []
    private var read = Findings()

    /// - `limitBytes`: past an answer with images or embeddings in it; what is being read waits in memory.
    init(limitBytes: Int = 32 << 20) { self.limitBytes = limitBytes }

    /// What has been found so far.
    struct Findings: Equatable, Sendable {
        var usage: TokenUsage?
        /// See `AnswerPart.failure`.
        var failure: String?
        fileprivate var anthropic: AnthropicUsage?

        fileprivate mutating func add(_ part: AnswerPart) {
            if let counts = part.anthropic {
                anthropic = anthropic?.updated(by: counts) ?? counts
                usage = anthropic?.usage
            } else if let counts = part.usage {
                usage = usage?.updated(by: counts) ?? counts
            }
            failure = part.failure ?? failure
        }
    }

    /// What was found, of an answer that ends here.
    var findings: Findings {
        var ended = self
        if form == .object {
            if !isTooLong { ended.decode(pending) }
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
            form = first == UInt8(ascii: "{") ? .object : .events
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

    private mutating func endLine() {
        defer {
            pending.removeAll(keepingCapacity: pending.count < 65_536)
            isTooLong = false
        }
        if pending.last == UInt8(ascii: "\r") { pending.removeLast() }
        let name = Array("data:".utf8)
        if pending.isEmpty {
            endEvent()
        } else if !isTooLong, pending.starts(with: name), event.count + pending.count <= limitBytes {
            event += pending.dropFirst(name.count)
            // Lines of one event are joined by one; in JSON it is white space.
            event.append(UInt8(ascii: "\n"))
        }
    }

    private mutating func endEvent() {
        // Most events of a stream hold a few letters; only what may tell tokens or a failure is worth a parser.
        let names = [#""usage""#, #""error""#].map { Array($0.utf8) }
        if names.contains(where: { event.firstRange(of: $0) != nil }) { decode(event) }
        event.removeAll(keepingCapacity: event.count < 65_536)
    }

    private mutating func decode(_ json: [UInt8]) {
        if let part = try? JSONDecoder().decode(AnswerPart.self, from: Data(json)) { read.add(part) }
    }
}
