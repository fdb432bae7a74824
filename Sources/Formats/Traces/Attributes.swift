/// The attributes that are read, by their names in the two generations of OpenTelemetry's conventions for generative AI
/// (semantic-conventions-genai) and in OpenInference's. Of several names the first that a span has counts.
enum AttributeNames {
    static let operation = "gen_ai.operation.name"
    static let kind = "openinference.span.kind"
    /// OpenLLMetry's, of workflows, tasks, agents and tools.
    static let holderKind = "traceloop.span.kind"
    static let agent = "gen_ai.agent.name"
    static let responseID = "gen_ai.response.id"
    static let errorType = "error.type"
    static let exceptionEvent = "exception"
    static let exceptionType = "exception.type"
    static let statusCode = "http.response.status_code"

    static let provider = ["gen_ai.provider.name", "gen_ai.system", "llm.system", "llm.provider"]
    static let model = ["gen_ai.request.model", "llm.model_name", "embedding.model_name", "gen_ai.response.model"]
    static let input = ["gen_ai.usage.input_tokens", "gen_ai.usage.prompt_tokens", "llm.token_count.prompt"]
    static let output = ["gen_ai.usage.output_tokens", "gen_ai.usage.completion_tokens", "llm.token_count.completion"]
    static let cacheRead = ["gen_ai.usage.cache_read.input_tokens", "llm.token_count.prompt_details.cache_read"]
    static let cacheWrite = [
        "gen_ai.usage.cache_creation.input_tokens", "gen_ai.usage.cache_write.input_tokens",
        "llm.token_count.prompt_details.cache_write",
    ]
    static let reasoning = [
        "gen_ai.usage.reasoning_tokens", "gen_ai.usage.reasoning.output_tokens",
        "gen_ai.usage.details.reasoning_tokens", "llm.token_count.completion_details.reasoning",
    ]
    static let cost = ["gen_ai.usage.cost", "operation.cost"]

    /// Of resources.
    static let agentName = "agent_name"
    static let serviceName = "service.name"
    static let instance = "service.instance.id"
    static let host = "host.name"
    static let process = "process.pid"

    static let ofSpans: Set<String> = Set(
        [provider, model, input, output, cacheRead, cacheWrite, reasoning, cost].joined()
            + [operation, kind, holderKind, agent, responseID, errorType, statusCode])
}
