internal import Bodies
internal import Model

/// The walk over one JSON body, or a part of it: the objects of a document, of an array, or of lines, each with its
/// place.
struct BodyWalk<Objects: BodyObjects & ~Copyable>: ~Copyable {
    private var reader: JSONReader
    private(set) var objects: Objects
    private var events: [(index: Int, event: Event)] = []
    private var rejections: RejectedRecords
    private var ignoredItems: [LiteLLMNonCall: Int] = [:]
    private var cursor: BodyCursor
    private let unknownFieldsBefore: Int
    /// The place at which the walk ends, if there are more elements.
    private let endIndex: Int
    /// All of the body.
    private var whole = BorrowedBytes.none

    /// No record that is accepted is shorter: its braces, three required keys and their values.
    private static var smallestRecordBytes: Int { 45 }
    private static var remedy: String { "send one JSON object, an array of objects, or one object a line (NDJSON)" }

    /// - Parameters:
    ///   - cursor: where the walk begins.
    ///   - elementLimit: the most elements that it takes.
    init(
        _ reader: consuming JSONReader, _ objects: consuming Objects, from cursor: BodyCursor = BodyCursor(),
        elementLimit: Int = .max
    ) {
        self.reader = reader
        self.objects = objects
        self.cursor = cursor
        rejections = RejectedRecords(listedLimit: RejectedRecords.listedLimit - cursor.listedCount)
        unknownFieldsBefore = cursor.warnings.unknownFields
        endIndex = cursor.index + min(elementLimit, .max - cursor.index)
    }

    consuming func endReading() -> JSONReader { reader }

    var batch: DecodedBatch {
        DecodedBatch(
            events: events, rejections: rejections, warnings: cursor.warnings,
            unknownFields: cursor.warnings.unknownFields - unknownFieldsBefore, ignoredItems: ignoredItems)
    }

    /// After the walk, where the next one begins; `nil` at the end of the body.
    var next: BodyCursor? { cursor.isAtEnd ? nil : cursor }

    /// Reads a body from its beginning.
    mutating func read(_ body: BorrowedBytes, format: BodyFormat) throws(MalformedBody) {
        whole = body
        defer { cursor.listedCount += rejections.listed.count }
        if body.isEmpty { throw MalformedBody(detail: "the body is empty; \(Self.remedy)") }
        var body = body
        if body.starts(with: [0xEF, 0xBB, 0xBF]) {
            guard Objects.allowsByteOrderMark else {
                throw MalformedBody(detail: "the body begins with a byte order mark; send UTF-8 without one")
            }
            body = body.trimmed(prefix: 3, suffix: 0)
        }
        switch format {
        case .ndjson: readLines(body)
        case .json: try readDocumentOrLines(body)
        }
    }

    /// Reads a body on from the cursor.
    mutating func readOn(_ body: BorrowedBytes) {
        whole = body
        defer { cursor.listedCount += rejections.listed.count }
        while cursor.index < endIndex, !cursor.slices.isEmpty { readSlice(cursor.slices.removeFirst()) }
        guard cursor.slices.isEmpty, cursor.index < endIndex, let lines = cursor.lines else { return }
        cursor.lines = nil
        readLines(Lines(body.trimmed(prefix: lines.offset, suffix: 0), after: lines.number))
    }

    private mutating func readSlice(_ slice: BodyCursor.ArraySlice) {
        let bytes = whole.trimmed(prefix: slice.range.lowerBound, suffix: whole.count - slice.range.upperBound)
        let text = PaddedBytes([UInt8(ascii: "[")] + bytes + [UInt8(ascii: "]")])
        // Safe: no text or object leaves the closure, only values made of them.
        unsafe text.withUnsafeBytes { array in
            let array = unsafe BorrowedBytes(array.assumingMemoryBound(to: UInt8.self))
            do throws(JSONFault) {
                _ = try reader.open(array)
                try takeElements(upTo: .max, line: slice.line)
            } catch {
                // Does not happen, as the array was read before; if it does, the answer says so.
                rejections.append(index: cursor.index, of: nil, .malformedJSON) {
                    RecordRejection(malformed: error, in: array, line: slice.line ?? 1)
                }
            }
        }
    }

    // MARK: JSON

