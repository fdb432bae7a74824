import Testing

@testable import Service

@Suite("Listen addresses") struct ListenAddressTests {
    @Test(
        "a host and a port, a port alone, or a bracketed IPv6 address",
        arguments: [
            ("127.0.0.1:10140", ListenAddress(host: "127.0.0.1", port: 10140)),
            (":0", ListenAddress(host: nil, port: 0)),
            ("[::1]:65535", ListenAddress(host: "::1", port: 65535)),
            ("localhost:80", ListenAddress(host: "localhost", port: 80)),
            ("::1:80", nil), ("127.0.0.1", nil), ("127.0.0.1:", nil), ("127.0.0.1:65536", nil), ("[127.0.0.1]:1", nil),
            ("", nil), (":-1", nil),
        ])
    func parses(text: String, address: ListenAddress?) {
        #expect(ListenAddress(text) == address)
    }

    @Test(
        "loopback is told from what strangers can reach",
        arguments: [
            ("127.0.0.1:1", true), ("127.9.9.9:1", true), ("[::1]:1", true), ("localhost:1", true), (":1", false),
            ("0.0.0.0:1", false), ("[::]:1", false), ("10.0.0.1:1", false), ("127.example.org:1", false),
        ])
    func loopback(text: String, isLoopback: Bool) throws {
        #expect(try #require(ListenAddress(text)).isLoopback == isLoopback)
    }
}
