"""Answers made of the real classes of the packages that are installed, without any request."""

from __future__ import annotations

import json
import os
from typing import Any

import pytest

from llm_exporter.usage import StreamUsage, Usage, read_answers, read_usage
from peers import installed, is_installed

pytestmark = pytest.mark.clients
os.environ.setdefault("LITELLM_LOCAL_MODEL_COST_MAP", "True")  # its prices, which it would fetch


def streamed(chunks: list[Any]) -> list[Any]:
    stream = StreamUsage()
    for chunk in chunks:
        stream.add(chunk)
    return [reading.usage for reading in stream.readings()]


CHAT = {
    "prompt_tokens": 1200,
    "completion_tokens": 34,
    "total_tokens": 1234,
    "prompt_tokens_details": {"cached_tokens": 1024, "audio_tokens": 5},
    "completion_tokens_details": {"reasoning_tokens": 10, "audio_tokens": 3},
}
CHAT_READ = Usage(1200, 34, None, 1024, None, 10, input_audio_tokens=5, output_audio_tokens=3)


def completion(**more: Any) -> dict[str, Any]:
    message = {"role": "assistant", "content": "Hello"}
    choice = {"index": 0, "finish_reason": "stop", "message": message, "logprobs": None}
    return {"id": "c1", "object": "chat.completion", "created": 1, "model": "gpt", "choices": [choice], **more}


def chunk(delta: dict[str, Any], finish_reason: Any = None, **more: Any) -> dict[str, Any]:
    choice = {"index": 0, "delta": delta, "finish_reason": finish_reason}
    return {"id": "c1", "object": "chat.completion.chunk", "created": 1, "model": "gpt", "choices": [choice], **more}


def test_openai() -> None:
    chat, responses = installed("openai.types.chat"), installed("openai.types.responses")
    (reading,) = read_answers(chat.ChatCompletion.model_validate(completion(usage=CHAT, service_tier="flex")))
    assert reading[:4] == ("c1", CHAT_READ, "gpt", "flex")
    chunks = [chunk({"role": "assistant", "content": ""}), chunk({"content": "a"}), chunk({}, "stop")]
    chunks.append({**chunk({}), "choices": [], "usage": CHAT})
    assert streamed([chat.ChatCompletionChunk.model_validate(chunk) for chunk in chunks]) == [CHAT_READ]
    response = responses.Response.model_validate(
        {
            "id": "r1",
            "object": "response",
            "created_at": 1.0,
            "model": "gpt",
            "status": "completed",
            "output": [
                {
                    "type": "web_search_call",
                    "id": "w",
                    "status": "completed",
                    "action": {"type": "search", "query": "q"},
                }
            ],
            "parallel_tool_calls": False,
            "tool_choice": "auto",
            "tools": [{"type": "web_search", "search_context_size": "low"}],
            "usage": {
                "input_tokens": 1200,
                "output_tokens": 34,
                "total_tokens": 1234,
                "input_tokens_details": {"cached_tokens": 1024, "cache_write_tokens": 0},
                "output_tokens_details": {"reasoning_tokens": 10},
            },
        }
    )
    (reading,) = read_answers(response)
    assert reading.usage == Usage(1200, 34, None, 1024, 0, 10, web_search_requests=1)
    assert reading.search_context_size == "low"


def test_raw_responses_of_openai() -> None:
    openai = installed("openai")
    transport = _transport(openai, completion(usage=CHAT))
    client = openai.OpenAI(api_key="k", base_url="http://127.0.0.1:9/v1", http_client=transport, max_retries=0)
    messages = [{"role": "user", "content": "hi"}]
    response = client.chat.completions.with_raw_response.create(model="gpt", messages=messages)
    assert read_usage(response) == CHAT_READ
    assert response.parse() is response.parse()
    with client.chat.completions.with_streaming_response.create(model="gpt", messages=messages) as streaming:
        assert read_answers(streaming) == []
        assert streaming.parse().id == "c1"
        assert read_usage(streaming) == CHAT_READ


def _transport(openai: Any, answer: Any) -> Any:
    """A client of the package's own HTTP library that answers by itself."""
    http = installed(openai.DefaultHttpxClient.__mro__[1].__module__.partition(".")[0])

    def respond(request: Any) -> Any:
        body = iter([json.dumps(answer).encode()])  # an iterator: read when the package reads it
        return http.Response(200, headers={"content-type": "application/json"}, content=body)

    return openai.DefaultHttpxClient(transport=http.MockTransport(respond))


ANTHROPIC = {
    "input_tokens": 176,
    "cache_creation_input_tokens": 512,
    "cache_read_input_tokens": 1024,
    "cache_creation": {"ephemeral_5m_input_tokens": 112, "ephemeral_1h_input_tokens": 400},
    "server_tool_use": {"web_search_requests": 2, "web_fetch_requests": 0},
    "service_tier": "priority",
    "output_tokens": 34,
}
ANTHROPIC_READ = Usage(1712, 34, None, 1024, 512, None, 400, web_search_requests=2)


