"""The repository's examples, run as they stand: what the exporter shows is what the model server answered."""

from __future__ import annotations

import os
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest

from model_server import EXAMPLES, examples
from peers import eventually

pytestmark = [pytest.mark.clients, pytest.mark.timeout(120)]


@pytest.fixture
def steady() -> Iterator[Any]:
    server = examples.ModelServer(steady=True)
    yield server
    server.close()


@pytest.fixture
def faulty() -> Iterator[Any]:
    server = examples.ModelServer()
    yield server
    server.close()


def environment(exporter: Any, models: Any) -> dict[str, str]:
    return {
        **os.environ,
        "LLM_EXPORTER_URL": exporter.url,
        "OPENAI_BASE_URL": f"{models.url}/v1",
        "OPENAI_API_KEY": "none",
        "ANTHROPIC_BASE_URL": models.url,
        "ANTHROPIC_API_KEY": "none",
        "NO_PROXY": "127.0.0.1",
    }


def run(path: str, exporter: Any, models: Any) -> str:
    command = [sys.executable, str(EXAMPLES / path)]
    ran = subprocess.run(command, env=environment(exporter, models), capture_output=True, text=True, timeout=90)
    assert ran.returncode == 0, ran.stderr
    return ran.stdout


def billed(models: Any, model: str) -> dict[str, float]:
    """The counts that the exporter should have of a model, by its families, computed from the answers alone."""
    answered = [call for call in models.calls if call["model"] == model and call["outcome"] == "answered"]
    told = [call for call in answered if call["usage_told"]]
    sums: Counter[str] = Counter()
    for call in told:
        sums["input"] += call["input_tokens"] - call["cache_read_tokens"] - call["cache_write_tokens"]
        sums["cache_read"] += call["cache_read_tokens"]
        sums["cache_write"] += call["cache_write_tokens"]
        sums["output"] += call["output_tokens"] - call["reasoning_tokens"]
        sums["reasoning"] += call["reasoning_tokens"]
    counts = {
        "calls_total success": len(answered),
        "calls_usage_missing_total": len(answered) - len(told),
        "tokens_total": sum(sums.values()),
        **{f"token_usage_total {kind}": tokens for kind, tokens in sums.items()},
    }
    return {name: float(value) for name, value in counts.items() if value}


#: US dollars for a million tokens: uncached input, cache reads, cache writes, output with reasoning.
PRICES = {
    "gpt-4o-mini": (0.15, 0.075, 0, 0.60),
    "gpt-4.1-mini": (0.40, 0.10, 0, 1.60),
    "gpt-5-mini": (0.25, 0.025, 0, 2.00),
    "claude-haiku-4-5": (1.00, 0.10, 1.25, 5.00),
    "claude-sonnet-4-5": (3.00, 0.30, 3.75, 15.00),
}


def cost(counts: dict[str, float], model: str) -> Any:
    kinds = [counts.get(f"token_usage_total {kind}", 0) for kind in ("input", "cache_read", "cache_write", "output")]
    kinds[3] += counts.get("token_usage_total reasoning", 0)
    return pytest.approx(sum(rate * tokens for rate, tokens in zip(PRICES[model], kinds)) / 1e6, rel=1e-9)


def whole_bill(models: Any, model: str) -> dict[str, Any]:
    counts = billed(models, model)
    return {**counts, "cost_usd_total": cost(counts, model)}


def test_openai_sdk(exporter: Any, steady: Any) -> None:
    said = run("openai_sdk.py", exporter, steady)
    assert "recorded=8" in said and "sent=8" in said  # four starts and four ends
    assert len(steady.calls) == 4
    assert exporter.counts("OpenAIExample") == whole_bill(steady, "gpt-4o-mini")


def test_anthropic_sdk(exporter: Any, steady: Any) -> None:
    run("anthropic_sdk.py", exporter, steady)
    assert len(steady.calls) == 5
    counts = exporter.counts("AnthropicExample")
    assert counts == whole_bill(steady, "claude-haiku-4-5")
    assert counts["token_usage_total cache_write"] == counts["token_usage_total cache_read"] > 1000


def test_litellm_logger(exporter: Any, steady: Any) -> None:
    run("litellm_logger.py", exporter, steady)
    assert [call["stream"] for call in steady.calls] == [False, False, True]
    agents = exporter.summary()["agents"]
    assert {name: agent["calls"] for name, agent in agents.items()} == {"LiteLLMExample": 2, "LiteLLMStreamer": 1}
    bills = [whole_bill(steady, model) for model in ("gpt-4o-mini", "claude-haiku-4-5")]
    for name in ("tokens_total", "token_usage_total input", "token_usage_total output"):
        counted = sum(exporter.counts(agent)[name] for agent in agents)
        assert counted == sum(bill[name] for bill in bills), name
    total = sum(bill["cost_usd_total"].expected for bill in bills)
    assert exporter.summary()["total_cost_usd"] == pytest.approx(total, rel=1e-9)


