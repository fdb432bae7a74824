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

    @Test("both refuse anything else in the same words", arguments: ["h:1", "ftp://h", "", "HTTP//h"])
    func refused(url: String) throws {
        for arguments in [["send", "f"], ["simulate"]] {
            let error = try #require(throws: (any Error).self) { try Root.parseAsRoot(arguments + ["--url", url]) }
            #expect(
                Root.message(for: error)
                    == "--url \(url): expected an address that begins with http:// or https://, "
                    + "such as http://127.0.0.1:10140")
        }
    }
}
