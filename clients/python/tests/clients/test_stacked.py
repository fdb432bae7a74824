"""Programs in which several instrumentations report the same calls: each call counts once, with its tokens."""

from __future__ import annotations

import pytest

from connecting import Sender, blocks, opentelemetry
from peers import installed

pytestmark = [pytest.mark.clients, pytest.mark.timeout(120)]

ANTHROPIC_BY_OPENINFERENCE = """
from openinference.instrumentation.anthropic import AnthropicInstrumentor
AnthropicInstrumentor().instrument()
"""
MESSAGE = """
import anthropic

client = anthropic.Anthropic(max_retries=0)
question = {"model": "claude-sonnet-4-6", "max_tokens": 100, "messages": [{"role": "user", "content": "hi"}]}
assert client.messages.create(**question).content[0].text == "Hello"
"""
MESSAGE_STREAMS = """
with client.messages.stream(**question) as stream:
    assert "".join(stream.text_stream) == "Hello"
list(client.messages.create(**question, stream=True))
"""
MESSAGE_FAILURE = """
try:
    client.messages.create(**{**question, "model": "boom-429"})
except anthropic.RateLimitError:
    pass
"""
MESSAGE_STREAM_FAILURE = """
try:
    with client.messages.stream(**{**question, "model": "boom-500"}) as stream:
        stream.until_done()
except anthropic.InternalServerError:
    pass
"""
MESSAGES_AT_ONCE = """
import asyncio

async def ask(client):
    async with client.messages.stream(**question) as stream:
        return await stream.get_final_message()

async def main():
    async with anthropic.AsyncAnthropic(max_retries=0) as client:
        await asyncio.gather(*(ask(client) for _ in range(4)))

asyncio.run(main())
"""
CHAIN = """
from langchain_openai import ChatOpenAI
from openai import RateLimitError

def model(name="gpt-4o-mini"):
    return ChatOpenAI(model=name, max_retries=0, stream_usage=True)

assert model().invoke("hi").content == "Hello"
assert "".join(part.content for part in model().stream("hi")) == "Hello"
for ask in (lambda chat: chat.invoke("hi"), lambda chat: list(chat.stream("hi"))):
    try:
        ask(model("boom-429"))
    except RateLimitError:
        pass
"""
MANY_AT_ONCE = """
import asyncio

async def ask(number):
    return await model().ainvoke(f"hi {number}")

async def main():
    await asyncio.gather(*map(ask, range(12)))

asyncio.run(main())
"""
CHAT = """
import openai

client = openai.OpenAI(max_retries=0)
question = {"model": "gpt-4o-mini", "messages": [{"role": "user", "content": "hi"}]}
assert client.chat.completions.create(**question).choices[0].message.content == "Hello"
list(client.chat.completions.create(**question, stream=True, stream_options={"include_usage": True}))
client.responses.create(model="gpt-4o-mini", input="hi")
list(client.responses.create(model="gpt-4o-mini", input="hi", stream=True))
try:
    client.chat.completions.create(**{**question, "model": "boom-429"})
except openai.RateLimitError:
    pass
"""
AGENTS = """
from agents import Agent, OpenAIChatCompletionsModel, OpenAIResponsesModel, Runner
from openai import AsyncOpenAI, BadRequestError

client = AsyncOpenAI(max_retries=0)

def run(api, model="gpt-4o-mini"):
    return Runner.run_sync(Agent(name="Reviewer", model=api(model, client)), "hi").final_output

assert run(OpenAIResponsesModel) == run(OpenAIChatCompletionsModel) == "Hello"
for api in (OpenAIChatCompletionsModel, OpenAIResponsesModel):
    try:
        run(api, "boom-400")
    except BadRequestError:
        pass
"""


def openinference(library: str) -> str:
    """The document's lines for that library."""
    heading = {"langchain": "LangChain and LangGraph", "openai": "OpenInference and Phoenix"}[library]
    return blocks("python", heading)[0]


def openllmetry(library: str) -> str:
    heading = {"langchain": "LangChain and LangGraph", "openai": "OpenLLMetry"}[library]
    return blocks("python", heading)[-1]


