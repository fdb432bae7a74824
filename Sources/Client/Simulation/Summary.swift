internal import FoundationEssentials

/// The exporter's answer to `GET /summary` (docs/openapi.yaml).
struct Summary: Decodable, Equatable, Sendable {
    var total = Tally()
    var successCalls: Decimal = 0
    var agents: [String: Tally] = [:]
    var models: [String: Tally] = [:]

    /// Decodes the JSON; numbers are read exactly.
    static func decoding(_ json: [UInt8]) throws(SimulationError) -> Summary {
        do {
            return try JSONDecoder().decode(Summary.self, from: Data(json))
        } catch {
            throw .unreadable(request: "GET /summary", reason: "not the JSON of a summary")
        }
    }

    init() {}

    private enum CodingKeys: String, CodingKey {
        case calls = "total_calls"
        case successCalls = "success_calls"
        case errors = "error_calls"
        case tokens = "total_tokens"
        case cost = "total_cost_usd"
        case agents, models
    }

    init(from decoder: any Decoder) throws {
        let object = try decoder.container(keyedBy: CodingKeys.self)
        total = Tally(
            calls: try object.decode(Decimal.self, forKey: .calls),
            errors: try object.decode(Decimal.self, forKey: .errors),
            tokens: try object.decode(Decimal.self, forKey: .tokens),
            costUSD: try object.decode(Decimal.self, forKey: .cost))
        successCalls = try object.decode(Decimal.self, forKey: .successCalls)
        agents = try object.decode([String: Entry].self, forKey: .agents).mapValues(\.tally)
        models = try object.decode([String: Entry].self, forKey: .models).mapValues(\.tally)
    }

    /// One agent's or model's part.
    private struct Entry: Decodable {
        let tally: Tally

        enum CodingKeys: String, CodingKey {
            case calls, errors, tokens
            case cost = "cost_usd"
        }

        init(from decoder: any Decoder) throws {
            let object = try decoder.container(keyedBy: CodingKeys.self)
            tally = Tally(
                calls: try object.decode(Decimal.self, forKey: .calls),
                errors: try object.decode(Decimal.self, forKey: .errors),
                tokens: try object.decode(Decimal.self, forKey: .tokens),
                costUSD: try object.decode(Decimal.self, forKey: .cost))
        }
    }
}
