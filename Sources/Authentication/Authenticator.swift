private import CCredentials
package import Configuration

/// Tells who somebody is by his Authorization header: a password, kept as bcrypt hash, or a token, kept as SHA-256.
///
/// Neither the time that it takes nor what it answers tells whether a user exists. Immutable: other users need another.
package struct Authenticator: Sendable {
    private let users: [WebConfiguration.User]
    private let tokens: [WebConfiguration.Token]
    /// With `key`, what passwords that were seen are known by: they are kept nowhere.
    private let key: [UInt8]

    /// Somebody who was recognized.
    package struct Identity: Sendable, Equatable {
        package let scopes: Set<WebConfiguration.Scope>
    }

    /// A name and a password that nobody has compared yet.
    package struct Claim: Sendable {
        fileprivate let name: String
        fileprivate let password: String
        /// The same for the same name and password, and only then.
        package let digest: [UInt8]
    }

    package enum Finding: Sendable {
        case known(Identity)
        /// No credentials, or ones that nobody has.
        case unknown
        /// Only `check` can tell.
        case claimed(Claim)
    }

    package init(users: [WebConfiguration.User], tokens: [WebConfiguration.Token]) {
        self.users = users
        self.tokens = tokens
        var key = [UInt8](repeating: 0, count: Int(LLMCRED_DIGEST_BYTES))
        unsafe llmcred_random(&key)
        self.key = key
    }

    /// The ways in, for WWW-Authenticate (RFC 7617, section 2; RFC 6750, section 3).
    package var challenges: [String] {
        (users.isEmpty ? [] : [#"Basic realm="llm-exporter", charset="UTF-8""#])
            + (tokens.isEmpty ? [] : [#"Bearer realm="llm-exporter""#])
    }

    /// Looks at an Authorization header (RFC 9110, section 11.6.2), at once.
    package func look(at header: String?) -> Finding {
        guard let header, let space = header.utf8.firstIndex(of: UInt8(ascii: " ")) else { return .unknown }
        let scheme = header[..<space].lowercased()
        let value = header[space...].drop { $0 == " " }
        if scheme == "bearer", !tokens.isEmpty { return look(atToken: Array(value.utf8)) }
        if scheme == "basic", !users.isEmpty, let claim = claim(Array(value.utf8)) { return .claimed(claim) }
        return .unknown
    }

    private func look(atToken token: [UInt8]) -> Finding {
        var digest = [UInt8](repeating: 0, count: Int(LLMCRED_DIGEST_BYTES))
        unsafe llmcred_digest(token, token.count, &digest)
        var finding = Finding.unknown
        // All of them, so that time does not tell which is near.
        for candidate in tokens where unsafe llmcred_digests_equal(candidate.digest, digest) {
            finding = .known(Identity(scopes: candidate.scopes))
        }
        return finding
    }

    /// - Returns: `nil` where it cannot be a name and a password.
    private func claim(_ encoded: [UInt8]) -> Claim? {
        var decoded = [UInt8](repeating: 0, count: encoded.count)
        let count = unsafe llmcred_decode_base64(encoded, encoded.count, &decoded, decoded.count)
        guard count > 0 else { return nil }
        decoded.removeSubrange(count...)
        // crypt(3) would end the password at a zero.
        guard let colon = decoded.firstIndex(of: UInt8(ascii: ":")), !decoded.contains(0),
            let name = String(validating: decoded[..<colon], as: UTF8.self),
            let password = String(validating: decoded[(colon + 1)...], as: UTF8.self)
        else { return nil }
        var digest = [UInt8](repeating: 0, count: Int(LLMCRED_DIGEST_BYTES))
        unsafe llmcred_keyed_digest(key, decoded, decoded.count, &digest)
        return Claim(name: name, password: password, digest: digest)
    }

    /// Compares a password. Takes as long as the costliest hash asks for, whoever it is: tenths of a second.
    package func check(_ claim: Claim) -> Identity? {
        let greatest = users.map(\.cost).max() ?? 0
        let user = users.first { $0.name.utf8.elementsEqual(claim.name.utf8) }
        let isRight = user.map { unsafe llmcred_matches(claim.password, $0.hash) } ?? false
        // Rounds double with each step of the cost: one more hash of each cost from the user's on makes up the difference.
        // Where there is no user, of the greatest alone.
        for cost in (user?.cost ?? greatest)..<(user == nil ? greatest + 1 : greatest) {
            let digits = (cost < 10 ? "0" : "") + String(cost)
            _ = unsafe llmcred_matches(claim.password, "$2b$\(digits)$abcdefghijklmnopqrstuu" + Self.noPassword)
        }
        return isRight ? user.map { Identity(scopes: $0.scopes) } : nil
    }

    /// The hash part of no password.
    private static let noPassword = String(repeating: ".", count: 31)
}
