private import CSimdjson

/// Sees whether a text is a JSON object with each key once, and tells the line where it is not: JSONDecoder does neither.
enum JSONCheck {
    /// - Throws: with the line.
    static func check(_ text: [UInt8]) throws(PriceFault) {
        let padded = text + [UInt8](repeating: 0, count: Int(CSIMDJSON_PADDING))
        // Safe: the parser and what it shows are used within the closure alone, and the text is padded as it asks.
        let fault = unsafe padded.withUnsafeBufferPointer { bytes -> PriceFault? in
            let parser = unsafe csimdjson_parser_create("")
            defer { unsafe csimdjson_parser_destroy(parser) }
            var type = csimdjson_type_absent
            var object = unsafe csimdjson_object()
            var status = unsafe csimdjson_open(parser, bytes.baseAddress, text.count, &type)
            if status == csimdjson_status_found {
                guard type == csimdjson_type_object else {
                    return PriceFault("must be a JSON object of prices by model, as in LiteLLM's table")
                }
                status = unsafe csimdjson_read_object(parser, &object)
            }
            guard status == csimdjson_status_found else {
                let line = text.prefix(unsafe csimdjson_offset(parser)).count { $0 == UInt8(ascii: "\n") } + 1
                // Of the last token that was understood.
                return PriceFault("not JSON: look at line \(line) and what follows")
            }
            var keys: Set<String> = []
            for index in 0..<(unsafe object.unknown_count) {
                let key = unsafe object.unknown_keys[index]
                let name = unsafe String(
                    decoding: UnsafeBufferPointer(start: key.start, count: key.length), as: UTF8.self)
                guard keys.insert(name).inserted else { return PriceFault("\"\(name)\" stands in it twice") }
            }
            return nil
        }
        if let fault { throw fault }
    }
}
