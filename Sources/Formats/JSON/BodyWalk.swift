internal import Model

/// The walk over one JSON body: the objects of a document, of an array, or of lines, each with its place.
struct BodyWalk<Objects: BodyObjects & ~Copyable>: ~Copyable {
    private var reader: JSONReader
    private(set) var objects: Objects
    private var events: [(index: Int, event: Event)] = []
    private var rejections = RejectedRecords()
    private var warnings = BodyWarnings()
    private var ignoredItems: [LiteLLMNonCall: Int] = [:]

    /// No record that is accepted is shorter: its braces, three required keys and their values.
    private static var smallestRecordBytes: Int { 45 }
    private static var remedy: String { "send one JSON object, an array of objects, or one object a line (NDJSON)" }

    init(_ reader: consuming JSONReader, _ objects: consuming Objects) {
        self.reader = reader
        self.objects = objects
    }

    consuming func endReading() -> JSONReader { reader }

    var batch: DecodedBatch {
        DecodedBatch(
            events: events, rejections: rejections, warnings: warnings, ignoredItems: ignoredItems)
    }

    mutating func read(_ body: BorrowedBytes, format: BodyFormat) throws(MalformedBody) {
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
        var index = 0
        var isArray = false
        var isOther = false
        do throws(JSONFault) {
            switch try reader.open(body) {
            case .object:
                let object = try reader.readObject()
                isArray = Objects.elements(of: object) != nil
                try takeDocument(object, in: body, line: nil, &index)
            case .null where Objects.skipsNull: break
            case .null, .scalar: isOther = true
            case .array:
                isArray = true
                try readArray(line: nil, &index)
            }
        } catch {
            let place = isArray ? " (in element \(index))" : ""
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
        warnings = BodyWarnings()
        ignoredItems = [:]
        if !readLines(body) { throw fault }
    }

    /// - Returns: whether a line is sound: an object, an array that may be one, or `null`.
    @discardableResult private mutating func readLines(_ body: BorrowedBytes) -> Bool {
        var lines = Lines(body)
        var index = 0
        var hasSoundLine = false
        while let line = lines.nextWithText() {
            if index == 0 {
                // As if all lines were as long as the first, within what the body can hold.
                events.reserveCapacity(body.count / max(line.text.count, Self.smallestRecordBytes) + 1)
            }
            do throws(JSONFault) {
                let content = try reader.open(line.text)
                if content == .object {
                    try takeDocument(try reader.readObject(), in: line.text, line: line.number, &index)
                    hasSoundLine = true
                    continue
                } else if content == .array, Objects.takesSoundLines {
                    try readArray(line: line.number, &index)
                    hasSoundLine = true
                    continue
                } else if content != .null || !Objects.skipsNull {
                    // An array is read to its end, to distinguish a line that is no object from one that is not JSON.
                    try skipRest(of: line.text)
                    reject(.notAnObject, of: nil, index: index, line: line.number)
                }
                hasSoundLine = hasSoundLine || content == .null
            } catch {
                rejections.append(index: index, of: nil, .malformedJSON) {
                    RecordRejection(malformed: error, in: line.text, line: line.number)
                }
            }
            index += 1
        }
        return hasSoundLine
    }

    /// Takes an object that is the body or a line, or the objects that it wraps.
    private mutating func takeDocument(
        _ object: JSONObject, in text: BorrowedBytes, line: Int?, _ index: inout Int
    ) throws(JSONFault) {
        guard let elements = Objects.elements(of: object) else {
            take(object, index: index, line: line)
            index += 1
            return
        }
        // The reader is free for them: it has read the object to its end, and they lie in the body.
        do throws(JSONFault) {
            _ = try reader.open(elements)
            try readArray(line: line, &index)
        } catch {
            throw JSONFault(kind: error.kind, offset: text.offset(of: elements) + error.offset)
        }
    }

    /// Reads the elements of an array, each with its place in the body.
    ///
    /// - Parameter line: the one that the array stands on; `nil` if the array is the body.
    private mutating func readArray(line: Int?, _ index: inout Int) throws(JSONFault) {
        while let element = try reader.nextElement() {
            switch element {
            case .object(let object): take(object, index: index, line: line)
            case .other(.null) where Objects.skipsNull: break
            case .other: reject(.notAnObject, of: nil, index: index, line: line)
            }
            index += 1
        }
    }

    private mutating func skipRest(of line: BorrowedBytes) throws(JSONFault) {
        guard line.first(where: { !$0.isWhiteSpace }) == UInt8(ascii: "[") else { return }
        while try reader.nextElement() != nil {}
    }

    // MARK: Records

    private mutating func take(_ object: JSONObject, index: Int, line: Int?) {
        do throws(RecordFault) {
            switch try objects.read(object, index: index, warnings: &warnings) {
            case .event(let event): events.append((index, event))
            case .nonCall(let type): ignoredItems[type, default: 0] += 1
            case .null: break
            }
        } catch {
            // Read only for rejections that an answer lists.
            let agentName = rejections.isListing ? objects.agentName(of: object) : nil
            reject(error, of: agentName, index: index, line: line)
        }
    }

    private mutating func reject(
        _ fault: RecordFault, of agentName: LabelValue?, index: Int, line: Int?
    ) {
        rejections.append(index: index, of: agentName, fault.code) { fault.rejection(line: line) }
    }
}
