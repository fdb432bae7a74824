"""Programs that end with their last call of LiteLLM: each call is counted, once.

Each program runs in an interpreter of its own, as what matters is its end: LiteLLM logs asynchronous calls in a queue,
and drops a part of it when the event loop ends.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any

import pytest

from model_server import ModelServer
from openai_calls import ONE
from peers import is_installed

if not is_installed("litellm"):
    pytest.skip("litellm is not installed", allow_module_level=True)
pytestmark = [pytest.mark.clients, pytest.mark.timeout(240)]

PROGRAM = """
import asyncio, os, sys, threading
os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"
import litellm
from llm_exporter import LLMMonitor
from llm_exporter.litellm import LiteLLMLogger

litellm.suppress_debug_info = True
LOGGER = LiteLLMLogger(LLMMonitor(sys.argv[1]), agent_name="A")
litellm.callbacks = [LOGGER]
STREAM = {"stream": True, "stream_options": {"include_usage": True}}
OPTIONS = {"api_base": sys.argv[2] + "/v1", "api_key": "k", "max_retries": 0}
HI = [{"role": "user", "content": "hi"}]

def call(model="gpt-4o-mini", **options):
    return litellm.completion("openai/" + model, HI, **OPTIONS, **options)

async def acall(model="gpt-4o-mini", **options):
    return await litellm.acompletion("openai/" + model, HI, **OPTIONS, **options)

async def gathered(count):
    await asyncio.gather(*(acall() for _ in range(count)))

async def read(most=100, **options):
    count = 0
    async for chunk in await acall(**{**STREAM, **options}):
        count += 1
        if count == most:
            break

async def cancelled():
    task = asyncio.create_task(acall("stuck"))
    while not LOGGER._attempts:
        await asyncio.sleep(0.01)
    await asyncio.sleep(0.2)
    task.cancel()
    await asyncio.wait([task])
"""

CANCELLED = {"calls_total cancelled": 1, "errors_total unknown": 1, "calls_usage_missing_total": 1}


def times(count: int) -> dict[str, Any]:
    return {name: pytest.approx(count * value) for name, value in ONE.items()}


PROGRAMS = {
    "one": ("asyncio.run(acall())", times(1)),
    "twenty at once": ("asyncio.run(gathered(20))", times(20)),
    "a stream": ("asyncio.run(read())", times(1)),
    "twenty streams at once": (
        "async def main(): await asyncio.gather(*(read() for _ in range(20)))\nasyncio.run(main())",
        times(20),
    ),
    "a stream that is left": ("asyncio.run(read(most=1))", CANCELLED),
    "a stream that is left at its last chunk": (
        "asyncio.run(read(most=3))",
        {"calls_total success": 1, "calls_usage_missing_total": 1},
    ),
    "a stream of which LiteLLM says that it has no usage": (
        "asyncio.run(read(stream_options=None))",
        {"calls_total success": 1, "calls_usage_missing_total": 1},
    ),
    "an exception": (
        "try: asyncio.run(acall('boom-500'))\nexcept litellm.InternalServerError: pass",
        {"calls_total error": 1, "errors_total InternalServerError": 1},
    ),
    "an exception that ends the program": (
        "asyncio.run(acall('boom-429'))",
        {"calls_total rate_limited": 1, "errors_total RateLimitError": 1},
    ),
    "a call that is cancelled": (
        "asyncio.run(cancelled())",
        CANCELLED,
    ),
    "two loops": ("asyncio.run(acall())\nasyncio.run(acall())", times(2)),
    "a loop in a thread": (
        "thread = threading.Thread(target=lambda: asyncio.run(acall()))\nthread.start()\nthread.join()",
        times(1),
    ),
    "a call": ("call()", times(1)),
    "a synchronous stream": ("for chunk in call(**STREAM): pass", times(1)),
    "a synchronous stream that is left": ("for chunk in call(**STREAM): break", CANCELLED),
    "a synchronous failure": (
        "try: call('boom-429')\nexcept litellm.RateLimitError: pass",
        {"calls_total rate_limited": 1, "errors_total RateLimitError": 1},
    ),
    "three hundred in groups": ("for _ in range(15): asyncio.run(gathered(20))", times(300)),
}


class Models(ModelServer):
    """Answers at once, or after a while; the model ``stuck`` after half a minute."""

    delay = 0.0

    def answer(self, path: str, asked: Any) -> Any:
        answer = super().answer(path, asked)
        answer.delay = 30.0 if asked["model"] == "stuck" else self.delay
        return answer


@pytest.fixture
def models() -> Iterator[ModelServer]:
    server = Models()
    yield server
    server.close()


@pytest.mark.parametrize("delay", [0.0, 0.05], ids=["at once", "late"])
@pytest.mark.parametrize("name", PROGRAMS)
def test_programs(exporter: Any, models: Models, run_script: Any, name: str, delay: float) -> None:
    models.delay = delay
    program, expected = PROGRAMS[name]
    run_script(PROGRAM + program, exporter.url, models.url, timeout=120.0)
    assert exporter.counts("A") == expected
    rejected = [v for s, v in exporter.samples().items() if s.startswith("llm_exporter_records_rejected_total")]
    assert sum(rejected) == 0


def test_a_forked_child_counts_its_own_calls_alone(exporter: Any, models: Models, run_script: Any) -> None:
    if not hasattr(os, "fork"):
        pytest.skip("there is no fork here")
    program = """
stream = call(**STREAM)
next(stream)
child = os.fork()
if child == 0:
    call()
    sys.exit()
os.waitpid(child, 0)
for chunk in stream: pass
"""
    result = run_script(PROGRAM + program, exporter.url, models.url, timeout=60.0)
    assert result.returncode == 0, result.stderr
    assert exporter.counts("A") == times(2)


def test_a_worker_of_multiprocessing(exporter: Any, models: Models, run_script: Any) -> None:
    program = """
import multiprocessing

def work(number):
    asyncio.run(acall())

if __name__ == "__main__":
    context = multiprocessing.get_context("fork")
    worker = context.Process(target=work, args=(0,))
    worker.start()
    worker.join()
"""
    result = run_script(PROGRAM + program, exporter.url, models.url, timeout=60.0)
    assert result.returncode == 0, result.stderr
    assert exporter.counts("A") == times(1)
