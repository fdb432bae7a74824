"""The senders of docs/connect.md, unchanged, with the lines that it gives: what is shown is what was served."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from connecting import ADDRESS, AGENT, Sender, blocks, opentelemetry, the_three_variables
from peers import installed

pytestmark = [pytest.mark.clients, pytest.mark.timeout(120)]

CHAT = """
import openai

client = openai.OpenAI(max_retries=0)
question = {"model": "gpt-4o-mini", "messages": [{"role": "user", "content": "hi"}]}
assert client.chat.completions.create(**question).choices[0].message.content == "Hello"
"""
CHAT_STREAM = """
list(client.chat.completions.create(**question, stream=True, stream_options={"include_usage": True}))
"""
CHAT_STREAM_WITHOUT_USAGE = """
list(client.chat.completions.create(**question, stream=True))
"""
RESPONSES = """
client.responses.create(model="gpt-4o-mini", input="hi")
"""
RESPONSES_STREAM = """
list(client.responses.create(model="gpt-4o-mini", input="hi", stream=True))
"""
FAILURE = """
try:
    client.chat.completions.create(**{**question, "model": "boom-429"})
except openai.RateLimitError:
    pass
"""
ALL_OF_OPENAI = CHAT + CHAT_STREAM + CHAT_STREAM_WITHOUT_USAGE + RESPONSES + RESPONSES_STREAM + FAILURE
GRAPH = """
from langchain_openai import ChatOpenAI
from langgraph.graph import START, MessagesState, StateGraph

def ask(model):
    chat = ChatOpenAI(model=model, max_retries=0)
    graph = StateGraph(MessagesState)
    graph.add_node("ask", lambda state: {"messages": [chat.invoke(state["messages"])]})
    graph.add_edge(START, "ask")
    return graph.compile().invoke({"messages": [("user", "hi")]})

assert ask("gpt-4o-mini")["messages"][-1].content == "Hello"
list(ChatOpenAI(model="gpt-4o-mini", max_retries=0, stream_usage=True).stream("hi"))
try:
    ask("boom-429")
except Exception as error:
    assert "429" in str(error), error
"""
AGENTS = """
from agents import Agent, OpenAIChatCompletionsModel, OpenAIResponsesModel, Runner
from openai import AsyncOpenAI, BadRequestError

client = AsyncOpenAI(max_retries=0)

def run(api, model="gpt-4o-mini"):
    return Runner.run_sync(Agent(name="Reviewer", model=api(model, client)), "hi").final_output

assert run(OpenAIResponsesModel) == run(OpenAIChatCompletionsModel) == "Hello"
try:
    run(OpenAIChatCompletionsModel, "boom-400")
except BadRequestError:
    pass
"""
PYDANTIC_AI = """
from pydantic_ai import Agent

for model in ("openai-chat:gpt-4o-mini", "openai-responses:gpt-4o-mini"):
    assert Agent(model, name="Reviewer").run_sync("hi").output == "Hello"
"""


def test_claude_code(sender: Sender) -> None:
    program = Path(installed("claude_agent_sdk").__file__).parent / "_bundled"
    lines, _ = blocks("sh", "Claude Code")
    sender.shell(lines, program, ANTHROPIC_MODEL="claude-sonnet-4-6")
    assert [call["path"] for call in sender.models.calls] == ["/v1/messages"]
    assert sender.shown() == sender.served()
    assert sender.agents() == {AGENT}


def test_claude_code_reports_a_failed_call_once(sender: Sender) -> None:
    program = Path(installed("claude_agent_sdk").__file__).parent / "_bundled"
    lines, _ = blocks("sh", "Claude Code")
    sender.shell(lines.replace("claude -p", "! claude -p"), program, ANTHROPIC_MODEL="boom-400")
    assert len(sender.models.calls) >= 1
    assert sender.shown() == sender.served(failed=1)


def test_claude_code_with_traces_beside_logs(sender: Sender) -> None:
    program = Path(installed("claude_agent_sdk").__file__).parent / "_bundled"
    lines, _ = blocks("sh", "Claude Code")
    sender.shell(
        lines,
        program,
        ANTHROPIC_MODEL="claude-sonnet-4-6",
        CLAUDE_CODE_ENHANCED_TELEMETRY_BETA="1",
        OTEL_TRACES_EXPORTER="otlp",
    )
    assert [call["path"] for call in sender.models.calls] == ["/v1/messages"]
    assert sender.shown() == sender.served()
    assert sender.merged() == 1


def test_codex(sender: Sender) -> None:
    program = Path(installed("codex_cli_bin").__file__).parent / "bin"
    (lines,) = blocks("toml", "Codex")
    provider = f"""
model = "gpt-5.2-codex"
model_provider = "stand-in"
analytics = {{ enabled = false }}

