/// A call as a line of NDJSON, within the exporter's bounds.
///
/// The exporter rejects a record for one bad value. An agent must not lose a call for that, so every value is checked
/// here: a name or word outside its bounds is corrected, any other such value is left out, and both are reported.
struct RecordLine: Equatable, Sendable {
    /// The agent, corrected.
    let agentName: String
    /// One JSON object and a line feed.
    let bytes: [UInt8]
    /// The fields whose value was outside its bounds.
    let mended: [String]

    /// The beginning of the line of a start, and of no other line.
    static let startPrefix = Array(#"{"event":"start","#.utf8)

    /// The line that is sent when a call begins: it says only that.
    init(start call: LLMCallMetrics, newID: () -> String) {
        var object = LineWriter()
        object.add("event", "start")
        agentName = object.addName("agent_name", call.agentName)
        object.add("id", object.mending("id", call.id, Self.id) ?? newID())
        (bytes, mended) = object.finished()
    }

    /// The line that is sent when a call has ended.
    ///
    /// - `recordedAt`: Unix seconds; the time of an exemplar that has none.
    init(end call: LLMCallMetrics, recordedAt: Double, newID: () -> String) {
        var object = LineWriter()
        agentName = object.addName("agent_name", call.agentName)
        _ = object.addName("provider", call.provider)
        _ = object.addName("model", call.model)
        object.add("id", object.mending("id", call.id, Self.id) ?? newID())

        let status = object.mending("status", call.status.rawValue, Self.status) ?? "error"
        if status == "success" {
            if call.errorType != nil { object.note("error_type") }
        } else {
            object.add("status", status)
            if let kind = object.mending("error_type", call.errorType, Self.errorType) {
                object.add("error_type", kind)
            }
        }

        Self.addTokens(of: call, to: &object)
        Self.addBill(of: call, to: &object)
        Self.addTimes(of: call, to: &object)
        if let memory = object.fitting("memory_rss_mb", call.memoryResidentMB, upTo: 1e9) {
            object.add("memory_rss_mb", memory)
        }
        if let memory = object.fitting("memory_available_mb", call.memoryAvailableMB, upTo: 1e9) {
            object.add("memory_available_mb", memory)
        }
        if let trace = object.mending("trace_id", call.traceID, Self.traceID) {
            object.add("trace_id", trace)
            // Only exemplars use it.
            let fitting = object.fitting("timestamp", call.timestamp, upTo: .greatestFiniteMagnitude)
            object.add("timestamp", fitting ?? recordedAt)
        }
        (bytes, mended) = object.finished()
    }

    private static func addTokens(of call: LLMCallMetrics, to object: inout LineWriter) {
        let input = object.fitting("input_tokens", call.inputTokens)
        let output = object.fitting("output_tokens", call.outputTokens)
        let total = object.fitting("total_tokens", call.totalTokens)
        let (read, written) = object.fitting(
            ("cache_read_tokens", call.cacheReadTokens), ("cache_write_tokens", call.cacheWriteTokens),
            within: input ?? 0)
        let writtenForAnHour = object.fitting("cache_write_1h_tokens", call.cacheWrite1hTokens, upTo: written ?? 0)
        let reasoning = object.fitting("reasoning_tokens", call.reasoningTokens, upTo: output ?? 0)
        let (inputAudio, inputImage) = object.fitting(
            ("input_audio_tokens", call.inputAudioTokens), ("input_image_tokens", call.inputImageTokens),
            within: (input ?? 0) - (read ?? 0) - (written ?? 0))
        let (outputAudio, outputImage) = object.fitting(
            ("output_audio_tokens", call.outputAudioTokens), ("output_image_tokens", call.outputImageTokens),
            within: (output ?? 0) - (reasoning ?? 0))
        let counts = [
            ("input_tokens", input), ("output_tokens", output), ("total_tokens", total), ("cache_read_tokens", read),
            ("cache_write_tokens", written), ("cache_write_1h_tokens", writtenForAnHour),
            ("reasoning_tokens", reasoning), ("input_audio_tokens", inputAudio), ("output_audio_tokens", outputAudio),
            ("input_image_tokens", inputImage), ("output_image_tokens", outputImage),
        ]
        for case (let field, let count?) in counts { object.add(field, count) }
    }

    /// Adds what decides the price beside the tokens.
    private static func addBill(of call: LLMCallMetrics, to object: inout LineWriter) {
        if let searches = object.fitting("web_search_requests", call.webSearchRequests, upTo: 1_000_000) {
            object.add("web_search_requests", searches)
        }
        if let size = call.searchContextSize { object.add("search_context_size", size.rawValue) }
        if let tier = object.mending("service_tier", call.serviceTier, Self.fittingWord) {
            object.add("service_tier", tier)
        }
        if let model = object.mending("response_model", call.responseModel, Self.fittingName) {
            object.add("response_model", model)
        }
        if let cost = object.fitting("cost_usd", call.costUSD, upTo: 1e6) { object.add("cost_usd", cost) }
        if let billing = call.billing { object.add("billing", billing.rawValue) }
    }

    private static func addTimes(of call: LLMCallMetrics, to object: inout LineWriter) {
        let day = 864e5
        let latency = object.fitting("latency_ms", call.latency?.milliseconds, upTo: day)
        let times = [
            ("latency_ms", latency),
            ("api_latency_ms", object.fitting("api_latency_ms", call.apiLatency?.milliseconds, upTo: day)),
            ("ttft_ms", object.fitting("ttft_ms", call.timeToFirstToken?.milliseconds, upTo: latency ?? day)),
        ]
        for case (let field, let time?) in times { object.add(field, time) }
    }

    /// A name that the exporter takes.
    static func name(_ text: String) -> String { fittingName(text) ?? "unknown" }

    /// A name that the exporter takes, or nil if nothing of the text can be kept.
    static func fittingName(_ text: String) -> String? {
        if isName(text) { return text }
        var scalars = String.UnicodeScalarView()
        for scalar in text.unicodeScalars {
            if scalar.properties.generalCategory != .control {
                scalars.append(scalar)
            } else if scalars.last != " " {
                scalars.append(" ")
            }
        }
        let begun = scalars.drop { $0 == " " || $0 == "_" }
        var bytes = 0
        var cut = begun.prefix { scalar in
            bytes += UTF8.width(scalar)
            return bytes <= 256
        }
        while cut.last == " " { cut.removeLast() }
        return cut.isEmpty ? nil : String(cut)
    }

    /// Whether a name can be sent as it is; most are ASCII, and then this looks at bytes only.
    private static func isName(_ text: String) -> Bool {
        let bytes = text.utf8
        guard let first = bytes.first, bytes.count <= 256, first != UInt8(ascii: "_"), first != UInt8(ascii: " "),
            bytes.last != UInt8(ascii: " ")
        else { return false }
        return bytes.allSatisfy { $0 >= 0x20 && $0 < 0x7F }
            || text.unicodeScalars.allSatisfy { $0.properties.generalCategory != .control }
    }

    private static func id(_ text: String) -> String? {
        if text.isEmpty { return nil }
        guard text.utf8.count > 256 else { return text }
        // Not cut: two long ids may begin alike. Not new either: the start and the end of a call must stay together.
        return "long-\(fingerprint(text))"
    }

    /// FNV-1a with 128 bits, in hexadecimal digits.
    static func fingerprint(_ text: String) -> String {
        let offset: UInt128 = 0x6c62_272e_07bb_0142_62b8_2175_6295_c58d
        let prime: UInt128 = 0x0000_0000_0100_0000_0000_0000_0000_013b
        let digest = text.utf8.reduce(offset) { ($0 ^ UInt128($1)) &* prime }
        return String(digest, radix: 16)
    }

    private static func status(_ text: String) -> String { fittingWord(text) ?? "error" }

    /// A word that the exporter takes as a status or a service tier, or nil if nothing of the text can be kept.
    static func fittingWord(_ text: String) -> String? {
        if isWord(text) { return text }
        var word = words(of: text.lowercased()) { $0.isLowercaseLetter || $0.isDigit }
        word.removeFirst(word.prefix { !$0.isLowercaseLetter }.count)
        let cut = trimmingEnd(of: word.prefix(32)) { $0 == UInt8(ascii: "_") }
        return isWord(cut) ? cut : nil
    }

    private static func isWord(_ text: String) -> Bool {
        (1...32).contains(text.utf8.count) && text.utf8.first?.isLowercaseLetter == true
            && text.utf8.allSatisfy { $0.isLowercaseLetter || $0.isDigit || $0 == UInt8(ascii: "_") }
    }

    /// A kind of error that the exporter takes, or nil if nothing of it can be kept.
    static func errorType(_ text: String) -> String? {
        let isPunctuation: (UInt8) -> Bool = { [UInt8(ascii: "."), UInt8(ascii: ":"), UInt8(ascii: "-")].contains($0) }
        let isFirst: (UInt8) -> Bool = { $0.isLetter || $0.isDigit || $0 == UInt8(ascii: "_") }
        if (1...64).contains(text.utf8.count), text.utf8.first.map(isFirst) == true,
            text.utf8.allSatisfy({ isFirst($0) || isPunctuation($0) })
        {
            return text
        }
        var word = words(of: text) { isFirst($0) || isPunctuation($0) }
        word.removeFirst(word.prefix { !($0.isLetter || $0.isDigit) }.count)
        let cut = trimmingEnd(of: word.prefix(64)) { !($0.isLetter || $0.isDigit) }
        return cut.isEmpty ? nil : cut
    }

    private static func traceID(_ text: String) -> String? {
        let isTrace = (1...64).contains(text.utf8.count) && text.utf8.allSatisfy(\.isHexDigit)
        return isTrace ? text : nil
    }

    /// The bytes of `text` that belong, with one `_` for each run of those that do not.
    private static func words(of text: String, belongs: (UInt8) -> Bool) -> [UInt8] {
        var word: [UInt8] = []
        for byte in text.utf8 {
            if belongs(byte) {
                word.append(byte)
            } else if word.last != UInt8(ascii: "_") {
                word.append(UInt8(ascii: "_"))
            }
        }
        return word
    }

    private static func trimmingEnd(of bytes: ArraySlice<UInt8>, where isLoose: (UInt8) -> Bool) -> String {
        var rest = bytes
        while let last = rest.last, isLoose(last) { rest.removeLast() }
        return String(decoding: rest, as: UTF8.self)
    }
}

/// An unfinished JSON object, and the fields whose value was outside its bounds.
private struct LineWriter {
    private var bytes: [UInt8] = [UInt8(ascii: "{")]
    private var mended: [String] = []