def test_anthropic() -> None:
    types = installed("anthropic.types")
    whole: dict[str, Any] = {
        "id": "msg_1",
        "type": "message",
        "role": "assistant",
        "model": "claude",
        "content": [],
        "stop_reason": None,
        "stop_sequence": None,
        "usage": ANTHROPIC,
    }
    (reading,) = read_answers(types.Message.model_validate(whole))
    assert reading[:4] == ("msg_1", ANTHROPIC_READ, "claude", "priority")
    start = types.RawMessageStartEvent.model_validate(
        {"type": "message_start", "message": {**whole, "usage": {**ANTHROPIC, "output_tokens": 1}}}
    )
    delta = types.RawMessageDeltaEvent.model_validate(
        {
            "type": "message_delta",
            "delta": {"stop_reason": "end_turn", "stop_sequence": None},
            "usage": {"output_tokens": 34},
        }
    )
    assert streamed([start, delta, types.RawMessageStopEvent(type="message_stop")]) == [ANTHROPIC_READ]


def test_google_genai() -> None:
    types = installed("google.genai.types")

    def response(usage: dict[str, Any], **more: Any) -> Any:
        parts = [{"text": "a"}]
        candidate = {"content": {"parts": parts, "role": "model"}, **more}
        return types.GenerateContentResponse.model_validate(
            {"candidates": [candidate], "modelVersion": "gemini-3", "responseId": "g1", "usageMetadata": usage}
        )

    first = {"promptTokenCount": 1200, "thoughtsTokenCount": 50, "totalTokenCount": 1250}
    usage = {
        "promptTokenCount": 1200,
        "cachedContentTokenCount": 1000,
        "candidatesTokenCount": 30,
        "thoughtsTokenCount": 50,
        "toolUsePromptTokenCount": 8,
        "totalTokenCount": 1288,
        "promptTokensDetails": [
            {"modality": "TEXT", "tokenCount": 1100},
            {"modality": "AUDIO", "tokenCount": 100},
        ],
        "trafficType": "ON_DEMAND",
    }
    expected = Usage(1208, 80, None, 1000, None, 50, input_audio_tokens=100)
    (reading,) = read_answers(response(usage))
    assert reading[:4] == ("g1", expected, "gemini-3", "standard")
    assert streamed([response(first), response(usage, finishReason="STOP")]) == [expected]


def test_litellm() -> None:
    types = installed("litellm.types.utils")
    usage = types.Usage(
        prompt_tokens=1712,
        completion_tokens=34,
        total_tokens=1746,
        cache_creation_input_tokens=512,
        cache_read_input_tokens=1024,
        prompt_tokens_details={
            "cached_tokens": 1024,
            "cache_creation_token_details": {"ephemeral_5m_input_tokens": 112, "ephemeral_1h_input_tokens": 400},
        },
        server_tool_use={"web_search_requests": 2},
    )
    assert read_usage(types.ModelResponse(usage=usage)) == ANTHROPIC_READ
    unreported = types.UnreportedUsage(prompt_tokens=5, completion_tokens=5, total_tokens=10)
    assert read_usage({"usage": unreported}) is None


def test_langchain() -> None:
    messages, outputs = installed("langchain_core.messages"), installed("langchain_core.outputs")
    usage: Any = {
        "input_tokens": 1712,
        "output_tokens": 34,
        "total_tokens": 1746,
        "input_token_details": {
            "cache_read": 1024,
            "cache_creation": 0,
            "ephemeral_5m_input_tokens": 112,
            "ephemeral_1h_input_tokens": 400,
        },
    }
    expected = Usage(1712, 34, None, 1024, 512, None, 400)
    message = messages.AIMessage("a", id="1", usage_metadata=usage, response_metadata={"model_name": "claude"})
    (reading,) = read_answers(message)
    assert reading[:3] == ("1", expected, "claude")
    generations = [outputs.ChatGeneration(message=message)] * 2
    assert read_usage(outputs.LLMResult(generations=[generations])) == expected
    assert read_usage(outputs.ChatResult(generations=generations)) == expected
    assert read_usage({"messages": [message, messages.HumanMessage("b")]}) is None
    assert read_usage({"messages": [messages.HumanMessage("b"), message]}) == expected
    first = {"input_tokens": 1712, "output_tokens": 0, "total_tokens": 1712}
    second = {"input_tokens": 0, "output_tokens": 34, "total_tokens": 34}
    chunks = [messages.AIMessageChunk("a", id="1", usage_metadata=part) for part in (first, second)]
    assert streamed(chunks) == [Usage(1712, 34)]
    assert streamed([outputs.ChatGenerationChunk(message=part) for part in chunks]) == [Usage(1712, 34)]