def test_the_spans_of_anthropics_client_alone(sender: Sender) -> None:
    installed("anthropic")
    sender.python(opentelemetry(), MESSAGE, MESSAGE_STREAMS, MESSAGE_FAILURE, MESSAGE_STREAM_FAILURE)
    assert len(sender.models.calls) == 5
    assert sender.shown() == sender.served()
    assert sender.merged() == 0


@pytest.mark.parametrize(
    "calls",
    [(), (MESSAGE_STREAMS,), (MESSAGE_FAILURE,), (MESSAGE_STREAM_FAILURE,)],
    ids=["message", "streams", "failure", "failure of a stream"],
)
def test_openinference_around_the_spans_of_anthropics_client(sender: Sender, calls: tuple[str, ...]) -> None:
    installed("openinference.instrumentation.anthropic")
    sender.python(opentelemetry(), ANTHROPIC_BY_OPENINFERENCE, MESSAGE, *calls)
    assert sender.shown() == sender.served()
    assert sender.merged() == len(sender.models.calls) >= 1


def nearly_served(sender: Sender) -> bool:
    """Whether all calls count, and at most two of them twice.

    Equal calls at once are paired by their times alone. Some reports of one call then overlap by more than 1 ms, and
    some are nearer to another call's.
    """
    shown, served = sender.shown(), sender.served()
    assert shown.get("failed calls") == served.get("failed calls")
    return served["calls"] <= shown["calls"] <= served["calls"] + 2


def test_equal_messages_at_once(sender: Sender) -> None:
    installed("openinference.instrumentation.anthropic")
    sender.python(opentelemetry(), ANTHROPIC_BY_OPENINFERENCE, MESSAGE, MESSAGES_AT_ONCE)
    assert len(sender.models.calls) == 5
    assert nearly_served(sender)


LANGCHAIN_STACKS = {
    "openinference": (openinference("langchain"), openinference("openai")),
    "openinference around openllmetry": (openinference("langchain"), openllmetry("openai")),
    "openllmetry around openinference": (openllmetry("langchain"), openinference("openai")),
    "three": (openinference("langchain"), openllmetry("langchain"), openinference("openai")),
    # OpenLLMetry's own of the client reports nothing inside that of LangChain.
    "four": (openinference("langchain"), openllmetry("langchain"), openinference("openai"), openllmetry("openai")),
}


@pytest.mark.parametrize("stack", LANGCHAIN_STACKS)
def test_langchain_around_openais_client(sender: Sender, stack: str) -> None:
    installed("langchain_openai")
    sender.python(opentelemetry(), *LANGCHAIN_STACKS[stack], CHAIN)
    assert len(sender.models.calls) == 4
    assert sender.shown() == sender.served()
    assert sender.merged() >= 4


@pytest.mark.parametrize("stack", LANGCHAIN_STACKS)
def test_equal_calls_of_langchain_at_once(sender: Sender, stack: str) -> None:
    installed("langchain_openai")
    sender.python(opentelemetry(), *LANGCHAIN_STACKS[stack], CHAIN, MANY_AT_ONCE)
    assert len(sender.models.calls) == 16
    assert nearly_served(sender)


def test_openllmetry_for_langchain_silences_its_own_for_openai(sender: Sender) -> None:
    installed("langchain_openai")
    sender.python(opentelemetry(), openllmetry("langchain"), openllmetry("openai"), CHAIN, MANY_AT_ONCE)
    assert sender.shown() == sender.served(without=["reasoning"])
    assert sender.merged() == 0


def test_two_instrumentations_of_openais_client(sender: Sender) -> None:
    installed("openai")
    sender.python(opentelemetry(), openinference("openai"), openllmetry("openai"), CHAT)
    assert len(sender.models.calls) == 5
    assert sender.shown() == sender.served()
    assert sender.merged() == 5


def test_two_processors_of_the_agents_sdk(sender: Sender) -> None:
    installed("logfire")
    installed("agents")
    (first,) = blocks("python", "Logfire")
    (second,) = blocks("python", "OpenAI Agents SDK")
    sender.python(first.replace("instrument_openai", "instrument_openai_agents"), second, AGENTS)
    assert len(sender.models.calls) == 4
    assert sender.shown() == sender.served_by_responses_alone("cache_read", "reasoning")
    assert sender.agents() == {"Reviewer"}
    assert sender.merged() == 4
