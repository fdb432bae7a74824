"""An application that reports its calls by the Python client, with LiteLLM's proxy behind it, which reports them too.

`sources` names the one that counts; without it the calls count twice, and the exporter says so.
"""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from connecting import NOWHERE, Sender
from model_server import ModelServer
from peers import Exporter

pytestmark = [pytest.mark.clients, pytest.mark.timeout(240)]

CALLS = """
import sys
import openai
from llm_exporter import LLMMonitor

monitor = LLMMonitor(sys.argv[1], linger=0.01)
client = openai.OpenAI(base_url=sys.argv[2], api_key="sk-" + "0" * 32, max_retries=0)

@monitor.monitor_llm_call(agent_name="ReviewerGPT", provider="openai", model="gpt-4o-mini")
def ask(text):
    return client.chat.completions.create(model="gpt-4o-mini", messages=[{"role": "user", "content": text}])

for number in range(3):
    assert ask(f"question {number}").choices[0].message.content == "Hello"
assert monitor.flush()
"""


@pytest.fixture
def proxy(models: ModelServer, tmp_path: Path) -> Iterator[Any]:
    """Starts LiteLLM's proxy, with the exporter that its logger posts to, and returns its address."""
    for name in ("litellm", "fastapi"):
        if find_spec(name) is None:
            pytest.skip(f"{name} is not installed")
    started: list[subprocess.Popen[bytes]] = []

    def start(exporter: Exporter) -> str:
        with socket.create_server(("127.0.0.1", 0)) as listener:
            port = listener.getsockname()[1]
        configuration = tmp_path / "litellm.yaml"
        configuration.write_text(f"""
model_list:
  - model_name: gpt-4o-mini
    litellm_params: {{model: openai/gpt-4o-mini, api_base: "{models.url}/v1", api_key: none}}
litellm_settings: {{callbacks: [generic_api], num_retries: 0}}
""")
        environment = {
            "PATH": os.environ["PATH"],
            "HOME": str(tmp_path),
            "GENERIC_LOGGER_ENDPOINT": exporter.url + "/litellm",
            "GENERIC_LOGGER_HEADERS": "X-Agent-Name=ReviewerGPT",
            "LITELLM_MASTER_KEY": "sk-" + "0" * 32,
            "DEFAULT_FLUSH_INTERVAL_SECONDS": "1",
            "LITELLM_LOCAL_MODEL_COST_MAP": "True",
            **NOWHERE,
            "NO_PROXY": "127.0.0.1",
        }
        program = Path(sys.executable).with_name("litellm")
        arguments = [str(program), "--config", str(configuration), "--host", "127.0.0.1", "--port", str(port)]
        with (tmp_path / "proxy.log").open("wb") as log:
            started.append(subprocess.Popen(arguments, env=environment, cwd=tmp_path, stdout=log, stderr=log))
        deadline = time.monotonic() + 90
        while True:
            try:
                urllib.request.urlopen(f"http://127.0.0.1:{port}/health/liveliness", timeout=2).close()
                return f"http://127.0.0.1:{port}/v1"
            except OSError:
                assert started[-1].poll() is None and time.monotonic() < deadline, (tmp_path / "proxy.log").read_text()
                time.sleep(0.2)

    yield start
    for process in started:
        process.terminate()
        process.wait(30)


def run(sender: Sender, proxy: Any, *, accepted: int, uncounted: int) -> dict[str, float]:
    """What the exporter shows when both have reported three calls: so many records, starts among them, were taken."""
    program = sender.home / "agent.py"
    program.write_text(CALLS)
    address = proxy(sender.exporter)
    sender.shell(f'"{sys.executable}" "{program}" "{sender.exporter.url}" "{address}"')
    deadline = time.monotonic() + 30
    while True:
        samples = sender.exporter.samples()
        dropped = sum(samples[name] for name in samples if name.startswith("llm_exporter_uncounted_records_total"))
        if (samples["llm_exporter_records_accepted_total"], dropped) == (accepted, uncounted):
            break
        assert time.monotonic() < deadline, samples
        time.sleep(0.1)
    assert len(sender.models.calls) == 3
    return sender.shown()


@pytest.mark.parametrize("counted", ["litellm", "record"])
def test_sources_name_the_one_that_counts(
    exporter_program: str, models: ModelServer, proxy: Any, tmp_path: Path, counted: str
) -> None:
    configuration = tmp_path / "exporter.yaml"
    configuration.write_text(f"sources: [{{agent_name: ReviewerGPT, count: {counted}}}]\n")
    exporter = Exporter(exporter_program, None, "--config.file", str(configuration)).start()
    try:
        sender = Sender(exporter, models, tmp_path)
        assert run(sender, proxy, accepted=6, uncounted=3) == sender.served()
        other = {"litellm": "record", "record": "litellm"}[counted]
        assert exporter.samples()[f'llm_exporter_uncounted_records_total{{intake="{other}"}}'] == 3
    finally:
        exporter.kill()


def test_without_sources_the_calls_count_twice(sender: Sender, proxy: Any) -> None:
    assert run(sender, proxy, accepted=9, uncounted=0)["calls"] == 6
