/// A call type of LiteLLM that is no call of a model: tools, files, batches, stores and other management.
///
/// From `CallTypes` and the logged functions of litellm 1.106.2 and 1.110.2. The call type of an asynchronous function
/// has an `a` before these names. A type that is not here counts as a call: what a later LiteLLM adds must not be lost.
package enum LiteLLMNonCall: String, NamedAttribute, Sendable {
    // Tools. Calls of a model that a tool makes are logged by themselves.
    case callMCPTool = "call_mcp_tool"
    case listMCPTools = "list_mcp_tools"
    case search
    case runCode = "run_code"
    case codeInterpreterTool = "code_interpreter_tool"
    case createSandbox = "create_sandbox"
    case deleteSandbox = "delete_sandbox"
    case applyGuardrail = "apply_guardrail"
    // Agents.
    case sendMessage = "send_message"
    case sendMessageStreaming = "send_message_streaming"
    case createAgent = "create_agent"
    case listAgents = "list_agents"
    case getAgent = "get_agent"
    case deleteAgent = "delete_agent"
    case listAgentVersions = "list_agent_versions"
    // Files.
    case createFile = "create_file"
    case fileRetrieve = "file_retrieve"
    case fileDelete = "file_delete"
    case fileList = "file_list"
    case fileContent = "file_content"
    case fileContentStreaming = "file_content_streaming"
    // Batches and fine-tuning jobs.
    case createBatch = "create_batch"
    case retrieveBatch = "retrieve_batch"
    case cancelBatch = "cancel_batch"
    case listBatches = "list_batches"
    case createFineTuningJob = "create_fine_tuning_job"
    case cancelFineTuningJob = "cancel_fine_tuning_job"
    case listFineTuningJobs = "list_fine_tuning_jobs"
    case retrieveFineTuningJob = "retrieve_fine_tuning_job"
    // Assistants and threads; a run of a thread is a call.
    case getAssistants = "get_assistants"
    case createAssistants = "create_assistants"
    case deleteAssistant = "delete_assistant"
    case createThread = "create_thread"
    case getThread = "get_thread"
    case addMessage = "add_message"
    /// The asynchronous `add_message`, spelled like no other.
    case asynchronousAddMessage = "a_add_message"
    case getMessages = "get_messages"
    // Vector stores. Embeddings and answers that `ingest` and `query` make are logged by themselves.
    case vectorStoreCreate = "vector_store_create"
    case vectorStoreRetrieve = "vector_store_retrieve"
    case vectorStoreList = "vector_store_list"
    case vectorStoreUpdate = "vector_store_update"
    case vectorStoreDelete = "vector_store_delete"
    case vectorStoreSearch = "vector_store_search"
    case vectorStoreFileCreate = "vector_store_file_create"
    case vectorStoreFileRetrieve = "vector_store_file_retrieve"
    case vectorStoreFileList = "vector_store_file_list"
    case vectorStoreFileContent = "vector_store_file_content"
    case vectorStoreFileUpdate = "vector_store_file_update"
    case vectorStoreFileDelete = "vector_store_file_delete"
    case ingest
    case query
    // Containers.
    case createContainer = "create_container"
    case listContainers = "list_containers"
    case retrieveContainer = "retrieve_container"
    case deleteContainer = "delete_container"
    case listContainerFiles = "list_container_files"
    case uploadContainerFile = "upload_container_file"
    case retrieveContainerFile = "retrieve_container_file"
    case retrieveContainerFileContent = "retrieve_container_file_content"
    case deleteContainerFile = "delete_container_file"
    // Videos and answers that exist already: each was counted when it was made.
    case videoRetrieve = "video_retrieve"
    case videoRetrieveJob = "video_retrieve_job"
    case videoStatus = "video_status"
    case videoContent = "video_content"
    case videoList = "video_list"
    case videoDelete = "video_delete"
    case videoCreateCharacter = "video_create_character"
    case videoGetCharacter = "video_get_character"
    case getResponses = "get_responses"
    case deleteResponses = "delete_responses"
    case cancelResponses = "cancel_responses"
    case listInputItems = "list_input_items"
    case getInteraction = "get_interaction"
    case deleteInteraction = "delete_interaction"
    case cancelInteraction = "cancel_interaction"
    // Functions of several modules. Their `create` makes answers in one of them, and counts.
    case get
    case list
    case update
    case delete
    case cancel
    case retrieve
    case retrieveContent = "retrieve_content"
    case listVersions = "list_versions"
    // Skills and evaluations.
    case createSkill = "create_skill"
    case listSkills = "list_skills"
    case getSkill = "get_skill"
    case deleteSkill = "delete_skill"
    case createEval = "create_eval"
    case listEvals = "list_evals"
    case getEval = "get_eval"
    case updateEval = "update_eval"
    case deleteEval = "delete_eval"
    case cancelEval = "cancel_eval"
    case createRun = "create_run"
    case listRuns = "list_runs"
    case getRun = "get_run"
    case cancelRun = "cancel_run"
    case deleteRun = "delete_run"
    // Sessions without an answer, and the proxy's own checks.
    case createRealtimeClientSecret = "create_realtime_client_secret"
    case createRealtimeTranscriptionSession = "create_realtime_transcription_session"
    case createRealtimeTranslationClientSecret = "create_realtime_translation_client_secret"
    case healthCheck = "health_check"

    private static let names = AttributeNames<LiteLLMNonCall>()
    private static let completion = Array("completion".utf8)

    /// - Returns: `nil` for a type that counts.
    init?(callType name: BorrowedBytes) {
        // Most items end so, and no type above does.
        if name.trimmed(prefix: max(0, name.count - Self.completion.count), suffix: 0).equals(Self.completion) {
            return nil
        }
        let isAsynchronous = name.first == UInt8(ascii: "a")
        guard let type = Self.names[name] ?? (isAsynchronous ? Self.names[name.trimmed(prefix: 1, suffix: 0)] : nil)
        else { return nil }
        self = type
    }
}
