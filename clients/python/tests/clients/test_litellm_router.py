"""Attempts of LiteLLM's Router, of fallbacks and of retries: each request that the provider served is counted once."""

from __future__ import annotations

import asyncio
import gc
import os
import time
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest

from llm_exporter import LLMMonitor
from model_server import ModelServer, examples
from peers import installed

os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"  # its own price table, rather than a download

litellm = installed("litellm")
pytestmark = pytest.mark.clients

from llm_exporter.litellm import LiteLLMLogger

HI = [{"role": "user", "content": "hi"}]


class Models(ModelServer):
    """The model ``flaky`` answers from its second request on; ``small`` has too small a context."""

    def answer(self, path: str, asked: Any) -> Any:
        answer = super().answer(path, asked)
        earlier = sum(call["model"] == asked["model"] for call in self.calls)
        if asked["model"] == "small" or (asked["model"] == "flaky" and not earlier):
            answer.status = 400 if asked["model"] == "small" else 500
        return answer

    @property
    def served(self) -> Counter[str]:
        return Counter(f"{call['model']} {call['status']}" for call in self.calls)


@pytest.fixture
def models(monkeypatch: pytest.MonkeyPatch) -> Iterator[Models]:
    whole, stream, error = examples.DIALECTS["/chat/completions"]

    def error_of(status: int) -> Any:
        if status != 400:
            return error(status)
        message = "This model's maximum context length is 4097 tokens."
        return {"error": {"message": message, "type": "invalid_request_error", "code": "context_length_exceeded"}}

    monkeypatch.setitem(examples.DIALECTS, "/chat/completions", (whole, stream, error_of))
    server = Models()
    yield server
    server.close()


LOGGER = LiteLLMLogger(agent_name="A")
SILENT = LLMMonitor("http://127.0.0.1:9", max_queue_records=0)
LOGGER._monitor = SILENT


