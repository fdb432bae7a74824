import Testing

@testable import Client

@Suite("HTTP address") struct HTTPAddressTests {
    @Test(
        "user and password are apart from the rest, decoded",
        arguments: [
            ("http://h:1", "http://h:1", nil, nil), ("HTTPS://h.example/a//", "https://h.example/a", nil, nil),
            ("http://u:p@h", "http://h", "u", "p"), ("http://u@h:1/", "http://h:1", "u", ""),
            ("http://u:p@[::1]:10140/a", "http://[::1]:10140/a", "u", "p"),
            ("http://[fe80::1%25eth0]:1", "http://[fe80::1%25eth0]:1", nil, nil), ("http://@h", "http://h", nil, nil),
            ("http://u%3A1:a%40b%2Fc:d@h", "http://h", "u:1", "a@b/c:d"), ("http://u:p@q@h", "http://h", "u", "p@q"),
            ("http://:p@h", "http://h", "", "p"), ("http://bücher.example", "http://bücher.example", nil, nil),
            ("http://u:p@\u{301}h", "http://\u{301}h", "u", "p"),
        ] as [(String, String, String?, String?)])
    func parts(url: String, text: String, name: String?, password: String?) throws {
        let address = try HTTPAddress(url)
        #expect(address.text == text)
        #expect(address.user?.name == name && address.user?.password == password)
    }

    @Test(
        "what is no address is refused, and no part of it is shown",
        arguments: [
            ("", "not an http"), ("127.0.0.1:10140", "not an http"), ("ada:secret@host:1", "not an http"),
            ("ftp://ada:secret@host", "not an http"), ("http//ada:secret@host", "not an http"),
            ("http://", "names no host"), ("http:///secret", "names no host"), ("http://ada:secret@", "names no host"),
            ("http://ada:secret@:1", "names no host"), ("http://ada:secret", "port is not a number"),
            ("http://ada:secret/@host", "port is not a number"), ("http://ada:1/secret@host", "an @ in its path"),
            ("http://secret%40host", "neither a name"), ("http://ada:secret%40host:1", "port is not a number"),
            ("http://[::1", "neither a name"), ("http://[secret]x:1", "port is not a number"),
            ("http://[::1]secret", "port is not a number"), ("http://host:1234567", "port is not a number"),
            ("http://ada:se?cret@host", "port is not a number"), ("http://ada:se#cret@host", "port is not a number"),
            ("http://host/?token=secret", "query"), ("http://host#secret", "query"),
            ("http://ada:secret @host", "space"), ("http://ada:secret@host\r\nX: y", "control character"),
            ("http://ada:secret%zz@host", "a % in its user"), ("http://ada:secret%0A@host", "a % in its user"),
            ("http://ada:secret%00@host", "a % in its user"), ("http://ada:secret%2@host", "a % in its user"),
            ("http://ada:secret%+1@host", "a % in its user"),
        ])
    func refused(url: String, reason: String) throws {
        let error = try #require(throws: HTTPClientError.self) { try HTTPAddress(url) }
        #expect(error.description.contains(reason), "\(error)")
        for part in ["secret", "cret", "ada"] { #expect(!error.description.contains(part), "\(error)") }
    }

    @Test(
        "a message that quotes an address, or something that was meant to be one, loses its user and password",
        arguments: [
            ("Unexpected argument 'http://ada:s@cret@h:1/x'", "Unexpected argument 'http://…@h:1/x'"),
            ("Unexpected argument 'http://ada:se cret@h'", "Unexpected argument 'http://…@h'"),
            ("Unexpected argument 'http://ada:it's@h'", "Unexpected argument 'http://…@h'"),
            ("Unexpected argument 'ada:secret@h'", "Unexpected argument '…@h'"),
            ("Unknown option '--ulr=ada:secret@h'", "Unknown option '…@h'"),
            ("ada:secret@h: no such command", "…@h: no such command"),
            ("Unknown option '--ulr'", "Unknown option '--ulr'"),
        ])
    func messages(message: String, shown: String) {
        #expect(HTTPAddress.withoutUsers(message) == shown)
    }
}
