import Authentication
import Configuration
import Testing

/// Names, passwords and tokens as they come in an Authorization header.
struct AuthenticatorTests {
    private static let authenticator = Authenticator(
        users: [
            .init(
                name: "alice", hash: "$2y$04$ArPs1M5kkQR1hQfdbdk8reHd5xN6RQcJMTbdaMTlecZ6jKqUPf/3S", scopes: [.record]),
            .init(name: "bob", hash: "$2y$06$6D8PcE64.FgUaJj3Ch.Sz.IGcOtPIMVQgyNI2kTS4e5P/7n/cQWvq", scopes: [.admin]),
        ],
        tokens: [
            .init(
                name: "t",
                digest: [
                    0xb4, 0x6c, 0x09, 0x67, 0x73, 0x43, 0x26, 0x1f, 0x0b, 0x43, 0x9a, 0x47, 0x24, 0x22, 0x22, 0x5e,
                    0x3a, 0x23, 0x0c, 0x9c, 0x09, 0x4d, 0x6a, 0xb1, 0x67, 0x62, 0xe2, 0x03, 0x6b, 0x59, 0x70, 0x53,
                ], scopes: [.scrape])
        ])

    private func found(_ header: String?) -> Set<WebConfiguration.Scope>? {
        switch Self.authenticator.look(at: header) {
        case .known(let identity): identity.scopes
        case .unknown: nil
        case .claimed(let claim): Self.authenticator.check(claim)?.scopes
        }
    }

    @Test(arguments: [
        // alice:secret, bob:hunter2
        ("Basic YWxpY2U6c2VjcmV0", WebConfiguration.Scope.record), ("basic   YWxpY2U6c2VjcmV0", .record),
        ("Basic Ym9iOmh1bnRlcjI=", .admin), ("Bearer t0ken", .scrape), ("BEARER t0ken", .scrape),
    ])
    func right(header: String, scope: WebConfiguration.Scope) {
        #expect(found(header) == [scope])
    }

    @Test(arguments: [
        nil, "", "Basic", "Basic ", "Bearer", "Bearer ", "Bearer t0ken2", "Bearer t0ke", "Digest YWxpY2U6c2VjcmV0",
        // alice:Secret, carol:secret, alice:, :secret, alice, ":"
        "Basic YWxpY2U6U2VjcmV0", "Basic Y2Fyb2w6c2VjcmV0", "Basic YWxpY2U6", "Basic OnNlY3JldA==", "Basic YWxpY2U=",
        "Basic Og==",
        // alice:secret with a zero, and with more behind it
        "Basic YWxpY2U6c2VjcmV0AA==", "Basic YWxpY2U6c2VjcmV0AHg=",
        // no Base64, and bytes that are not UTF-8
        "Basic !!!!", "Basic YWxpY2U6c2VjcmV0=", "Basic YWxpY2U6/w==",
    ])
    func wrong(header: String?) {
        #expect(found(header) == nil)
    }

    @Test func challengesNameTheWaysIn() {
        #expect(Self.authenticator.challenges.map { $0.prefix(6) } == ["Basic ", "Bearer"])
        #expect(Authenticator(users: [], tokens: []).challenges.isEmpty)
    }

    /// Whether a name exists must not show in the time: each check costs as much as the costliest hash.
    @Test func timeDoesNotTellWhetherAUserExists() {
        func duration(_ header: String) -> Duration {
            guard case .claimed(let claim) = Self.authenticator.look(at: header) else { return .zero }
            let clock = ContinuousClock()
            return (0..<15).map { _ in clock.measure { _ = Self.authenticator.check(claim) } }.min() ?? .zero
        }
        // alice's hash is of cost 4, bob's of 6: four times as long, were nothing made up.
        let alice = duration("Basic YWxpY2U6eA==")
        let bob = duration("Basic Ym9iOng=")
        let nobody = duration("Basic bm9ib2R5Ong=")
        for (left, right) in [(alice, bob), (alice, nobody), (bob, nobody)] {
            #expect(left < right * 1.5 && right < left * 1.5, "\(alice), \(bob), \(nobody)")
        }
    }
}
