"""Reads whole answers of providers' packages, and what frameworks make of them.

It reads the shape of an answer: no package is imported, and a dictionary from a raw HTTP call reads the same. A method
of an answer is called only if the class is one of a package whose method is known to be cheap.
"""

from __future__ import annotations

import inspect
import json
from collections.abc import Hashable, Iterator, Mapping, Sequence
from typing import Any, Callable, Optional

from .facts import context_size, failure, model_name, searches, service_tier
from .fields import MOCKS, PLAIN, Same, field, first_field, items, members, package, text
from .reading import Reading, Usage
from .tokens import ollama_tokens, tokens

__all__ = ["answer_id", "readings_of", "usage_of"]

_MAX_DEPTH = 4
_FIRST_LOOKS = 40
"""Objects that are looked at before the first answer is found: a function may return a million rows."""
_MAX_LOOKS = 2000
_FRAMEWORKS = frozenset(
    ("agents", "anthropic", "google", "instructor", "langchain", "langchain_core", "langgraph", "llama_index", "openai")
)

_OF_ERRORS = ("run_data", "completion", "last_completion", "_pydantic_ai_run_cancelled")
"""Fields of an error that hold the answers before it: the Agents SDK's, OpenAI's, instructor's, Pydantic AI's."""


def readings_of(answer: Any) -> list[Reading]:
    """The readings of an answer, one for each request that it is known to answer. May raise."""
    search = _Search()
    search.look(answer, _MAX_DEPTH)
    return list(search.found.values())


def usage_of(answer: Any) -> Optional[tuple[Any, Usage]]:
    """The usage that an answer has itself: the object that holds it, and its tokens."""
    look_in = members(answer)
    model = model_name(look_in)
    for holder in _usage_objects(answer, look_in):
        if holder is not None and (found := tokens(holder, model)) is not None:
            if found.web_search_requests is None:
                found = found._replace(web_search_requests=searches(look_in))
            return members(holder), found
    found = ollama_tokens(look_in)
    return None if found is None else (look_in, found)


def answer_id(answer: Any) -> Optional[str]:
    """The provider's id of an answer, or the framework's of a message."""
    found = text(answer, "id", "response_id", "responseId")
    if found is None:
        found = text(field(answer, "ResponseMetadata"), "RequestId")  # Bedrock
    # The Agents SDK gives this one to all answers of models that have none.
    return None if found == "__fake_id__" else found


def _usage_objects(answer: Any, look_in: Any) -> Iterator[Any]:
    usage = field(look_in, "usage")
    if package(answer) == "pydantic_ai" and callable(usage) and field(usage, "input_tokens") is None:
        usage = _result_of(usage)  # in version 2 it is a property
    yield usage
    yield first_field(look_in, "usage_metadata", "usageMetadata")
    for place in ("response_metadata", "llm_output"):  # LangChain's older ones
        if (holder := field(look_in, place)) is not None:
            yield field(holder, "token_usage")
            yield field(holder, "usage")
    yield field(look_in, "token_usage")  # CrewAI, smolagents
    yield field(look_in, "meta")  # Cohere's first API
    yield field(field(look_in, "x_groq"), "usage")
    yield field(look_in, "amazon-bedrock-invocationMetrics")
    if field(look_in, "raw") is None:  # LlamaIndex, which keeps three counts beside the provider's answer
        yield field(look_in, "additional_kwargs")


