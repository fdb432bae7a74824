package import Bodies
package import Model

/// Reads the records of a body and checks them against docs/openapi.yaml.
///
/// For one body at a time. From one to the next it keeps its buffers and the names it last saw, never what it was told.
package final class RecordDecoder {
    /// `nil` while a body is read.
    private var reader: JSONReader?
    private var records = RecordReader()

    /// Buffers of larger bodies are given back.
    private static let keptBodyBytes = 1 << 20

    package init() {}

    /// Decodes a whole body.
    ///
    /// - Parameter arrival: the time of exemplars that have none of their own.
    /// - Throws: when the body as a whole is not JSON, or neither records nor a list of them. A record or a line at
    ///   fault is among the rejections instead, and the others are taken.
    package func decode(
        _ body: PaddedBytes, format: BodyFormat, idempotencyKey: IdempotencyKey?, arrival: Instant
    ) throws(MalformedBody) -> DecodedBatch {
        // Safe: no text or object leaves the closure, only values made of them.
        try unsafe body.withUnsafeBytes { (bytes) throws(MalformedBody) in
            let text = unsafe JSONText(bytes.assumingMemoryBound(to: UInt8.self))
            records.begin(idempotencyKey: idempotencyKey, arrival: arrival)
            var decoding = BodyDecoding(reader.take() ?? JSONReader(), records)
            var malformed: MalformedBody?
            do throws(MalformedBody) {
                try decoding.read(text, format: format)
            } catch {
                malformed = error
            }
            let batch = decoding.batch
            records = decoding.records
            if bytes.count <= Self.keptBodyBytes { reader = decoding.endReading() }
            if let malformed { throw malformed }
            return batch
        }
    }
}

/// The work on one body.
struct BodyDecoding: ~Copyable {
    private var reader: JSONReader
    private(set) var records: RecordReader
    /// What its objects are made records by; `nil` where they are records.
    private let items: LiteLLMItemReader?
    private var events: [(index: Int, event: Event)] = []
    private var rejections = RejectedRecords()
    private var warnings = BodyWarnings()

    /// No record that is accepted is shorter: its braces, three required keys and their values.
    private static let smallestRecordBytes = 45
    private static let remedy = "send one JSON object, an array of objects, or one object a line (NDJSON)"

    init(_ reader: consuming JSONReader, _ records: RecordReader, items: LiteLLMItemReader? = nil) {
        self.reader = reader
        self.records = records
        self.items = items
    }

    consuming func endReading() -> JSONReader { reader }

    var batch: DecodedBatch {
        DecodedBatch(
            events: events, rejections: rejections, warnings: warnings.messages, unknownFields: warnings.unknownFields)
    }

    mutating func read(_ body: JSONText, format: BodyFormat) throws(MalformedBody) {
        if body.isEmpty { throw MalformedBody(detail: "the body is empty; \(Self.remedy)") }
        var body = body
        if body.starts(with: [0xEF, 0xBB, 0xBF]) {
            guard items != nil else {
                throw MalformedBody(detail: "the body begins with a byte order mark; send UTF-8 without one")
            }
            body = body.trimmed(prefix: 3, suffix: 0)
        }
        switch format {
        case .ndjson: readLines(body)
        case .json: try readDocumentOrLines(body)
        }
    }

    // MARK: JSON

    private mutating func readDocumentOrLines(_ body: JSONText) throws(MalformedBody) {
        var lines = Lines(body)
        guard let first = lines.nextWithText() else {
            throw MalformedBody(detail: "the body holds white space only; \(Self.remedy)")
        }
        let second = lines.nextWithText()
        if items != nil, second != nil, first.text.filter({ !$0.isWhiteSpace }).elementsEqual("null".utf8) {
            readLines(body)
            return
        }
        let beginsWithObject = first.text.first { !$0.isWhiteSpace } == UInt8(ascii: "{")
        let startsLikeLines = beginsWithObject && second != nil
        if startsLikeLines && isObject(first.text) {
            readLines(body)
            return
        }
        do {
            try readDocument(body)
        } catch let fault {
            if items != nil, second != nil {
                try readSoundLines(body, orThrow: fault)
                return
            }
            let secondBegins = second?.text.first { !$0.isWhiteSpace }
            if startsLikeLines, secondBegins == UInt8(ascii: "{") {
                readLines(body)
                return
            }
            throw fault
        }
    }

    /// Whether the line alone is a JSON object.
    private mutating func isObject(_ line: JSONText) -> Bool {
        // The first line of a document that is spread over several seldom ends in a brace: no need to try.
        guard line.last(where: { !$0.isWhiteSpace }) == UInt8(ascii: "}") else { return false }
        do {
            guard try reader.open(line) == .object else { return false }
            _ = try reader.readObject()
            return true
        } catch {
            return false
        }
    }

