/// The additions of senders to the name of a model, in the order of removal. Each step goes on from the name that the
/// one before has left.
enum NameStep: CaseIterable {
    case path, profile, fineTuning, window

    /// The name without it; `nil` if the name has nothing of the kind.
    func shortened(_ name: Substring) -> Substring? {
        switch self {
        // models/NAME of Gemini's API, google/NAME and publishers/google/models/NAME of Vertex AI, invoke/ and
        // converse/ of LiteLLM.
        case .path:
            for prefix in ["models/", "google/", "invoke/", "converse/"] where name.hasPrefix(prefix) {
                return name.dropFirst(prefix.count)
            }
            let parts = name.split(separator: "/", omittingEmptySubsequences: false)
            guard parts.count >= 4, parts[parts.count - 4] == "publishers", parts[parts.count - 2] == "models" else {
                return nil
            }
            return parts[parts.count - 1]
        // arn:aws:bedrock:us-east-1:123456789012:inference-profile/NAME. The ARN of an application-inference-profile
        // does not name its model.
        case .profile:
            guard name.hasPrefix("arn:"), let slash = name.firstIndex(of: "/") else { return nil }
            let kind = name[..<slash].split(separator: ":").last
            return kind == "inference-profile" || kind == "foundation-model" ? name[name.index(after: slash)...] : nil
        // ft:BASE:organisation:suffix:id of OpenAI; prices name ft:BASE.
        case .fineTuning:
            guard name.hasPrefix("ft:"), let colon = name.dropFirst(3).firstIndex(of: ":") else { return nil }
            return name[..<colon]
        // NAME[1m] of Claude Code, for the long window.
        case .window: return name.hasSuffix("[1m]") || name.hasSuffix("[1M]") ? name.dropLast(4) : nil
        }
    }

    /// For people.
    var title: String {
        switch self {
        case .path: "without its path"
        case .profile: "by the model that the inference profile names"
        case .fineTuning: "as a fine-tuned model of its base"
        case .window: "without [1m]"
        }
    }
}
