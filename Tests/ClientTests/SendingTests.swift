import Dispatch
import Testing

@testable import Client

/// What all suites of `Sending` share.
enum Sent {
    /// Lines of records without ids.
    static func lines(_ numbers: Range<Int>) -> String {
        numbers.map { #"{"input_tokens":\#($0)}"# + "\n" }.joined()
    }

    static func sending(
        _ path: String, to url: String, linesPerRequest: Int = 10, connections: Int = 1,
        patience: Duration = .seconds(60)
    ) throws(SendingError) -> Sending {
        var settings = Sending.Settings(path: path, url: url)
        settings.linesPerRequest = linesPerRequest
        settings.connections = connections
        settings.patience = patience
        return try Sending(settings)
    }

    /// The error of sending the file, if any.
    static func failure(of path: String, to url: String) -> SendingError? {
        do throws(SendingError) {
            _ = try sending(path, to: url).run()
            return nil
        } catch {
            return error
        }
    }
}

@Suite("Sending a file") struct SendingTests {
    let folder: TemporaryFolder

    init() throws { folder = try TemporaryFolder() }

    @Test("records are posted in batches of the number asked for, in the order of the file, as NDJSON")
    func batches() throws {
        let path = try folder.write(Sent.lines(0..<25))
        let exporter = try CountingExporter()
        let progress = try Sent.sending(path, to: exporter.url).run()
        #expect(exporter.posts.map(\.lines.count) == [10, 10, 5])
        #expect(exporter.posts.flatMap(\.lines).joined(separator: "\n") + "\n" == Sent.lines(0..<25))
        #expect(exporter.requests.allSatisfy { $0.headers.contains("Content-Type: application/x-ndjson") })
        #expect(progress.records == 25 && progress.accepted == 25)
        #expect(progress.duplicates == 0 && progress.rejected == 0)
        #expect(progress.isComplete)
        #expect(progress.bytes == progress.totalBytes)
    }

    @Test("a request holds at most 4 MiB and one line, however many records it may hold")
    func largeLines() throws {
        let line = #"{"note":""# + String(repeating: "x", count: 1 << 20) + "\"}\n"
        let path = try folder.write(String(repeating: line, count: 10))
        let exporter = try CountingExporter()
        #expect(try Sent.sending(path, to: exporter.url, linesPerRequest: 1000).run().accepted == 10)
        #expect(exporter.posts.map(\.lines.count) == [4, 4, 2])
    }

