import Bodies
import Glibc
import Model

@testable import Formats

let arrival = Instant(unixMilliseconds: 1_750_000_000_000)

/// The outcome of a body: what was read, or why it was refused.
enum Decision: Equatable, CustomStringConvertible {
    case taken(DecodedBatch)
    case refused(String)

    init(_ decode: () throws(MalformedBody) -> DecodedBatch) {
        do throws(MalformedBody) {
            let batch = try decode()
            batch.checkBounds()
            self = .taken(batch)
        } catch {
            require(error.detail.isOneShortLine, error.detail)
            self = .refused(error.detail)
        }
    }

    static func == (one: Decision, other: Decision) -> Bool {
        switch (one, other) {
        case (.taken(let one), .taken(let other)): one.isLike(other)
        case (.refused(let one), .refused(let other)): one == other
        default: false
        }
    }

    var description: String {
        switch self {
        case .taken(let batch): batch.described
        case .refused(let reason): "refused: \(reason)"
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
}

extension String {
    /// Whether it can stand in an answer and in the log.
    var isOneShortLine: Bool { utf8.count < 1_000 && isOneLine }

    var isOneLine: Bool {
        unicodeScalars.allSatisfy { ($0.value >= 0x20 && $0.value < 0x7F) || $0.value > 0xA0 }
    }
}
