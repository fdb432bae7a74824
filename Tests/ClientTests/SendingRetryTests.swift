import Dispatch
import FoundationEssentials
import Glibc
import LoopbackServer
import Testing

@testable import Client

@Suite("Sending to an exporter that does not take everything") struct SendingRetryTests {
    let folder: TemporaryFolder

    init() throws { folder = try TemporaryFolder() }

    @Test("a refusal for now is asked again, with the same key", arguments: [408, 429, 500, 502, 503, 504, 507])
    func refusedForNow(status: Int) throws {
        let path = try folder.write(Sent.lines(0..<12))
        let exporter = try CountingExporter { number, _ in number == 1 ? .refuse(status) : .count }
        let progress = try Sent.sending(path, to: exporter.url).run()
        #expect(progress.accepted == 12 && progress.duplicates == 0 && progress.obstacle == nil)
        #expect(exporter.posts.map(\.lines.count) == [10, 2, 2])
        #expect(exporter.posts[1].key == exporter.posts[2].key)
    }

    @Test("a first request that is refused for now is asked again: an exporter is there")
    func refusedAtFirst() throws {
        let path = try folder.write(Sent.lines(0..<5))
        let exporter = try CountingExporter { number, _ in number == 0 ? .refuse(503) : .count }
        #expect(try Sent.sending(path, to: exporter.url).run().accepted == 5)
    }

