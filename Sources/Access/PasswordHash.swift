private import CAccess

/// A bcrypt hash in the form of crypt(5): `$2y$10$`, 22 characters of salt, 31 of hash.
package struct PasswordHash: Sendable, Equatable {
    private let text: String
    /// The binary logarithm of the number of rounds: each step doubles the time.
    package let cost: Int

    /// The cost of `htpasswd -C 10`, which is also the toolkit's.
    package static let usualCost = 10
    /// The accepted costs. The highest takes some seconds, during which no other new password is checked.
    package static let costs = 4...16

    /// - Returns: `nil` for another form, or a cost outside `costs`.
    package init?(_ text: String) {
        let bytes = Array(text.utf8)
        guard bytes.count == 60, ["$2a$", "$2b$", "$2y$"].contains(where: text.hasPrefix),
            bytes[6] == UInt8(ascii: "$"), let cost = Int(text.dropFirst(4).prefix(2)), Self.costs.contains(cost),
            bytes[7...].allSatisfy(Self.isLetter)
        else { return nil }
        self.text = text
        self.cost = cost
    }

    init(matchingNothingAt cost: Int) {
        self.cost = cost
        // A salt that bcrypt accepts, without a hash behind it: no password matches.
        text = "$2b$" + (cost < 10 ? "0" : "") + String(cost) + "$" + "QOauhQNbBCuQDKes6eFzPe"
    }

    /// Takes the time that the cost sets, whatever the outcome.
    package func matches(_ password: String) -> Bool {
        // Safe: both texts are lent for the call.
        unsafe caccess_bcrypt_matches(password, text)
    }

    private static func isLetter(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
            UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "."), UInt8(ascii: "/"):
            true
        default: false
        }
    }
}