[model_providers.stand-in]
name = "stand-in"
base_url = "{sender.models.url}/v1"
env_key = "OPENAI_API_KEY"
wire_api = "responses"
"""
    (sender.home / "config.toml").write_text(sender.at_the_exporter(provider + lines))
    sender.shell(
        'codex exec --skip-git-repo-check --sandbox read-only "Which ships are late?"',
        program,
        CODEX_HOME=str(sender.home),
        OTEL_RESOURCE_ATTRIBUTES=f"agent_name={AGENT}",
    )
    assert [call["path"] for call in sender.models.calls] == ["/v1/responses"]
    assert sender.shown() == sender.served()
    assert sender.agents() == {AGENT}


def test_openlit(sender: Sender) -> None:
    installed("openlit")
    (lines,) = blocks("python", "Any Python program")
    sender.python(lines, CHAT, CHAT_STREAM, FAILURE, variables="")
    assert sender.shown() == sender.served(without=["reasoning"])
    assert sender.agents() == {AGENT}


def test_openlit_reports_reasoning_of_responses(sender: Sender) -> None:
    installed("openlit")
    (lines,) = blocks("python", "Any Python program")
    sender.python(lines, CHAT.rpartition("assert")[0], RESPONSES, RESPONSES_STREAM, variables="")
    assert sender.shown() == sender.served()


def test_openlit_with_anthropic(sender: Sender) -> None:
    installed("openlit")
    installed("anthropic")
    (lines,) = blocks("python", "Any Python program")
    calls = """
import anthropic

client = anthropic.Anthropic(max_retries=0)
question = {"model": "claude-sonnet-4-6", "max_tokens": 100, "messages": [{"role": "user", "content": "hi"}]}
assert client.messages.create(**question).content[0].text == "Hello"
list(client.messages.create(**question, stream=True))
"""
    sender.python(lines, calls, variables="")
    assert sender.shown() == sender.served()
    assert sender.agents() == {AGENT}


def test_langsmith(sender: Sender) -> None:
    installed("langsmith")
    (lines,) = blocks("sh", "LangChain and LangGraph")
    sender.python(GRAPH, variables=the_three_variables() + lines)
    assert sender.shown() == sender.served()
    assert sender.agents() == {AGENT}


def test_langchain_by_openinference(sender: Sender) -> None:
    installed("openinference.instrumentation.langchain")
    lines, _ = blocks("python", "LangChain and LangGraph")
    sender.python(opentelemetry(), lines, GRAPH)
    assert sender.shown() == sender.served()
    assert sender.agents() == {AGENT}


def test_langchain_by_openllmetry(sender: Sender) -> None:
    installed("opentelemetry.instrumentation.langchain")
    _, lines = blocks("python", "LangChain and LangGraph")
    sender.python(opentelemetry(), lines, GRAPH)
    assert sender.shown() == sender.served(without=["reasoning"])
    assert sender.agents() == {AGENT, "LangGraph"}


def test_agents_sdk_by_openinference(sender: Sender) -> None:
    installed("openinference.instrumentation.openai_agents")
    (lines,) = blocks("python", "OpenAI Agents SDK")
    sender.python(opentelemetry(), lines, AGENTS)
    assert sender.shown() == sender.served_by_responses_alone("cache_read", "reasoning")
    assert sender.agents() == {"Reviewer"}


def test_agents_sdk_by_logfire(sender: Sender) -> None:
    installed("logfire")
    installed("agents")
    (lines,) = blocks("python", "Logfire")
    lines = lines.replace("instrument_openai", "instrument_openai_agents")
    sender.python(lines, AGENTS)
    served = sender.served_by_responses_alone("cache_read", "reasoning")
    served["output"] += served.pop("reasoning")
    assert sender.shown() == served
    assert sender.agents() == {"Reviewer"}


def test_logfire(sender: Sender) -> None:
    installed("logfire")
    (lines,) = blocks("python", "Logfire")
    sender.python(lines, CHAT, RESPONSES, FAILURE)
    assert sender.shown() == sender.served(without=["reasoning"])
    assert sender.agents() == {AGENT}


def test_logfire_streams(sender: Sender) -> None:
    installed("logfire")
    (lines,) = blocks("python", "Logfire")
    sender.python(lines, CHAT, CHAT_STREAM)
    assert sender.shown() == sender.served(without=["reasoning"])
    assert sender.agents() == {AGENT}


def test_pydantic_ai(sender: Sender) -> None:
    installed("pydantic_ai")
    (lines,) = blocks("python", "Pydantic AI")
    sender.python(opentelemetry(), lines, PYDANTIC_AI)
    assert sender.shown() == sender.served()
    assert sender.agents() == {"Reviewer"}


def test_openllmetry(sender: Sender) -> None:
    installed("opentelemetry.instrumentation.openai")
    (lines,) = blocks("python", "OpenLLMetry")
    sender.python(opentelemetry(), lines, CHAT, RESPONSES, RESPONSES_STREAM, FAILURE)
    assert sender.shown() == sender.served()
    assert sender.agents() == {AGENT}


def test_openllmetry_reports_streams_without_reasoning(sender: Sender) -> None:
    installed("opentelemetry.instrumentation.openai")
    (lines,) = blocks("python", "OpenLLMetry")
    sender.python(opentelemetry(), lines, CHAT.rpartition("assert")[0], CHAT_STREAM)
    assert sender.shown() == sender.served(without=["reasoning"])


def test_openinference(sender: Sender) -> None:
    installed("openinference.instrumentation.openai")
    lines, _ = blocks("python", "OpenInference and Phoenix")
    sender.python(opentelemetry(), lines, ALL_OF_OPENAI)
    assert sender.shown() == sender.served()
    assert sender.agents() == {AGENT}


def test_phoenix(sender: Sender) -> None:
    installed("phoenix.otel")
    _, lines = blocks("python", "OpenInference and Phoenix")
    sender.python(lines, ALL_OF_OPENAI, variables="")
    assert sender.shown() == sender.served()
    assert sender.agents() == {AGENT}


def test_litellm(sender: Sender) -> None:
    installed("litellm")
    (lines,) = blocks("python", "LiteLLM")
    calls = """