    private mutating func readDocument(_ body: JSONText) throws(MalformedBody) {
        var index = 0
        var isArray = false
        do {
            switch try reader.open(body) {
            case .object:
                take(try reader.readObject(), index: 0, line: nil)
            case .null where items != nil: break
            case .null, .scalar:
                throw MalformedBody(detail: "the body is JSON but neither an object nor an array; \(Self.remedy)")
            case .array:
                isArray = true
                try readArray(line: nil, &index)
            }
        } catch let malformed as MalformedBody {
            throw malformed
        } catch let fault as JSONFault {
            let place = isArray ? " (in element \(index))" : ""
            let reason = fault.reason(in: body)
            throw MalformedBody(
                detail: "the body is not JSON: \(reason)\(place); nothing of it was taken; \(Self.remedy)")
        } catch {
            throw MalformedBody(detail: "the body is not JSON; \(Self.remedy)")
        }
    }

    // MARK: NDJSON

    /// Reads lines of items; where none is sound, the body is the document that it was first taken for.
    private mutating func readSoundLines(_ body: JSONText, orThrow fault: MalformedBody) throws(MalformedBody) {
        events.removeAll()
        rejections = RejectedRecords()
        warnings = BodyWarnings()
        if !readLines(body) { throw fault }
    }

    /// - Returns: whether a line is sound, whatever it is.
    @discardableResult private mutating func readLines(_ body: JSONText) -> Bool {
        var lines = Lines(body)
        var index = 0
        var hasSoundLine = false
        while let line = lines.nextWithText() {
            if index == 0 {
                // As if all lines were as long as the first, within what the body can hold.
                events.reserveCapacity(body.count / max(line.text.count, Self.smallestRecordBytes) + 1)
            }
            do {
                let content = try reader.open(line.text)
                if content == .object {
                    take(try reader.readObject(), index: index, line: line.number)
                } else if content == .array, items != nil {
                    try readArray(line: line.number, &index)
                    hasSoundLine = true
                    continue
                } else if content != .null || items == nil {
                    // An array is read to its end, to tell a line that is no object from one that is not JSON.
                    try skipRest(of: line.text)
                    reject(.notAnObject, index: index, line: line.number)
                }
                hasSoundLine = hasSoundLine || content == .object || content == .null
            } catch {
                reject(.malformed(error, in: line.text), index: index, line: line.number)
            }
            index += 1
        }
        return hasSoundLine
    }

    /// Reads the elements of an array, each with its place in the body.
    ///
    /// - Parameter line: the one that the array stands on; `nil` where it is the body.
    private mutating func readArray(line: Int?, _ index: inout Int) throws(JSONFault) {
        while let element = try reader.nextElement() {
            switch element {
            case .object(let object): take(object, index: index, line: line)
            case .other(.null) where items != nil: break
            case .other: reject(.notAnObject, index: index, line: line)
            }
            index += 1
        }
    }

    private mutating func skipRest(of line: JSONText) throws(JSONFault) {
        guard line.first(where: { !$0.isWhiteSpace }) == UInt8(ascii: "[") else { return }
        while try reader.nextElement() != nil {}
    }

    // MARK: Records

    private mutating func take(_ object: JSONObject, index: Int, line: Int?) {
        do {
            if let items {
                let event = try items.read(
                    object, index: index, isTold: rejections.isListing, by: &records, warnings: &warnings)
                events.append((index, event))
            } else {
                warnings.noteUnknownFields(of: object, index: index)
                events.append((index, try records.read(object, index: index, warnings: &warnings)))
            }
        } catch {
            reject(error, index: index, line: line)
        }
    }

    private mutating func reject(_ fault: RecordFault, index: Int, line: Int?) {
        rejections.append(index: index, fault.code) { fault.rejection(line: line) }
    }
}

/// The lines of a text, without their line feed. CR before it is white space to JSON.
private struct Lines {
    private var rest: JSONText
    private var number = 0

    struct Line {
        let text: JSONText
        /// From 1; blank lines count.
        let number: Int
    }

    init(_ text: JSONText) {
        rest = text
    }

    /// The next line that is not blank.
    mutating func nextWithText() -> Line? {
        while !rest.isEmpty {
            let length = rest.firstLineFeed ?? rest.count
            let text = rest.trimmed(prefix: 0, suffix: rest.count - length)
            rest = rest.trimmed(prefix: min(length + 1, rest.count), suffix: 0)
            number += 1
            if text.contains(where: { !$0.isWhiteSpace }) { return Line(text: text, number: number) }
        }
        return nil
    }
}

extension UInt8 {
    /// RFC 8259, section 2.
    fileprivate var isWhiteSpace: Bool {
        self == UInt8(ascii: " ") || self == UInt8(ascii: "\n") || self == UInt8(ascii: "\r")
            || self == UInt8(ascii: "\t")
    }
}
