internal import Model

extension ServiceTier {
    /// The tier that senders mean by a name; `nil` for names that are not known.
    init?(sent name: String) {
        switch name {
        case "batch": self = .batch
        case "flex": self = .flex
        // "fast" is what some clients call it.
        case "priority", "fast": self = .priority
        case "default", "standard", "auto", "on_demand": self = .standard
        default: return nil
        }
    }

    /// The name of the tier that served a call, as a record has it; `nil` if nothing says it.
    ///
    /// - Parameters:
    ///   - names: from several places, the surest first. `auto` leaves the choice to the provider, and some senders
    ///     write other things there.
    ///   - isFast: whether Anthropic served the call in its fast mode, which it reports beside the tier.
    static func name(in names: [String?], isFast: Bool) -> String? {
        let known = names.lazy.compactMap { $0?.lowercased() }.first { $0 != "auto" && ServiceTier(sent: $0) != nil }
        return isFast && known.flatMap(ServiceTier.init(sent:)) ?? .standard == .standard ? "fast" : known
    }
}
