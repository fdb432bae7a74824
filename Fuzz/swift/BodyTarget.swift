import Bodies
import Glibc
import Model

@testable import Formats

let arrival = Instant(unixMilliseconds: 1_750_000_000_000)

/// The outcome of a body, as text: all that was read, or why it was refused.
enum Decision: Equatable {
    case taken(String)
    case refused(String)

    init(_ decode: () throws(MalformedBody) -> DecodedBatch) {
        do throws(MalformedBody) {
            let batch = try decode()
            batch.checkBounds()
            self = .taken(batch.described)
        } catch {
            require(error.detail.isOneShortLine, error.detail)
            self = .refused(error.detail)
        }
    }
}

/// The rules of all formats of bodies.
enum BodyTarget {
    /// A body is decoded alike before zeros and before padding that looks like more of it, and so each time.
    @discardableResult static func test(_ format: some Format, _ body: [UInt8]) -> Decision {
        let first = Decision { () throws(MalformedBody) in
            try format.decode(PaddedBytes(body, before: 0), arrival: arrival)
        }
        let padding = paddings[body.count % paddings.count]
        let other = Decision { () throws(MalformedBody) in
            try format.decode(PaddedBytes(body, before: padding), arrival: arrival)
        }
        require(first == other, "before \(padding): \(other), not \(first)")
        return first
    }

    private static let paddings = Array("[\"{".utf8)
}

extension PaddedBytes {
    /// - Parameter padding: the content of each byte behind the body.
    convenience init(_ body: [UInt8], before padding: UInt8) {
        let count = body.count + Self.padding
        let block = unsafe UnsafeMutableRawBufferPointer(start: malloc(count), count: count)
        unsafe block.copyBytes(from: body + [UInt8](repeating: padding, count: Self.padding))
        unsafe self.init(adopting: block.baseAddress, count: body.count)
    }
}

extension DecodedBatch {
    /// Checks the rules of batches that do not depend on the format.
    fileprivate func checkBounds() {
        var last = -1
        for (index, _) in events {
            require(index > last, "event \(index) behind \(last)")
            last = index
        }
        last = -1
        for listed in rejections.listed {
            require(listed.index > last, "rejection \(listed.index) behind \(last)")
            last = listed.index
            require(listed.rejection.message.isOneShortLine, listed.rejection.message)
            require(!events.contains { $0.index == listed.index }, "record \(listed.index) is taken and rejected")
        }
        require(rejections.listed.count == min(rejections.count, RejectedRecords.listedLimit), "\(rejections.count)")
        require(unknownFields >= 0 && ignoredDataPoints ?? 0 >= 0, "counts below 0")
        require(warnings.count <= 64 && Set(warnings).count == warnings.count, "\(warnings)")
    }

    /// Its content, as text.
    var described: String {
        var text = "\(describedEvents)\n\(describedRejections { $0.rejection.message })\n\(warnings)\n\(unknownFields) "
        text += "\(ignoredSpans.otherSpans) \(ignoredSpans.openedStreams) \(ignoredDataPoints ?? -1)\n"
        text += "\(ignoredSpans.names.map { "\($0.key): \($0.value)" }.sorted())\n"
        text += "\(ignoredLogRecords.byEvent.map { "\($0.event): \($0.count)" })\n"
        text += "\(ignoredItems.map { "\($0.key): \($0.value)" }.sorted())\n"
        text += links.isEmpty ? "" : "\(links)"
        return text
    }

    var describedEvents: String {
        events.isEmpty
            ? ""
            : events.map { placed in
                guard case .end(let record) = placed.event, let report = record.report else { return "\(placed)" }
                // A class, which text shows by its name alone.
                return "\(placed) \(Mirror(reflecting: report).children.map { "\($0.label ?? ""): \($0.value)" })"
            }.joined(separator: "\n")
    }

    func describedRejections(_ text: (RejectedRecords.Listed) -> String) -> String {
        rejections.isEmpty
            ? ""
            : rejections.listed.map {
                "\($0.index) \($0.agentName?.text ?? "") \($0.rejection.field ?? "") \($0.rejection.code) \(text($0))"
            }.joined(separator: "\n") + "\n\(rejections.counts.map { "\($0.key): \($0.value)" }.sorted())"
    }
}

extension String {
    /// Whether it can stand in an answer and in the log.
    var isOneShortLine: Bool { utf8.count < 1_000 && isOneLine }

    var isOneLine: Bool {
        unicodeScalars.allSatisfy { ($0.value >= 0x20 && $0.value < 0x7F) || $0.value > 0xA0 }
    }
}
