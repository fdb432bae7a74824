import ArgumentParser
import Testing

@testable import llm_exporter

@Suite("--url") struct ExporterURLTests {
    @Test("send and simulate take http and https addresses", arguments: ["http://h:1", "https://u:p@h/path"])
    func taken(url: String) throws {
        let send = try #require(try Root.parseAsRoot(["send", "f", "--url", url]) as? Send)
        #expect(send.url == url)
        let simulate = try #require(try Root.parseAsRoot(["simulate", "--url", url]) as? Simulate)
        #expect(simulate.url == url)
    }

    @Test(
        "both refuse anything else in the same words, without the text, which may hold a password",
        arguments: ["h:1", "ftp://u:secret@h", "", "HTTP//h", "u:secret@h"])
    func refused(url: String) throws {
        for arguments in [["send", "f"], ["simulate"]] {
            let error = try #require(throws: (any Error).self) { try Root.parseAsRoot(arguments + ["--url", url]) }
            #expect(
                Root.message(for: error)
                    == "--url: not an http:// or https:// address; write it as http://HOST:PORT")
        }
    }
}