@pytest.fixture(autouse=True)
def logger(monitor: LLMMonitor, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(litellm, "suppress_debug_info", True)
    litellm.logging_callback_manager._reset_all_callbacks()
    litellm.callbacks = [LOGGER]
    LOGGER._monitor = monitor
    yield
    LOGGER._monitor = SILENT


@pytest.fixture
def router(models: Models) -> Any:
    def make(**options: Any) -> Any:
        names = {
            "first": "boom-500",
            "limited": "boom-429",
            "second": "gpt-4o-mini",
            "small": "small",
            "flaky": "flaky",
        }
        parameters = {"api_base": models.url + "/v1", "api_key": "k", "max_retries": 0}
        deployments = [
            {"model_name": name, "litellm_params": {"model": f"openai/{model}", **parameters}}
            for name, model in names.items()
        ]
        return litellm.Router(model_list=deployments, retry_after=0, **{"num_retries": 0, **options})

    return make


@pytest.fixture
def counted(exporter: Any, monitor: LLMMonitor, models: Models) -> Any:
    """The calls that are counted, by model and status; as many as were served."""

    def read(attempts: int) -> Counter[str]:
        deadline = time.monotonic() + 10
        while monitor.statistics().recorded < attempts and time.monotonic() < deadline:
            gc.collect()  # what LiteLLM does not log is recorded when its state of the call goes
            time.sleep(0.05)
        time.sleep(0.3)  # nothing may come after
        assert monitor.flush()
        assert monitor.statistics().recorded == attempts and monitor.statistics().rejected == 0
        calls: Counter[str] = Counter()
        for series, value in exporter.samples().items():
            if series.startswith("llm_calls_total") and value:
                labels = dict(label.split("=") for label in series[len("llm_calls_total{") : -1].split(","))
                model = labels["model"].strip('"').removeprefix("openai/")
                calls[f"{model} {labels['status']}".replace('"', "")] += int(value)
        return calls

    return read


def run(asynchronous: bool, holder: Any, name: str, **options: Any) -> Any:
    """Calls it, and returns the class of the exception that it raised."""

    async def main() -> None:
        try:
            await getattr(holder, f"a{name}")(**options)
        finally:
            await asyncio.sleep(0.2)

    try:
        asyncio.run(main()) if asynchronous else getattr(holder, name)(**options)
    except (litellm.InternalServerError, litellm.RateLimitError) as error:
        return type(error)
    return None


BOTH = pytest.mark.parametrize("asynchronous", [False, True], ids=["plain", "asynchronous"])


@BOTH
def test_fallbacks(router: Any, models: Models, counted: Any, asynchronous: bool) -> None:
    fallbacks = [{"first": ["limited", "second"]}]
    assert run(asynchronous, router(fallbacks=fallbacks), "completion", model="first", messages=HI) is None
    assert models.served == {"boom-500 500": 1, "boom-429 429": 1, "gpt-4o-mini 200": 1}
    assert counted(3) == {"boom-500 error": 1, "boom-429 rate_limited": 1, "gpt-4o-mini success": 1}


@BOTH
def test_retries_that_succeed(router: Any, models: Models, counted: Any, asynchronous: bool) -> None:
    assert run(asynchronous, router(num_retries=2), "completion", model="flaky", messages=HI) is None
    assert models.served == {"flaky 500": 1, "flaky 200": 1}
    assert counted(2) == {"flaky error": 1, "flaky success": 1}


@BOTH
def test_retries_that_all_fail(router: Any, models: Models, counted: Any, asynchronous: bool) -> None:
    failure = run(asynchronous, router(num_retries=2), "completion", model="limited", messages=HI)
    assert failure is litellm.RateLimitError
    assert models.served == {"boom-429 429": 3}
    assert counted(3) == {"boom-429 rate_limited": 3}


@BOTH
def test_fallbacks_after_retries(router: Any, models: Models, counted: Any, asynchronous: bool) -> None:
    made = router(num_retries=1, fallbacks=[{"first": ["second"]}])
    assert run(asynchronous, made, "completion", model="first", messages=HI) is None
    assert models.served == {"boom-500 500": 2, "gpt-4o-mini 200": 1}
    assert counted(3) == {"boom-500 error": 2, "gpt-4o-mini success": 1}


@BOTH
def test_context_window_fallbacks(router: Any, models: Models, counted: Any, asynchronous: bool) -> None:
    made = router(context_window_fallbacks=[{"small": ["second"]}])
    assert run(asynchronous, made, "completion", model="small", messages=HI) is None
    assert models.served == {"small 400": 1, "gpt-4o-mini 200": 1}
    assert counted(2) == {"small error": 1, "gpt-4o-mini success": 1}


def test_a_stream_after_a_fallback(router: Any, models: Models, counted: Any) -> None:
    async def main() -> None:
        made = router(fallbacks=[{"first": ["second"]}])
        options = {"stream": True, "stream_options": {"include_usage": True}}
        async for _ in await made.acompletion(model="first", messages=HI, **options):
            pass
        await asyncio.sleep(0.2)

    asyncio.run(main())
    assert models.served == {"boom-500 500": 1, "gpt-4o-mini 200": 1}
    assert counted(2) == {"boom-500 error": 1, "gpt-4o-mini success": 1}


@pytest.fixture
def plain(models: Models) -> dict[str, Any]:
    return {"api_base": models.url + "/v1", "api_key": "k", "max_retries": 0, "messages": HI}


@BOTH
def test_fallbacks_without_a_router(plain: Any, models: Models, counted: Any, asynchronous: bool) -> None:
    options = {**plain, "fallbacks": ["openai/gpt-4o-mini"]}
    assert run(asynchronous, litellm, "completion", model="openai/boom-429", **options) is None
    if not asynchronous:
        # LiteLLM makes the call in an event loop of its own, and logs it with its next one, or at exit.
        LOGGER._at_exit()
    assert models.served == {"boom-429 429": 1, "gpt-4o-mini 200": 1}
    assert counted(2) == {"boom-429 rate_limited": 1, "gpt-4o-mini success": 1}


# Without a Router, LiteLLM gives num_retries to OpenAI's package too, for the first attempt: that makes the retries by
# itself, and they are one attempt. LiteLLM makes as many attempts again, and logs one of all.


@BOTH
def test_retries_without_a_router(plain: Any, models: Models, counted: Any, asynchronous: bool) -> None:
    pytest.importorskip("tenacity")  # LiteLLM's retries need it
    failure = run(asynchronous, litellm, "completion", model="openai/boom-500", num_retries=2, **plain)
    assert failure is litellm.InternalServerError
    assert models.served == {"boom-500 500": 5}
    assert counted(3) == {"boom-500 error": 3}


@BOTH
def test_a_retry_that_succeeds_without_a_router(
    plain: Any, models: Models, counted: Any, exporter: Any, monkeypatch: pytest.MonkeyPatch, asynchronous: bool
) -> None:
    pytest.importorskip("tenacity")

    def answer(path: str, asked: Any) -> Any:
        found = ModelServer.answer(models, path, asked)
        found.status = 500 if len(models.calls) < 2 else 200
        return found

    monkeypatch.setattr(models, "answer", answer)
    assert run(asynchronous, litellm, "completion", model="openai/gpt-4o-mini", num_retries=1, **plain) is None
    assert models.served == {"gpt-4o-mini 500": 2, "gpt-4o-mini 200": 1}
    assert counted(2) == {"gpt-4o-mini error": 1, "gpt-4o-mini success": 1}
    counts = exporter.counts("A")
    assert (counts["tokens_total"], counts["token_usage_total cache_read"]) == (1234, 1024)
    assert counts["cost_usd_total"] == pytest.approx(0.0001236)
