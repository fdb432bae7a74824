import Testing

@testable import llm_exporter

@Suite("Log lines") struct LogFormatTests {
    @Test("logfmt quotes a value only if it must")
    func logfmt() {
        let line = LogFormat.logfmt.line([
            ("level", "info"), ("msg", "Listening on"), ("empty", ""), ("equals", "a=b"), ("umlaut", "é😀"),
            ("path", #"C:\x"#), ("quote", "\""),
        ])
        #expect(
            line == #"level=info msg="Listening on" empty="" equals="a=b" umlaut=é😀 path="C:\\x" quote="\"""# + "\n")
    }

    @Test("JSON quotes every name and value")
    func json() {
        #expect(
            LogFormat.json.line([("level", "info"), ("na\"me", "é😀/")])
                == #"{"level":"info","na\"me":"é😀/"}"# + "\n")
    }

    @Test(
        "a value is one line, whatever it holds: control characters and DEL are escaped",
        arguments: [
            ("a\nb", #"a\nb"#), ("\r\n", #"\u000d\n"#), ("\0", #"\u0000"#), ("\u{1B}[31m", #"\u001b[31m"#),
            ("\u{7F}", #"\u007f"#), ("\t", #"\u0009"#), ("\u{1F}\u{20}", #"\u001f "#), (#"\n"#, #"\\n"#),
        ])
    func oneLine(value: String, escaped: String) {
        #expect(LogFormat.logfmt.line([("k", value)]) == "k=\"\(escaped)\"\n")
        #expect(LogFormat.json.line([("k", value)]) == "{\"k\":\"\(escaped)\"}\n")
    }
}