    @Test("as many connections as asked for are used at a time, and every record counts once")
    func connections() throws {
        let path = try folder.write(Sent.lines(0..<2000))
        // The first requests of four connections are answered together.
        let fourArrived = DispatchSemaphore(value: 0)
        let exporter = try CountingExporter { number, _ in
            if number == 3 { for _ in 0..<3 { fourArrived.signal() } }
            if number < 3 { #expect(fourArrived.wait(timeout: .now() + 10) == .success) }
            return .count
        }
        let progress = try Sent.sending(path, to: exporter.url, connections: 4).run()
        #expect(progress.accepted == 2000 && exporter.counted.count == 2000)
        #expect(Set(exporter.posts.flatMap(\.lines)).count == 2000)
        #expect(exporter.connectionCount == 4)
        #expect(try folder.mark().position.lines == 2000)
    }

    @Test("records without an id get one from the key in FILE.sent and the line at which their request begins")
    func ids() throws {
        let path = try folder.write(Sent.lines(0..<15) + #"{"id":"own"}"# + "\n")
        let exporter = try CountingExporter()
        _ = try Sent.sending(path, to: exporter.url).run()
        let key = try folder.mark().key
        #expect(exporter.posts.map(\.key) == ["\(key)-1", "\(key)-11"])
        #expect(exporter.counted.contains("own") && exporter.counted.count == 16)
    }

    @Test("two files get two keys, so that equal lines of both count")
    func keysDiffer() throws {
        let exporter = try CountingExporter()
        for name in ["a", "b"] {
            let path = try folder.write(Sent.lines(0..<3), to: name)
            #expect(try Sent.sending(path, to: exporter.url).run().accepted == 3)
        }
        #expect(exporter.counted.count == 6)
    }

    @Test("FILE.sent holds the key before the first request")
    func markBeforeSending() throws {
        let path = try folder.write(Sent.lines(0..<3))
        _ = try Sent.sending(path, to: "http://127.0.0.1:1")
        let mark = try folder.mark()
        #expect(mark.position.offset == 0 && mark.url == "http://127.0.0.1:1" && mark.batch == 10)
    }

    @Test("no file beside the sent one holds a password, and only the owner may read FILE.sent")
    func noPasswordInFiles() throws {
        let path = try folder.write(Sent.lines(0..<25))
        let exporter = try CountingExporter()
        let sending = try Sent.sending(path, to: exporter.url.replacing("://", with: "://ada:s%65cret@"))
        // Also while it is sent.
        for run in [{ 0 }, { try sending.run().accepted }] {
            _ = try run()
            for name in try folder.names {
                #expect(try !folder.text(name).contains("cret"), "\(name)")
            }
            #expect(try folder.mode(of: "calls.ndjson.sent") == 0o600)
        }
        #expect(exporter.requests.allSatisfy { $0.headers.contains("Authorization: Basic YWRhOnNlY3JldA==") })
        #expect(try folder.names == ["calls.ndjson", "calls.ndjson.sent"])
    }

    @Test("a FILE.sent that cannot be written is named with the system's reason")
    func unwritableMark() throws {
        let path = try folder.write(Sent.lines(0..<3))
        try folder.makeFolder("calls.ndjson.sent.new")
        let error = try #require(Sent.failure(of: path, to: "http://127.0.0.1:1"))
        #expect(error.description.hasPrefix("\(path).sent: cannot be written: File exists; it keeps how much was sent"))
    }

    @Test("rejected lines are named by their line of the file; the others count")
    func rejections() throws {
        let path = try folder.write(Sent.lines(0..<3) + "\n  \r\nbad\n" + Sent.lines(3..<20) + "bad\n")
        let exporter = try CountingExporter()
        let progress = try Sent.sending(path, to: exporter.url).run()
        #expect(progress.accepted == 20 && progress.rejected == 2 && progress.records == 22)
        #expect(progress.rejections.map(\.line) == [6, 24])
        #expect(progress.rejections.map(\.message) == ["model is missing", "model is missing"])
        #expect(progress.isComplete)
    }

    @Test("ten rejections and each warning once are kept; all rejections are counted")
    func reportLimit() throws {
        let path = try folder.write(
            String(repeating: "bad\n", count: 25) + String(repeating: "{\"odd\":1}\n", count: 25))
        let exporter = try CountingExporter()
        let progress = try Sent.sending(path, to: exporter.url).run()
        #expect(progress.rejected == 25 && progress.rejections.map(\.line) == Array(1...10))
        #expect(progress.warnings == [#"unknown field "odd" ignored"#])
    }

    @Test("a body of which every record is rejected is answered with 422: each line is named")
    func allRejected() throws {
        let problem = #"{"status":422,"detail":"none","errors":[{"index":0,"message":"a"},{"index":1,"message":"b"}]}"#
        let server = try CountingExporter { _, _ in .refuse(422) }
        let path = try folder.write(Sent.lines(0..<2))
        // A 422 without the list of rejections is not an exporter's.
        #expect(
            Sent.failure(of: path, to: server.url)
                == .refused("\(server.url)/record does not answer as an exporter does; is this its address?"))
        let reply = try #require(RecordReply(Array(problem.utf8), status: 422, records: 2))
        #expect(reply.accepted == 0 && reply.rejections.map(\.message) == ["a", "b"])
    }

    @Test("a request that is too large is sent in halves; a single line that is too large is rejected")
    func tooLarge() throws {
        let exporter = try CountingExporter { _, post in
            post.lines.count > 3 || post.lines.contains { $0.contains("huge") }
                ? .refuse(413, detail: "longer than 4 KiB") : .count
        }
        let path = try folder.write(Sent.lines(0..<6) + "{\"huge\":1}\n" + Sent.lines(6..<9))
        let progress = try Sent.sending(path, to: exporter.url).run()
        #expect(progress.accepted == 9 && progress.rejected == 1 && exporter.counted.count == 9)
        #expect(progress.rejections.map(\.line) == [7])
        #expect(progress.rejections.map(\.message) == ["longer than 4 KiB"])
    }

    @Test("a last line that is not a whole object is left, and sent when it is")
    func unfinishedLine() throws {
        let path = try folder.write(Sent.lines(0..<2) + #"{"input_tokens""#)
        let exporter = try CountingExporter()
        let first = try Sent.sending(path, to: exporter.url).run()
        #expect(first.accepted == 2 && first.leavesUnfinishedLine && first.isComplete)
        // A whole object needs no line feed.
        try folder.append(":2}")
        let second = try Sent.sending(path, to: exporter.url).run()
        #expect(second.accepted == 1 && !second.leavesUnfinishedLine)
        try folder.append("\nbad\n")
        let third = try Sent.sending(path, to: exporter.url).run()
        #expect(third.accepted == 0 && third.rejections.map(\.line) == [4])
        #expect(exporter.counted.count == 3)
    }

    @Test("the last line of a pipe is sent as it is: no more of it comes")
    func unfinishedLineOfAPipe() throws {
        let lines = try LineFile(Pipe.input(holding: "{\"a\":1}\n{\"b"))
        let batch = try #require(try lines.next(lines: 10))
        #expect(batch.lines.map { String(decoding: $0.text, as: UTF8.self) } == ["{\"a\":1}\n", "{\"b\n"])
        #expect(!lines.leavesUnfinishedLine)
        #expect(try lines.next(lines: 10) == nil)
    }

    @Test("an empty file is complete, and nothing is posted")
    func emptyFile() throws {
        let exporter = try CountingExporter()
        let progress = try Sent.sending(try folder.write(" \n\n"), to: exporter.url).run()
        #expect(progress.isComplete && progress.records == 0 && exporter.posts.isEmpty)
    }

    @Test("a file that is being sent cannot be sent a second time meanwhile")
    func lock() throws {
        let path = try folder.write(Sent.lines(0..<3))
        let exporter = try CountingExporter()
        let first = try Sent.sending(path, to: exporter.url)
        #expect(
            Sent.failure(of: path, to: exporter.url)
                == .unreadable("\(path): another llm-exporter send is sending it; wait until that one ends"))
        #expect(try first.run().accepted == 3)
    }

    @Test("what is not there, a folder and a spoilt FILE.sent are named")
    func unreadable() throws {
        let url = "http://127.0.0.1:1"
        let missing = folder.path("none")
        #expect(Sent.failure(of: missing, to: url) == .unreadable("\(missing): No such file or directory"))
        #expect(Sent.failure(of: folder.path, to: url) == .unreadable("\(folder.path): Is a directory"))
        let path = try folder.write(Sent.lines(0..<3))
        try folder.write("{}", to: "calls.ndjson.sent")
        #expect(
            Sent.failure(of: path, to: url)
                == .unreadable("\(path).sent: does not say how much was sent; remove it to send all of the file as new")
        )
    }
}