def test_pydantic_ai() -> None:
    pydantic_ai, messages = installed("pydantic_ai"), installed("pydantic_ai.messages")
    models, usages = installed("pydantic_ai.models.function"), installed("pydantic_ai.usage")
    usage = usages.RequestUsage(
        input_tokens=1712,
        output_tokens=34,
        cache_read_tokens=1024,
        cache_write_tokens=512,
        details={"reasoning_tokens": 4},
    )
    expected = Usage(1712, 34, None, 1024, 512, 4)
    answer = messages.ModelResponse(parts=[messages.TextPart("a")], usage=usage, model_name="gpt")
    (reading,) = read_answers(answer)
    assert reading.response_model == "gpt" and reading.usage is not None
    assert reading.usage[:6] == expected[:6]
    agent = pydantic_ai.Agent(models.FunctionModel(lambda messages, info: answer))
    (reading,) = read_answers(agent.run_sync("hi"))
    assert reading.usage is not None and reading.usage[:6] == expected[:6]
    assert reading.response_model is not None


def test_agents() -> None:
    agents, types = installed("agents"), installed("openai.types.responses.response_usage")
    details = types.InputTokensDetails.model_construct(cached_tokens=1024, cache_write_tokens=7)
    usage = agents.Usage(
        requests=1,
        input_tokens=1200,
        input_tokens_details=details,
        output_tokens=34,
        output_tokens_details=types.OutputTokensDetails(reasoning_tokens=10),
        total_tokens=1234,
    )
    answers = [agents.ModelResponse(output=[], usage=usage, response_id=id) for id in ("a", "b", None, None)]
    assert [reading.usage for reading in read_answers(answers)] == [Usage(1200, 34, None, 1024, 7, 10)] * 4


def test_cohere() -> None:
    cohere = installed("cohere")
    usage = cohere.Usage(
        billed_units=cohere.UsageBilledUnits(input_tokens=12, output_tokens=4),
        tokens=cohere.UsageTokens(input_tokens=510, output_tokens=4),
    )
    assert read_usage({"usage": usage}) == Usage(12, 4)


def test_ollama() -> None:
    ollama = installed("ollama")

    def response(content: str, **more: Any) -> Any:
        message = {"role": "assistant", "content": content}
        return ollama.ChatResponse.model_validate({"model": "q", "message": message, **more})

    last = response("", done=True, prompt_eval_count=26, eval_count=298)
    assert read_usage(last) == Usage(26, 298)
    assert streamed([response("a", done=False), last]) == [Usage(26, 298)]


def test_mistral() -> None:
    installed("mistralai")
    models = installed("mistralai.client.models" if is_installed("mistralai.client.models") else "mistralai.models")
    usage = models.UsageInfo(prompt_tokens=5, completion_tokens=2, total_tokens=7)
    assert read_usage({"usage": usage}) == Usage(5, 2)


def test_groq() -> None:
    types = installed("groq.types.chat")
    usage = {"prompt_tokens": 5, "completion_tokens": 2, "total_tokens": 7}
    last = chunk({}, "stop", x_groq={"id": "r", "usage": usage})
    assert streamed([types.ChatCompletionChunk.model_validate(part) for part in (chunk({"content": "a"}), last)]) == [
        Usage(5, 2)
    ]


def test_llama_index() -> None:
    types = installed("llama_index.core.base.llms.types")
    message = types.ChatMessage(role="assistant", content="a")
    assert read_usage(types.ChatResponse(message=message, raw=completion(usage=CHAT))) == CHAT_READ
    counts = {"prompt_tokens": 5, "completion_tokens": 2, "total_tokens": 7}
    assert read_usage(types.ChatResponse(message=message, raw=None, additional_kwargs=counts)) == Usage(5, 2)


def test_instructor() -> None:
    instructor, openai = installed("instructor"), installed("openai")
    user = installed("pydantic").create_model("User", name=(str, ...))
    message = {"role": "assistant", "content": '{"name": "Ada"}'}
    answer = completion(usage=CHAT)
    answer["choices"][0]["message"] = message
    client = instructor.from_openai(
        openai.OpenAI(api_key="k", base_url="http://127.0.0.1:9/v1", http_client=_transport(openai, answer)),
        mode=instructor.Mode.JSON,
    )
    asked: Any = {"model": "gpt", "messages": [{"role": "user", "content": "hi"}], "response_model": user}
    assert read_usage(client.chat.completions.create(**asked)) == CHAT_READ
    assert read_usage(client.chat.completions.create_with_completion(**asked)) == CHAT_READ


def test_dspy() -> None:
    dspy = installed("dspy")
    prediction = dspy.Prediction(answer="a")
    assert read_answers(prediction) == []
    prediction.set_lm_usage({"openai/gpt-4o": CHAT})
    (reading,) = read_answers(prediction)
    assert reading.usage == CHAT_READ and reading.response_model == "openai/gpt-4o"


def test_smolagents() -> None:
    monitoring = installed("smolagents.monitoring")
    assert read_usage({"token_usage": monitoring.TokenUsage(input_tokens=5, output_tokens=2)}) == Usage(5, 2)