    private mutating func readDocumentOrLines(_ body: BorrowedBytes) throws(MalformedBody) {
        var lines = Lines(body)
        guard let first = lines.nextWithText() else {
            throw MalformedBody(detail: "the body holds white space only; \(Self.remedy)")
        }
        let second = lines.nextWithText()
        if Objects.skipsNull, second != nil,
            first.text.filter({ !$0.isWhiteSpace }).elementsEqual("null".utf8)
        {
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
            if Objects.takesSoundLines, second != nil {
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
    private mutating func isObject(_ line: BorrowedBytes) -> Bool {
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

    private mutating func readDocument(_ body: BorrowedBytes) throws(MalformedBody) {
        var isArray = false
        var isOther = false
        do throws(JSONFault) {
            switch try reader.open(body) {
            case .object:
                let object = try reader.readObject()
                isArray = Objects.elements(of: object) != nil
                try takeDocument(object, in: body, line: nil)
            case .null where Objects.skipsNull: break
            case .null, .scalar: isOther = true
            case .array:
                isArray = true
                try readArray(body, line: nil)
            }
        } catch {
            let place = isArray ? " (in element \(cursor.index))" : ""
            let reason = error.reason(in: body)
            throw MalformedBody(
                detail: "the body is not JSON: \(reason)\(place); nothing of it was taken; \(Self.remedy)")
        }
        if isOther {
            throw MalformedBody(detail: "the body is JSON but neither an object nor an array; \(Self.remedy)")
        }
    }

    // MARK: NDJSON

    /// Reads the body as lines; if none is sound, the body is refused as the document that it was first taken for.
    private mutating func readSoundLines(
        _ body: BorrowedBytes, orThrow fault: MalformedBody
    ) throws(MalformedBody) {
        events.removeAll()
        rejections = RejectedRecords()
        ignoredItems = [:]
        cursor = BodyCursor()
        if !readLines(Lines(body), needsSoundLine: true) { throw fault }
    }

    private mutating func readLines(_ body: BorrowedBytes) { readLines(Lines(body)) }

    /// - Parameter needsSoundLine: whether the walk goes on beyond its end until it has found one.
    /// - Returns: whether a line is sound: an object, an array that may be one, or `null`.
    @discardableResult private mutating func readLines(_ text: Lines, needsSoundLine: Bool = false) -> Bool {
        var lines = text
        var hasSoundLine = false
        var isFirst = true
        while let line = lines.nextWithText() {
            if isFirst {
                isFirst = false
                // As if all lines were as long as the first, within what the body can hold.
                let count = (line.text.count + lines.rest.count) / max(line.text.count, Self.smallestRecordBytes) + 1
                events.reserveCapacity(min(count, endIndex - cursor.index))
            } else if cursor.index >= endIndex, hasSoundLine || !needsSoundLine {
                cursor.lines = (whole.offset(of: line.text), line.number - 1)
                break
            }
            do throws(JSONFault) {
                let content = try reader.open(line.text)
                if content == .object {
                    try takeDocument(try reader.readObject(), in: line.text, line: line.number)
                    hasSoundLine = true
                    continue
                } else if content == .array, Objects.takesSoundLines {
                    try readArray(line.text, line: line.number)
                    hasSoundLine = true
                    continue
                } else if content != .null || !Objects.skipsNull {
                    // An array is read to its end, to distinguish a line that is no object from one that is not JSON.
                    try skipRest(of: line.text)
                    reject(.notAnObject, of: nil, line: line.number)
                }
                hasSoundLine = hasSoundLine || content == .null
            } catch {
                rejections.append(index: cursor.index, of: nil, .malformedJSON) {
                    RecordRejection(malformed: error, in: line.text, line: line.number)
                }
            }
            cursor.index += 1
        }
        return hasSoundLine
    }

    /// Takes an object that is the body or a line, or the objects that it wraps.
    private mutating func takeDocument(
        _ object: JSONObject, in text: BorrowedBytes, line: Int?
    ) throws(JSONFault) {
        guard let elements = Objects.elements(of: object) else {
            take(object, line: line)
            cursor.index += 1
            return
        }
        // The reader is free for them: it has read the object to its end, and they lie in the body.
        do throws(JSONFault) {
            _ = try reader.open(elements)
            try readArray(elements, line: line)
        } catch {
            throw JSONFault(kind: error.kind, offset: text.offset(of: elements) + error.offset)
        }
    }

    /// Takes the elements of an array, each with its place in the body. Those beyond the walk's end are only checked,
    /// and left to the next walks.
    ///
    /// - Parameters:
    ///   - text: the array, which the reader has opened.
    ///   - line: the one that the array stands on; `nil` if the array is the body.
    private mutating func readArray(_ text: BorrowedBytes, line: Int?) throws(JSONFault) {
        if try !takeElements(upTo: endIndex, line: line) { try leaveRest(of: text, line: line) }
    }

    /// - Returns: whether that was all of the array.
    @discardableResult private mutating func takeElements(upTo end: Int, line: Int?) throws(JSONFault) -> Bool {
        while cursor.index < end {
            guard let element = try reader.nextElement() else { return true }
            switch element {
            case .object(let object): take(object, line: line)
            case .other(.null) where Objects.skipsNull: break
            case .other: reject(.notAnObject, of: nil, line: line)
            }
            cursor.index += 1
        }
        return false
    }

    private mutating func leaveRest(of text: BorrowedBytes, line: Int?) throws(JSONFault) {
        let first = cursor.index
        var starts: [Int] = []
        while try reader.nextElement() != nil {
            if (cursor.index - first).isMultiple(of: Self.sliceElements) { starts.append(reader.elementOffset) }
            cursor.index += 1
        }
        // If this throws, the place is that of the fault.
        cursor.index = first
        // Without the last bracket.
        let end = text.lastIndex(of: UInt8(ascii: "]")) ?? text.count
        let base = whole.offset(of: text)
        for (start, next) in zip(starts, starts.dropFirst() + [end]) {
            let last = text[start..<next].lastIndex { !$0.isWhiteSpace && $0 != UInt8(ascii: ",") } ?? start
            cursor.slices.append(BodyCursor.ArraySlice(range: base + start..<base + last + 1, line: line))
        }
    }

    /// Elements in a slice of an array.
    private static var sliceElements: Int { 2048 }

    private mutating func skipRest(of line: BorrowedBytes) throws(JSONFault) {
        guard line.first(where: { !$0.isWhiteSpace }) == UInt8(ascii: "[") else { return }
        while try reader.nextElement() != nil {}
    }

    // MARK: Records

    private mutating func take(_ object: JSONObject, line: Int?) {
        do throws(RecordFault) {
            switch try objects.read(object, index: cursor.index, warnings: &cursor.warnings) {
            case .event(let event): events.append((cursor.index, event))
            case .nonCall(let type): ignoredItems[type, default: 0] += 1
            case .null: break
            }
        } catch {
            // Read only for rejections that an answer lists.
            let agentName = rejections.isListing ? objects.agentName(of: object) : nil
            reject(error, of: agentName, line: line)
        }
    }

    private mutating func reject(_ fault: RecordFault, of agentName: LabelValue?, line: Int?) {
        rejections.append(index: cursor.index, of: agentName, fault.code) { fault.rejection(line: line) }
    }
}