    init() { bytes.reserveCapacity(512) }

    /// The object, with a line feed.
    func finished() -> (bytes: [UInt8], mended: [String]) { (bytes + [UInt8(ascii: "}"), UInt8(ascii: "\n")], mended) }

    /// Notes that a value was outside its bounds.
    mutating func note(_ field: String) { mended.append(field) }

    /// The text as `rule` corrects it; noted if that is another one.
    mutating func mending(_ field: String, _ text: String?, _ rule: (String) -> String?) -> String? {
        guard let text else { return nil }
        let fitted = rule(text)
        if fitted != text { note(field) }
        return fitted
    }

    /// A count within its bounds; by default those of tokens.
    mutating func fitting(_ field: String, _ count: Int?, upTo most: Int = 1_000_000_000_000) -> Int? {
        guard let count else { return nil }
        if (0...most).contains(count) { return count }
        note(field)
        return nil
    }

    /// Two parts of one whole that together are at most `room`. If they are not, neither is kept: either may be wrong.
    mutating func fitting(
        _ first: (field: String, count: Int?), _ second: (field: String, count: Int?), within room: Int
    ) -> (Int?, Int?) {
        let (one, other) = (fitting(first.field, first.count), fitting(second.field, second.count))
        if (one ?? 0) + (other ?? 0) <= room { return (one, other) }
        note(one ?? 0 > 0 ? first.field : second.field)
        return (nil, nil)
    }

