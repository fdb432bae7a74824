internal import FoundationEssentials

/// The part of a problem (RFC 9457) that explains to a person what is wrong.
struct Problem: Decodable {
    let title: String?
    let detail: String?

    /// - Returns: `nil` if the body is no problem.
    init?(_ body: [UInt8]) {
        guard let problem = try? JSONDecoder().decode(Problem.self, from: Data(body)) else { return nil }
        self = problem
    }

    var text: String? { detail ?? title }
}
