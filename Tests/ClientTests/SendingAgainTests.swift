import Testing

@testable import Client

@Suite("Sending a file again") struct SendingAgainTests {
    let folder: TemporaryFolder

    init() throws { folder = try TemporaryFolder() }

    @Test("a file that has grown is sent from where the last run ended")
    func grown() throws {
        let path = try folder.write(Sent.lines(0..<25))
        let exporter = try CountingExporter()
        #expect(try Sent.sending(path, to: exporter.url).run().accepted == 25)
        try folder.append(Sent.lines(25..<28))
        let progress = try Sent.sending(path, to: exporter.url).run()
        #expect(progress.accepted == 3 && progress.skippedLines == 25)
        #expect(exporter.posts.last?.lines.count == 3)
        #expect(exporter.posts.last?.key == "\(try folder.mark().key)-26")
        #expect(progress.bytes == progress.totalBytes)
    }

    @Test("a run that was interrupted is continued: what was acknowledged is not sent again")
    func continued() throws {
        let path = try folder.write(Sent.lines(0..<35))
        // The third request is refused for good, which ends the run.
        let exporter = try CountingExporter { number, _ in number == 2 ? .refuse(401) : .count }
        #expect(Sent.failure(of: path, to: exporter.url) != nil)
        #expect(try folder.mark().position.lines == 20)
        let progress = try Sent.sending(path, to: exporter.url).run()
        #expect(progress.skippedLines == 20 && progress.accepted == 15)
        #expect(exporter.counted.count == 35 && exporter.posts.count == 5)
    }

    @Test("records that were counted and not acknowledged are duplicates, whatever batch the second run asks for")
    func batchStays() throws {
        let path = try folder.write(Sent.lines(0..<35))
        // Twice: libcurl itself tries a request again if a connection that stayed open closes without an answer.
        let exporter = try CountingExporter { number, _ in [1, 2].contains(number) ? .countAndHangUp : .count }
        do {
            let first = try Sent.sending(path, to: exporter.url, patience: .zero)
            #expect(throws: SendingError.self) { try first.run() }
        }
        let second = try Sent.sending(path, to: exporter.url, linesPerRequest: 7).run()
        #expect(second.accepted == 15 && second.duplicates == 10)
        #expect(exporter.counted.count == 35)
        #expect(exporter.posts.suffix(3).map(\.lines.count) == [10, 10, 5])
    }

    @Test("batches that are acknowledged out of order move the mark only past those without a gap before them")
    func outOfOrder() throws {
        var state = SendingState(
            sent: SentMark(
                key: "k", address: try HTTPAddress("http://h"), batch: 1, inode: 1, position: FilePosition(digest: 0)))
        func batch(_ number: Int) -> Batch {
            let end = FilePosition(offset: (number + 1) * 100, lines: number + 1, digest: UInt64(number))
            return Batch(lines: [], end: end, number: number)
        }
        for (number, lines) in [(2, 0), (0, 1), (1, 3), (3, 4)] {
            state.acknowledge(batch(number))
            #expect(state.sent.position.lines == lines)
            #expect(state.progress.bytes == lines * 100)
        }
    }

    @Test("a file that no longer begins with what was sent is refused", arguments: [0, 1, 2])
    func changed(edit: Int) throws {
        let path = try folder.write(Sent.lines(0..<25))
        let exporter = try CountingExporter()
        #expect(try Sent.sending(path, to: exporter.url).run().accepted == 25)
        let edits = [Sent.lines(1..<30), Sent.lines(0..<20), ""]
        try folder.write(edits[edit])
        let error = try #require(Sent.failure(of: path, to: exporter.url))
        #expect(error.description.hasPrefix("\(path): does not begin with the 25 lines that were sent"))
        #expect(error.description.hasSuffix("remove \(path).sent to send all of it as new"))
        #expect(exporter.posts.count == 3)
        try folder.remove("calls.ndjson.sent")
        try folder.write(Sent.lines(1..<30))
        #expect(try Sent.sending(path, to: exporter.url).run().accepted == 29)
    }

