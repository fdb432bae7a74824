import Access
import Testing

@Suite("Credentials") struct CredentialsTests {
    @Test("basic and bearer are read, whatever the case of the scheme")
    func wellFormed() {
        #expect(Credentials(header: "Basic YWxpY2U6czpj") == .basic(user: "alice", password: "s:c"))
        #expect(Credentials(header: "bASIC  YWxpY2U6") == .basic(user: "alice", password: ""))
        #expect(Credentials(header: "Bearer abc.def") == .bearer(token: "abc.def"))
    }

    @Test(
        "a malformed header holds no credentials",
        arguments: [
            "", "Basic", "Basic ", "Basic !!!", "Basic YWxpY2U=", "Basic YWxpAGNlOmE=", "Basic /////w==",
            "Basic YWxpY2U6 czpj", "Basic YWxpY2U6czpj-", "Basic YWxpY2U6-czpj",
            "Digest YWxpY2U6czpj", "Bearer ", "Bearer abc\0", "Bearer abc\0def", "Bearer \0",
            "Bearer " + String(repeating: "a", count: 5000),
        ])
    func malformed(header: String) {
        #expect(Credentials(header: header) == nil)
    }
}

@Suite("Passwords and tokens") struct SecretTests {
    // htpasswd -nbBC 4 alice correct
    private static let hash = "$2y$04$wXsfWVSafaJxHZdibrTh7O7CT6BY05OCujmp40xbVDH9aU4Ble7z."

    @Test("only bcrypt of a bounded cost is a hash")
    func forms() {
        let body = String(repeating: "a", count: 53)
        #expect(PasswordHash("$2y$10$" + body)?.cost == 10)
        #expect(PasswordHash("$2a$04$" + body) != nil && PasswordHash("$2b$16$" + body) != nil)
        for prefix in ["$2y$17$", "$2y$03$", "$2x$10$", "$1$10$", "$2y$10$a", "plain"] {
            #expect(PasswordHash(prefix + body) == nil)
        }
    }

    @Test("a hash matches its password and no other")
    func matching() throws {
        let hash = try #require(PasswordHash(Self.hash))
        #expect(hash.matches("correct"))
        #expect(!hash.matches("wrong") && !hash.matches("") && !hash.matches("correct "))
    }

    @Test("a name that is no user's is checked against a hash of a user's cost, which nothing matches")
    func strangers() throws {
        let key = try #require(DigestKey())
        var rules = AccessRules()
        rules.users["alice"] = AccessRules.User(hash: try #require(PasswordHash(Self.hash)))
        let strange = rules.hash(for: "mallory", key: key)
        #expect(strange.cost == 4)
        #expect(!strange.matches("correct") && !strange.matches(""))
        #expect(rules.hash(for: "alice", key: key) == rules.users["alice"]?.hash)
    }

    @Test("a token is known by its digest")
    func tokens() throws {
        // printf %s secret | sha256sum
        let hex = "2bb80d537b1da3e38bd30361aa855686bde0eacd7162fef6a25fe97bf527a25b"
        var rules = AccessRules()
        rules.tokens = [.init(name: "ci", digest: try #require(CredentialDigest(hex: hex)), scopes: [.record])]
        #expect(rules.principal(bearing: "secret")?.scopes == [.record])
        #expect(rules.principal(bearing: "secret")?.name == "token ci")
        #expect(rules.principal(bearing: "secre") == nil && rules.principal(bearing: "") == nil)
        #expect(CredentialDigest(hex: hex.uppercased()) == CredentialDigest(hex: hex))
        #expect(CredentialDigest(hex: String(hex.dropLast())) == nil)
        #expect(CredentialDigest(hex: "g" + hex.dropFirst()) == nil)
    }

    @Test("a keyed digest depends on its key")
    func keyed() throws {
        let first = try #require(DigestKey()), second = try #require(DigestKey())
        #expect(first.digest(of: [1]) == first.digest(of: [1]))
        #expect(first.digest(of: [1]) != second.digest(of: [1]) && first.digest(of: [1]) != first.digest(of: [2]))
    }
}