class _Search:
    """Looks for answers in what an agent's function returned."""

    def __init__(self) -> None:
        self.found: dict[Hashable, Reading] = {}
        self._looks_left = _FIRST_LOOKS

    def look(self, answer: Any, depth: int) -> bool:
        """Whether something was found in `answer`."""
        self._looks_left -= 1
        origin = package(answer)
        if type(answer) in PLAIN or origin in MOCKS or depth == 0 or self._looks_left < 0:
            return False
        if issubclass(type(answer), (list, tuple)):
            # instructor's lists of models have the answer beside them.
            return self._look_at_all(answer, depth - 1) or self.look(field(answer, "_raw_response"), depth - 1)
        if issubclass(type(answer), BaseException):
            return self._look_at(answer) or any(self.look(field(answer, name), depth - 1) for name in _OF_ERRORS)
        if origin in ("openai", "anthropic") and type(answer).__name__.endswith("APIResponse"):
            return self.look(_parsed(answer), depth - 1) or self.look(_body(answer), depth - 1)
        if origin == "dspy":
            return self._look_at_models(answer)
        if origin == "llama_index":  # the provider's answer, or its last event, says more than the message
            raw = field(answer, "raw")
            if self.look(raw, depth - 1) or self.look(field(raw, "response"), depth - 1):
                return True
        # Before LangChain's sum of them.
        return (
            self._look_at_generations(answer, depth - 1) or self._look_at(answer) or self._look_into(answer, depth - 1)
        )

    def _look_at(self, answer: Any) -> bool:
        look_in = members(answer)
        found = usage_of(answer)
        code = failure(look_in)
        # A chat completion without usage is still an answer.
        if found is None and code is None and not items(look_in, "choices"):
            return False
        holder, usage = found or (None, None)
        key: Hashable = answer_id(look_in)
        self._add(
            Reading(
                Same(answer) if key is None else key,
                usage,
                model_name(look_in),
                service_tier(look_in, holder),
                code,
                context_size(look_in, holder),
            )
        )
        return True

    def _look_into(self, answer: Any, depth: int) -> bool:
        """Looks into what holds answers: the first place that has some counts, as others would have the same."""
        held = _held(answer)
        ways: tuple[Callable[[], bool], ...] = (
            lambda: self._look_at_all(items(held, "raw_responses"), depth),  # the Agents SDK's runs
            lambda: self._look_at_all(items(held, "messages"), depth),  # LangGraph's state
            lambda: self.look(field(held, "message"), depth),  # LangChain's generations
            lambda: self.look(field(held, "_raw_response"), depth),  # instructor's
            lambda: self.look(field(held, "raw"), depth),  # LlamaIndex's
            lambda: self.look(field(held, "context_wrapper"), depth),
            lambda: self._look_at_updates(answer, depth),
            lambda: package(answer) == "langgraph" and self.look(field(held, "value"), depth),
        )
        return any(way() for way in ways)

    def _look_at_all(self, answers: Sequence[Any], depth: int) -> bool:
        if answers and answers[0] is not None and type(answers[0]) in PLAIN:
            answers = answers[:16]  # an embedding; or a text and the answer that it is from
        # In a conversation, only the messages after the last one of a person are new.
        for index in range(len(answers) - 1, max(-1, len(answers) - 1 - _FIRST_LOOKS), -1):
            if type(answers[index]) not in PLAIN and _is_human(answers[index]):
                answers = answers[index + 1 :]
                break
        found = False
        for answer in answers:
            if self._looks_left < 0:
                break
            found = self.look(answer, depth) or found
        return found

    def _look_at_generations(self, answer: Any, depth: int) -> bool:
        """LangChain's results: a list for each prompt, or one list, whose answers share the usage of the first."""
        generations = items(members(answer), "generations")
        if not generations:
            return False
        if not issubclass(type(generations[0]), (list, tuple)):
            generations = (generations,)
        return True in [self.look(choices[0], depth) for choices in generations if choices]

    def _look_at_updates(self, answer: Any, depth: int) -> bool:
        """Looks into the updates of LangGraph's nodes: a dictionary from each node to the messages that it added."""
        if not issubclass(type(answer), dict) or len(answer) > 16:
            return False
        states = [state for state in list(answer.values()) if issubclass(type(state), dict)]
        return True in [self._look_at_all(items(state, "messages"), depth) for state in states]

    def _look_at_models(self, prediction: Any) -> bool:
        """DSPy's predictions, which know the usage of each model if DSPy tracks it."""
        by_model = _result_of(prediction.get_lm_usage) if hasattr(type(prediction), "get_lm_usage") else None
        if not isinstance(by_model, Mapping):
            return False
        for model, usage in by_model.items():
            if (found := tokens(usage)) is not None:
                name = model if type(model) is str else None
                self._add(Reading((Same(prediction), name), found, name))
        return bool(by_model)

    def _add(self, reading: Reading) -> None:
        if not self.found:
            self._looks_left += _MAX_LOOKS
        known = self.found.get(reading.key)
        # The same answer in two places: instructor returns a model of it beside the answer.
        if known is None or known.usage is None:
            self.found[reading.key] = reading


def _held(holder: Any) -> Any:
    """An object of an agent's own class as what it holds itself: a property of it may ask a database."""
    if package(holder) in _FRAMEWORKS or isinstance(holder, Mapping):
        return holder
    try:
        return object.__getattribute__(holder, "__dict__")
    except AttributeError:
        return None


def _parsed(response: Any) -> Any:
    """The answer in a raw response of OpenAI's or Anthropic's package; None if its body is unread or a stream."""
    has_ended = field(field(response, "http_response"), "is_closed") is True
    parse = field(response, "parse")
    if not has_ended or field(response, "_stream") or parse is None or inspect.iscoroutinefunction(parse):
        return None
    return _result_of(parse)


def _result_of(method: Callable[[], Any]) -> Any:
    """The result of a method; None if it raises, so that the other answers are still found."""
    try:
        return method()
    except Exception:
        return None


def _is_human(message: Any) -> bool:
    message = members(message)
    return text(message, "type") in ("human", "HumanMessage") or text(message, "role") == "user"


def _body(response: Any) -> Any:
    """The body of a raw response that has been read, if its `parse` is asynchronous: Anthropic's."""
    content = field(field(response, "http_response"), "content")
    return json.loads(content) if type(content) is bytes else None
