"""Runs senders as docs/connect.md says, and compares what the exporter shows with what the model server served."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from model_server import EXAMPLES

DOCUMENT = EXAMPLES.parent / "docs" / "connect.md"
#: What the document says of the exporter's address and of the agent's name.
ADDRESS, AGENT = "http://127.0.0.1:10140", "ReviewerGPT"
#: No program of a test reaches another host: a proxy on a port where nothing listens stands before them.
NOWHERE = dict.fromkeys(("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"), "http://127.0.0.1:9")


def blocks(language: str, heading: str) -> list[str]:
    """The document's blocks of that language below that heading."""
    section = DOCUMENT.read_text().partition(f"\n## {heading}\n")[2].partition("\n## ")[0]
    return blocks_of(language, section)


def blocks_of(language: str, text: str) -> list[str]:
    found = re.findall(rf"^```{language}\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    assert found, f"there is no block of {language}"
    return found


def the_three_variables() -> str:
    """The first block of the document, which most senders need."""
    return blocks_of("sh", DOCUMENT.read_text())[0]


def opentelemetry() -> str:
    """The block that sets up OpenTelemetry in a Python program."""
    (setup,) = blocks("python", "OpenTelemetry in Python")
    return setup


class Sender:
    """A folder that is the home of the sender's processes, and the servers that they know."""

    def __init__(self, exporter: Any, models: Any, home: Path) -> None:
        self.exporter, self.models, self.home = exporter, models, home

    def at_the_exporter(self, text: str) -> str:
        return text.replace(ADDRESS, self.exporter.url)

    def shell(self, script: str, *folders: Path, **variables: str) -> None:
        """Runs it; programs are found in `folders` first."""
        environment = {
            "PATH": os.pathsep.join([*map(str, folders), "/usr/local/bin", "/usr/bin", "/bin"]),
            "HOME": str(self.home),
            "OPENAI_API_KEY": "none",
            "OPENAI_BASE_URL": f"{self.models.url}/v1",
            "ANTHROPIC_API_KEY": "none",
            "ANTHROPIC_BASE_URL": self.models.url,
            **NOWHERE,
            "NO_PROXY": "127.0.0.1",
            **variables,
        }
        ran = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", self.at_the_exporter(script)],
            env=environment,
            cwd=self.home,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=100,
        )
        assert ran.returncode == 0, ran.stdout + ran.stderr

    def python(self, *parts: str, variables: str | None = None) -> None:
        """Runs a Python program of those parts, with the three variables of the document or with others."""
        program = self.home / "program.py"
        program.write_text(self.at_the_exporter("\n".join(parts)))
        script = the_three_variables() if variables is None else variables
        # A download of LiteLLM's that has a copy in its package.
        self.shell(f'{script}\n"{sys.executable}" "{program}"', LITELLM_LOCAL_MODEL_COST_MAP="True")

    def agents(self) -> set[str]:
        return set(self.exporter.summary()["agents"])

    def merged(self) -> float:
        """Reports that the exporter took for further ones of a call."""
        return sum(
            value for name, value in self.exporter.samples().items() if name.startswith("llm_exporter_merged_reports")
        )

    def shown(self) -> dict[str, float]:
        """Calls and tokens that the exporter shows of all agents and models together."""
        counts: Counter[str] = Counter()
        for series, value in self.exporter.samples().items():
            family, _, labels = series.partition("{")
            if family == "llm_calls_total":
                counts["calls" if 'status="success"' in labels else "failed calls"] += value
            elif family == "llm_calls_usage_missing_total":
                counts["calls without usage"] += value
            elif family == "llm_token_usage_total":
                counts[labels.partition('token_type="')[2].rstrip('"}')] += value
        return {name: value for name, value in counts.items() if value}

    def served(self, *, without: Iterable[str] = (), failed: int | None = None) -> dict[str, float]:
        """What the model server served.

        `without` are the kinds of tokens that the sender does not report as such: they stand in input or output.
        `failed` is the number of failed calls that the sender reports, if it is not that of the failed attempts.
        """
        counts: Counter[str] = Counter()
        for call in self.models.calls:
            if call["status"] != 200:
                counts["failed calls"] += 1
                continue
            counts["calls"] += 1
            if not call["usage_told"]:
                counts["calls without usage"] += 1
                continue
            whole = {"input": call["input_tokens"], "output": call["output_tokens"]}
            for kind, of in (("cache_read", "input"), ("cache_write", "input"), ("reasoning", "output")):
                if kind not in without:
                    counts[kind] += call[f"{kind}_tokens"]
                    whole[of] -= call[f"{kind}_tokens"]
            counts.update(whole)
        if failed is not None:
            counts["failed calls"] = failed
        return {name: float(value) for name, value in counts.items() if value}

    def served_by_responses_alone(self, *kinds: str) -> dict[str, float]:
        """What was served, but of chat completions without those kinds of tokens."""
        counts = self.served()
        for call in self.models.calls:
            if call["status"] == 200 and call["path"].endswith("/chat/completions"):
                for kind in kinds:
                    counts[kind] -= call[f"{kind}_tokens"]
                    counts["output" if kind == "reasoning" else "input"] += call[f"{kind}_tokens"]
        return counts