    @Test("a file that was rotated continues under its new name")
    func rotated() throws {
        let path = try folder.write(Sent.lines(0..<25))
        let exporter = try CountingExporter()
        #expect(try Sent.sending(path, to: exporter.url).run().accepted == 25)
        try folder.rename("calls.ndjson", to: "calls.ndjson.1")
        try folder.append(Sent.lines(25..<28), to: "calls.ndjson.1")
        try folder.write(Sent.lines(100..<104))
        // The mark is still that of the rotated file.
        let early = try #require(Sent.failure(of: path, to: exporter.url))
        #expect(early.description.contains("if it was renamed, send it by its new name first"))

        let progress = try Sent.sending(folder.path("calls.ndjson.1"), to: exporter.url).run()
        #expect(progress.skippedLines == 25 && progress.accepted == 3)
        #expect(!folder.exists("calls.ndjson.sent") && folder.exists("calls.ndjson.1.sent"))
        let new = try Sent.sending(path, to: exporter.url).run()
        #expect(new.skippedLines == 0 && new.accepted == 4)
        #expect(exporter.counted.count == 32)
    }

    @Test("the mark of another file with the same inode, as of a file that is gone, is not taken over")
    func inodeReused() throws {
        let path = try folder.write(Sent.lines(0..<25))
        let exporter = try CountingExporter()
        #expect(try Sent.sending(path, to: exporter.url).run().accepted == 25)
        try folder.rename("calls.ndjson.sent", to: "gone.ndjson.sent")
        // Overwritten in place: the inode stays, the content is another.
        try folder.write(Sent.lines(50..<80))
        let progress = try Sent.sending(path, to: exporter.url).run()
        #expect(progress.skippedLines == 0 && progress.accepted == 30)
        #expect(folder.exists("gone.ndjson.sent"))
    }

    @Test("a file that was sent to another address is refused, once anything was acknowledged there")
    func otherAddress() throws {
        let path = try folder.write(Sent.lines(0..<25))
        let closed = "http://127.0.0.1:1"
        guard case .unreachable = try #require(Sent.failure(of: path, to: closed)) else {
            Issue.record("something answers at port 1")
            return
        }
        // Nothing was acknowledged: another address may be meant.
        let key = try folder.mark().key
        let exporter = try CountingExporter()
        #expect(try Sent.sending(path, to: exporter.url).run().accepted == 25)
        #expect(try folder.mark().key != key)
        #expect(
            Sent.failure(of: path, to: closed)
                == .unreadable(
                    "\(path): was sent to \(exporter.url), as \(path).sent says; "
                        + "to send all of it to \(closed), too, remove \(path).sent"))
    }

    @Test("another user or password, or a slash at the end, makes no other address")
    func sameAddress() throws {
        let path = try folder.write(Sent.lines(0..<5))
        let exporter = try CountingExporter()
        let host = exporter.url.dropFirst("http://".count)
        #expect(try Sent.sending(path, to: "http://ada:old@\(host)").run().accepted == 5)
        try folder.append(Sent.lines(5..<8))
        #expect(try Sent.sending(path, to: "http://eve:new@\(host)/").run().accepted == 3)
        #expect(try folder.mark().url == exporter.url)
    }

    @Test("a FILE.sent that an older version wrote loses its password and is closed to others, and the run goes on")
    func olderMark() throws {
        let path = try folder.write(Sent.lines(0..<5))
        let exporter = try CountingExporter()
        #expect(try Sent.sending(path, to: exporter.url).run().accepted == 5)
        let key = try folder.mark().key
        let older = try folder.text("calls.ndjson.sent").replacing("127.0.0.1", with: "ada:s%65cret@127.0.0.1")
        #expect(older.contains("cret"))
        for url in [exporter.url, "http://127.0.0.1:1"] {
            try folder.write(older, to: "calls.ndjson.sent")
            try folder.setMode(0o644, of: "calls.ndjson.sent")
            // A run that was killed left this behind.
            try folder.write(older, to: "calls.ndjson.sent.new")
            let failure = Sent.failure(of: path, to: url)
            #expect((failure == nil) == (url == exporter.url))
            #expect(failure?.description.contains("cret") != true)
            #expect(try !folder.text("calls.ndjson.sent").contains("cret"))
            #expect(try folder.mark().key == key && folder.mark().position.lines == 5)
            #expect(try folder.mode(of: "calls.ndjson.sent") == 0o600)
            #expect(!folder.exists("calls.ndjson.sent.new"))
        }
        #expect(exporter.counted.count == 5)
    }
}
