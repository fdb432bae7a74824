"""Runs tests/clients with the real packages, each in a virtual environment of its own.

    LLM_EXPORTER_BIN=.../llm-exporter python tests/client_venvs.py [NAME ...]
    python tests/client_venvs.py --names

The environments stay in .venvs, so that a second run installs nothing. Packages come from where pip looks.
"""

from __future__ import annotations

import subprocess
import sys
import venv
from pathlib import Path
from typing import NamedTuple

HERE = Path(__file__).resolve().parent
OTLP = ["opentelemetry-sdk", "opentelemetry-exporter-otlp-proto-http"]


class Environment(NamedTuple):
    packages: list[str]
    tests: list[str]
    without_dependencies: tuple[str, ...] = ()


ENVIRONMENTS = {
    "openai": Environment(
        ["instructor", "openai"], ["test_openai.py", "test_instructor.py", "test_examples.py::test_openai_sdk"]
    ),
    "anthropic": Environment(["anthropic"], ["test_anthropic.py", "test_examples.py::test_anthropic_sdk"]),
    "clouds": Environment(["boto3", "google-genai"], ["test_google_genai.py", "test_bedrock.py"]),
    "langchain": Environment(
        ["langchain", "langchain-anthropic", "langchain-openai"],
        ["test_langchain.py", "test_langchain_models.py", "test_langgraph.py"],
    ),
    "llama-index": Environment(
        ["dspy", "llama-index-core", "llama-index-llms-openai"], ["test_llama_index.py", "test_dspy.py"]
    ),
    "litellm": Environment(
        # tenacity is what LiteLLM's retries need. The rest is here for its exceptions.
        ["litellm==1.110.2", "tenacity", "anthropic", "boto3", "cohere", "google-genai", *OTLP],
        [
            "test_failures.py",
            "test_litellm.py",
            "test_litellm_exit.py",
            "test_litellm_router.py",
            "test_litellm_generic_api.py",
            "test_examples.py::test_litellm_logger",
            "test_connect.py::test_litellm",
        ],
    ),
    # Older than the other: what the proxy of a new version needs comes to indexes later than the version itself.
    "litellm-proxy": Environment(["litellm[proxy]==1.106.2", "openai"], ["test_litellm_proxy.py"]),
    "opentelemetry": Environment(
        ["openai", "opentelemetry-instrumentation-openai==0.62.4", *OTLP],
        [
            "test_opentelemetry.py",
            "test_examples.py::test_opentelemetry_agent",
            "test_connect.py::test_openllmetry",
            "test_connect.py::test_openllmetry_reports_streams_without_reasoning",
        ],
    ),
    # It asks for the instrumentations of fourteen web frameworks, all of one version: an index that lags behind with
    # one of them cannot install it. Its instrumentations of anthropic and openai need these only.
    "openlit": Environment(
        [
            "anthropic",
            "openai",
            "opentelemetry-instrumentation",
            "pydantic",
            "requests",
            "schedule",
            "xmltodict",
            *OTLP,
        ],
        [
            "test_openlit.py",
            "test_connect.py::test_openlit",
            "test_connect.py::test_openlit_with_anthropic",
            "test_connect.py::test_openlit_reports_reasoning_of_responses",
        ],
        ("openlit==1.45.0",),
    ),
    "pydantic-ai": Environment(
        ["openai-agents", "pydantic-ai-slim[anthropic,openai]", *OTLP],
        ["test_pydantic_ai.py", "test_pydantic_ai_calls.py", "test_openai_agents.py"],
    ),
    # The programs are in the packages.
    "coding-agents": Environment(
        ["claude-agent-sdk", "openai-codex"],
        [
            "test_connect.py::test_claude_code",
            "test_connect.py::test_claude_code_reports_a_failed_call_once",
            "test_connect.py::test_claude_code_with_traces_beside_logs",
            "test_connect.py::test_codex",
        ],
    ),
    "tracers": Environment(
        [
            "arize-phoenix-otel",
            "langchain-openai",
            "langfuse",
            "langgraph",
            "langsmith[otel]",
            "logfire",
            # Its OpenAI integration needs pandas, which the skinny package leaves out with the rest of what is large.
            "mlflow-skinny",
            "pandas",
            "openai",
            "openai-agents",
            "openinference-instrumentation-langchain",
            "openinference-instrumentation-openai",
            "openinference-instrumentation-openai-agents",
            "opentelemetry-instrumentation-langchain",
            "pydantic-ai-slim[openai]",
            *OTLP,
        ],
        ["test_connect.py"],
    ),
    # Instrumentations that report the same calls, in one program.
    "stacked": Environment(
        [
            "anthropic",
            "langchain-openai",
            "logfire",
            "openai-agents",
            "openinference-instrumentation-anthropic",
            "openinference-instrumentation-langchain",
            "openinference-instrumentation-openai",
            "openinference-instrumentation-openai-agents",
            "opentelemetry-instrumentation-langchain",
            "opentelemetry-instrumentation-openai",
            *OTLP,
        ],
        ["test_stacked.py"],
    ),
    # Apart from the tracers, as Google's kit needs other versions of what they need.
    "agent-kits": Environment(
        ["google-adk", "litellm", "strands-agents[openai,otel]", *OTLP],
        ["test_connect.py::test_google_adk", "test_connect.py::test_strands"],
    ),
    "fastapi": Environment(["fastapi", "openai", "uvicorn"], ["test_examples.py::test_fastapi_service"]),
    "gunicorn": Environment(["gunicorn"], ["test_gunicorn.py"]),
    "packaging": Environment(["build", "twine"], ["test_packaging.py"]),
    "demo": Environment(["anthropic", "openai"], ["test_examples.py::test_agents", "test_demo.py"]),
}


def install(name: str) -> Path:
    """Makes the environment, unless it is there with all that is wanted now; its interpreter."""
    environment, folder = ENVIRONMENTS[name], HERE.parent / ".venvs" / name
    python, installed = folder / "bin" / "python", folder / "installed"
    wanted = repr((environment.packages, environment.without_dependencies))
    if not installed.exists() or installed.read_text() != wanted or not python.exists():
        print(f"installing {', '.join([*environment.packages, *environment.without_dependencies])}", flush=True)
        venv.create(folder, with_pip=True, clear=True)
        pip = [str(python), "-m", "pip", "install", "-q", "--disable-pip-version-check", "--no-input"]
        own = ["pytest>=7", "pytest-timeout>=2", "-e", str(HERE.parent)]
        subprocess.run([*pip, *environment.packages, *own], check=True)
        if environment.without_dependencies:
            subprocess.run([*pip, "--no-deps", *environment.without_dependencies], check=True)
        installed.write_text(wanted)
    return python


def main(names: list[str]) -> int:
    if names == ["--names"]:
        print("\n".join(ENVIRONMENTS))
        return 0
    failed = []
    for name in names or list(ENVIRONMENTS):
        python = install(name)
        for test in ENVIRONMENTS[name].tests:
            # One process each: some of these packages can be set up once only.
            command = [str(python), "-m", "pytest", "--color=no", "-q", "-rs", "-m", "clients", f"tests/clients/{test}"]
            if subprocess.run(command, cwd=HERE.parent).returncode != 0:
                failed.append(f"{name}: {test}")
    print("failed: " + ", ".join(failed) if failed else "all passed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
