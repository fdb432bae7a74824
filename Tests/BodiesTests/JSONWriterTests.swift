import Testing

@testable import Bodies

@Suite("JSON writer") struct JSONWriterTests {
    @Test("commas stand between values and keys, and nowhere else")
    func commas() {
        var json = JSONWriter()
        json.object { json in
            json.key("a")
            json.array { json in
                json.number(1)
                json.array { _ in }
                json.object { _ in }
                json.string("x")
            }
            json.key("b")
            json.object { json in
                json.key("c")
                json.number(Int128(27_660), scale: 8)
            }
        }
        #expect(String(decoding: json.bytes, as: UTF8.self) == #"{"a":[1,[],{},"x"],"b":{"c":0.0002766}}"#)
    }

    @Test("strings are escaped as RFC 8259 demands, and no more")
    func escapes() {
        var json = JSONWriter()
        json.string("\"\\\n\u{1F}\u{7F}é😀/")
        #expect(String(decoding: json.bytes, as: UTF8.self) == "\"\\\"\\\\\\u000a\\u001f\u{7F}é😀/\"")
    }
}