    /// An amount from 0 to `most`; NaN is outside.
    mutating func fitting(_ field: String, _ amount: Double?, upTo most: Double) -> Double? {
        guard let amount else { return nil }
        // The sum turns -0.0 into 0.0.
        if (0...most).contains(amount) { return amount + 0.0 }
        note(field)
        return nil
    }

    /// Adds a name, corrected if need be, and returns what was added.
    mutating func addName(_ field: String, _ text: String) -> String {
        let name = RecordLine.name(text)
        if name != text { note(field) }
        add(field, name)
        return name
    }

    mutating func add(_ field: String, _ text: String) {
        begin(field)
        bytes.append(UInt8(ascii: "\""))
        for byte in text.utf8 {
            switch byte {
            case UInt8(ascii: "\""), UInt8(ascii: "\\"):
                bytes.append(UInt8(ascii: "\\"))
                bytes.append(byte)
            case ..<0x20:
                let digits = Array("0123456789abcdef".utf8)
                bytes += [UInt8](#"\u00"#.utf8) + [digits[Int(byte >> 4)], digits[Int(byte & 15)]]
            default:
                bytes.append(byte)
            }
        }
        bytes.append(UInt8(ascii: "\""))
    }

    mutating func add(_ field: String, _ count: Int) {
        begin(field)
        bytes += String(count).utf8
    }

    /// `amount` is finite: its description is then JSON, and the shortest that reads back.
    mutating func add(_ field: String, _ amount: Double) {
        begin(field)
        bytes += amount.description.utf8
    }

    private mutating func begin(_ field: String) {
        if bytes.count > 1 { bytes.append(UInt8(ascii: ",")) }
        bytes.append(UInt8(ascii: "\""))
        bytes += field.utf8
        bytes += [UInt8(ascii: "\""), UInt8(ascii: ":")]
    }
}

extension Duration {
    /// Within a year: an instant that is out of bounds would end the program.
    var bounded: Duration { max(.zero, min(self, .seconds(365 * 86_400))) }

    /// Milliseconds, to the microsecond.
    var milliseconds: Double {
        let (seconds, attoseconds) = components
        return Double(seconds) * 1000 + (Double(attoseconds) / 1e12).rounded() / 1000
    }
}

extension UInt8 {
    fileprivate var isDigit: Bool { (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(self) }
    fileprivate var isLowercaseLetter: Bool { (UInt8(ascii: "a")...UInt8(ascii: "z")).contains(self) }
    fileprivate var isLetter: Bool { isLowercaseLetter || (UInt8(ascii: "A")...UInt8(ascii: "Z")).contains(self) }
    fileprivate var isHexDigit: Bool {
        isDigit || (UInt8(ascii: "a")...UInt8(ascii: "f")).contains(self)
            || (UInt8(ascii: "A")...UInt8(ascii: "F")).contains(self)
    }
}