import asyncio

async def ask(model="gpt-4o-mini", **options):
    messages = [{"role": "user", "content": "hi"}]
    return await litellm.acompletion(f"openai/{model}", messages, max_retries=0, num_retries=0, **options)

async def main():
    assert (await ask()).choices[0].message.content == "Hello"
    async for _ in await ask(stream=True, stream_options={"include_usage": True}):
        pass
    try:
        await ask("boom-429")
    except litellm.RateLimitError:
        pass
    await asyncio.sleep(2)  # its callbacks run behind the calls

asyncio.run(main())
"""
    sender.python(lines, calls)
    assert sender.shown() == sender.served(without=["cache_read", "reasoning"])
    assert sender.agents() == {AGENT}


def test_langfuse(sender: Sender) -> None:
    installed("langfuse")
    (lines,) = blocks("sh", "Langfuse")
    wrapped = ALL_OF_OPENAI.replace("import openai", "from langfuse.openai import openai", 1)
    sender.python(wrapped, variables=the_three_variables() + lines)
    assert sender.shown() == sender.served()
    assert sender.agents() == {AGENT}


def test_mlflow(sender: Sender) -> None:
    installed("mlflow")
    (lines,) = blocks("python", "MLflow")
    sender.python(lines, ALL_OF_OPENAI)
    assert sender.shown() == sender.served(without=["reasoning"])
    assert sender.agents() == {AGENT}


def test_strands(sender: Sender) -> None:
    installed("strands")
    (lines,) = blocks("python", "Strands Agents")
    calls = """
from strands import Agent
from strands.models.openai import OpenAIModel

assert "Hello" in str(Agent(model=OpenAIModel(model_id="gpt-4o-mini"), name="Reviewer", callback_handler=None)("hi"))
"""
    sender.python(lines, calls)
    assert sender.shown() == sender.served(without=["reasoning"])
    assert sender.agents() == {"Reviewer"}


def test_google_adk(sender: Sender) -> None:
    installed("google.adk")
    (lines,) = blocks("python", "Google ADK")
    calls = """
import asyncio
from google.adk.agents import LlmAgent
from google.adk.models.lite_llm import LiteLlm
from google.adk.runners import InMemoryRunner

asyncio.run(InMemoryRunner(LlmAgent(name="Reviewer", model=LiteLlm("openai/gpt-4o-mini"))).run_debug("hi"))
"""
    sender.python(lines, calls)
    served = sender.served()
    served["output"] += served["reasoning"]  # its output has them twice, with models of LiteLLM
    assert sender.shown() == served
    assert sender.agents() == {"Reviewer"}


def test_settings_of_what_runs_elsewhere_are_well_formed() -> None:
    """Gemini CLI and the Collector are not on PyPI."""
    yaml = installed("yaml")
    (settings,) = blocks("json", "Gemini CLI")
    assert json.loads(settings)["telemetry"]["otlpEndpoint"] == ADDRESS
    (collector,) = blocks("yaml", "OpenTelemetry Collector")
    exporters = yaml.safe_load(collector)["exporters"]
    assert [exporter["endpoint"] for exporter in exporters.values()] == [ADDRESS]
    for pipeline in yaml.safe_load(collector)["service"]["pipelines"].values():
        assert pipeline["exporters"] == list(exporters)