    @Test("a refusal for good ends the run, with the reason of the exporter", arguments: [400, 401, 403, 404, 415])
    func refusedForGood(status: Int) throws {
        let path = try folder.write(Sent.lines(0..<12))
        let exporter = try CountingExporter { _, _ in .refuse(status, detail: "because") }
        #expect(
            Sent.failure(of: path, to: exporter.url)
                == .refused("\(exporter.url)/record answers \(status): because"))
        #expect(exporter.posts.count == 1)
    }

    @Test("Retry-After is waited for", arguments: [429, 503])
    func retryAfter(status: Int) throws {
        let path = try folder.write(Sent.lines(0..<5))
        let exporter = try CountingExporter { number, _ in number == 0 ? .refuse(status, retryAfter: 1) : .count }
        let sending = try Sent.sending(path, to: exporter.url)
        let waited = try ContinuousClock().measure { _ = try sending.run() }
        #expect(waited >= .milliseconds(950) && waited < .seconds(10))
        #expect(exporter.posts.count == 2)
    }

    @Test("no answer is waited for longer than ten seconds, whatever it asks for")
    func longestWait() throws {
        let exporter = try CountingExporter { _, _ in .refuse(503, detail: "later", retryAfter: 3600) }
        var client = try HTTPClient(baseURL: exporter.url)
        let post = RecordPost(lines: [Batch.Line(number: 1, text: [0x0A])], key: "k")
        guard case .postponed(let obstacle, let wait) = post.send(over: &client) else {
            Issue.record("not postponed")
            return
        }
        #expect(obstacle == "\(exporter.url)/record answers 503: later" && wait == .seconds(10))
    }

    @Test("a connection that closes without an answer is tried again with the same ids, so nothing counts twice")
    func hangsUp() throws {
        let path = try folder.write(Sent.lines(0..<25))
        // Each twice: libcurl itself tries a request again if a connection that stayed open closes without an answer.
        let exporter = try CountingExporter { number, _ in
            switch number {
            case 1, 2: .countAndHangUp
            case 4, 5: .hangUp
            default: .count
            }
        }
        let progress = try Sent.sending(path, to: exporter.url).run()
        #expect(progress.accepted + progress.duplicates == 25 && progress.duplicates == 10)
        #expect(exporter.counted.count == 25)
        #expect(exporter.posts.count == 7 && Set(exporter.posts.map(\.key)).count == 3)
    }

    @Test("an address that never answered is given up at once; one that did, after the patience")
    func patience() throws {
        let path = try folder.write(Sent.lines(0..<25))
        let silent = try CountingExporter { _, _ in .hangUp }
        guard case .unreachable = try #require(Sent.failure(of: path, to: silent.url)) else {
            Issue.record("not unreachable")
            return
        }
        #expect(silent.posts.count == 1)

        let exporter = try CountingExporter { number, _ in number == 0 ? .count : .refuse(503, detail: "full") }
        let sending = try Sent.sending(path, to: exporter.url, patience: .milliseconds(300))
        let error = try #require(throws: SendingError.self) { try sending.run() }
        #expect(
            error
                == .unreachable(
                    "\(exporter.url)/record answers 503: full (for 0 s; the same command continues from there)"))
        #expect(exporter.posts.count > 2)
        #expect(try folder.mark().position.lines == 10)
    }

    @Test(
        "an answer of 200 that does not count the records is not an exporter's",
        arguments: [
            "", "[]", #"{"status":"ok"}"#, #"{"accepted":4,"duplicates":0,"rejected":0,"errors":[]}"#,
            #"{"accepted":6,"duplicates":-1,"rejected":0,"errors":[]}"#,
            #"{"accepted":9223372036854775807,"duplicates":9223372036854775807,"rejected":7,"errors":[]}"#,
        ])
    func noExporter(answer: String) throws {
        let path = try folder.write(Sent.lines(0..<5))
        let exporter = try CountingExporter { _, _ in .say(answer) }
        #expect(
            Sent.failure(of: path, to: exporter.url)
                == .refused("\(exporter.url)/record does not answer as an exporter does; is this its address?"))
        #expect(try folder.mark().position.offset == 0)
    }

    @Test("stop ends the run after the request in flight, and the next run continues")
    func stop() throws {
        let path = try folder.write(Sent.lines(0..<1000))
        let arrived = DispatchSemaphore(value: 0)
        let answer = DispatchSemaphore(value: 0)
        let exporter = try CountingExporter { number, _ in
            if number == 1 {
                arrived.signal()
                answer.wait()
            }
            return .count
        }
        do {
            let sending = try Sent.sending(path, to: exporter.url)
            // Weak, so that the file is unlocked when `sending` goes out of scope.
            DispatchQueue.global().async { [weak sending] in
                arrived.wait()
                sending?.stop()
                answer.signal()
            }
            let progress = try sending.run()
            #expect(!progress.isComplete && progress.accepted == 20)
        }
        #expect(exporter.posts.count == 2)
        let progress = try Sent.sending(path, to: exporter.url).run()
        #expect(progress.isComplete && progress.skippedLines == 20 && progress.accepted == 980)
        #expect(exporter.counted.count == 1000)
    }

    @Test("stop ends a wait at once")
    func stopWhileWaiting() throws {
        let path = try folder.write(Sent.lines(0..<5))
        let exporter = try CountingExporter { _, _ in .refuse(503, detail: "full", retryAfter: 3600) }
        let sending = try Sent.sending(path, to: exporter.url)
        DispatchQueue.global().async {
            while sending.progress.obstacle == nil { usleep(1000) }
            sending.stop()
        }
        var isComplete = true
        let waited = try ContinuousClock().measure { isComplete = try sending.run().isComplete }
        #expect(!isComplete && waited < .seconds(5))
        #expect(sending.progress.obstacle == "\(exporter.url)/record answers 503: full")
    }
}

@Suite("Sending standard input") struct StandardInputTests {
    @Test("standard input is sent by one run, under a key of its own, and leaves no mark")
    func standardInput() async {
        // In a process of its own, whose standard input the test may replace.
        await #expect(processExitsWith: .success) {
            let exporter = try CountingExporter()
            try Pipe.replaceStandardInput(by: Sent.lines(0..<24) + #"{"input_tokens":24}"#)
            let progress = try Sent.sending("-", to: exporter.url).run()
            #expect(progress.accepted == 25 && progress.isComplete && progress.totalBytes == nil)
            #expect(exporter.posts.map(\.lines.count) == [10, 10, 5])
            #expect(!FileManager.default.fileExists(atPath: "-.sent"))
        }
    }
}