def test_opentelemetry_agent(traces: Any, steady: Any) -> None:
    run("opentelemetry_agent.py", traces, steady)
    assert len(steady.calls) == 2
    assert traces.counts("OpenTelemetryExample") == whole_bill(steady, "gpt-4o-mini")


def test_fastapi_service(exporter: Any, faulty: Any) -> None:
    def post(diff: str) -> int:
        body = b'{"diff": "%s"}' % diff.encode()
        request = urllib.request.Request(f"{url}/review", body, {"Content-Type": "application/json"})
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:
                assert b'"usage"' in answer.read()
                return int(answer.status)
        except urllib.error.HTTPError as error:
            return error.code

    command = [sys.executable, "-m", "uvicorn", "fastapi_service:app", "--app-dir", str(EXAMPLES), "--port", "0"]
    service = subprocess.Popen(
        command, env=environment(exporter, faulty), stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True
    )
    try:
        assert service.stderr is not None
        url = next(w for line in service.stderr if "running on" in line for w in line.split() if w.startswith("http"))
        assert [post("+ a = 1"), post("+ b = 2"), post("+ c = 3")] == [200, 502, 200]  # the second is a rate limit
        assert post('"') == 422  # FastAPI's own: the endpoint did not run
        with urllib.request.urlopen(f"{url}/metrics", timeout=10) as answer:
            assert answer.headers["Content-Type"].startswith("text/plain; version=0.0.4")
            lines = answer.read().decode().splitlines()
    finally:
        service.terminate()
        service.wait(20)
    labels = 'agent_name="ReviewService",provider="openai",model="gpt-4o-mini"'
    assert f'llm_calls_total{{{labels},status="success"}} 2' in lines
    assert f'llm_calls_total{{{labels},status="rate_limited"}} 1' in lines
    assert 'llm_active_calls{agent_name="ReviewService"} 0' in lines
    assert exporter.counts("ReviewService") == {
        **whole_bill(faulty, "gpt-4o-mini"),
        "calls_total rate_limited": 1,
        "errors_total RateLimitError": 1,
    }


@pytest.mark.parametrize(
    ("program", "agent", "model", "failures"),
    [
        ("reviewer_gpt", "ReviewerGPT", "gpt-4o-mini", {"rate_limited": 1, "error": 1, "timeout": 1}),
        ("codesmith", "Codesmith", "acme-coder-7b", {"rate_limited": 1, "error": 1, "timeout": 1}),
        ("architect", "Architect", "gpt-5-mini", {"rate_limited": 1, "error": 1, "timeout": 1}),
        ("research", "Research", "claude-sonnet-4-5", {"rate_limited": 1, "error": 1}),
        ("responder", "Responder", "gpt-4.1-mini", {"rate_limited": 1, "error": 1, "timeout": 1, "cancelled": 1}),
    ],
)
def test_agents(exporter: Any, faulty: Any, program: str, agent: str, model: str, failures: dict[str, int]) -> None:
    began = time.monotonic()
    run(f"agents/{program}.py", exporter, faulty)
    seconds = time.monotonic() - began
    eventually(lambda: len(faulty.calls) == exporter.calls(agent))
    counts = exporter.counts(agent)
    told = {name.split()[1]: count for name, count in counts.items() if name.startswith("calls_total")}
    assert told == {"success": told["success"], **failures}
    errors = {name: counts.pop(name) for name in list(counts) if name.startswith("errors_total")}
    assert sum(errors.values()) == sum(failures.values())
    expected = billed(faulty, model)
    # A provider may bill a call that its client gave up.
    given_up = failures.get("timeout", 0) + failures.get("cancelled", 0)
    if given_up:
        expected["calls_usage_missing_total"] = expected.get("calls_usage_missing_total", 0) + given_up
    if model in PRICES:
        expected["cost_usd_total"] = cost(expected, model)
    assert {name: value for name, value in counts.items() if name.split()[-1] not in failures} == expected
    samples = exporter.samples()
    assert samples[f'llm_active_calls{{agent_name="{agent}"}}'] == 0
    latency = sum(v for s, v in samples.items() if s.startswith("llm_latency_seconds_sum"))
    assert 0 < latency < (seconds if program != "research" else 5 * seconds)  # whose calls run side by side
    if program == "codesmith":
        # No table has a price for it.
        unpriced = samples['llm_calls_unpriced_total{provider="acme",model="acme-coder-7b"}']
        assert unpriced == told["success"] + given_up - counts["calls_usage_missing_total"] > 0
        assert counts["calls_usage_missing_total"] > given_up
    if program == "reviewer_gpt":
        assert counts["token_usage_total cache_read"] > 1000
    if program == "architect":
        assert counts["token_usage_total reasoning"] > 0
