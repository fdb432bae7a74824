"""The model server of the examples, except that it always reports the same usage.

OpenAI: 1200 tokens in, of which 1024 were cached; 34 out, of which 10 were reasoning. Anthropic: 176 in beside 1024
read from and 512 written to its cache; 34 out. A model ``boom-NNN`` is answered with that HTTP status, ``slow`` after a
second, ``broken`` with a stream that ends in an error.
"""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

EXAMPLES = Path(__file__).resolve().parents[4] / "examples"


def _example(name: str) -> Any:
    # By its path: both files have one name.
    spec = importlib.util.spec_from_file_location(f"examples_{name}", EXAMPLES / f"{name}.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


examples = _example("model_server")


class ModelServer(examples.ModelServer):  # type: ignore[name-defined]  # a module that is loaded by its path
    def answer(self, path: str, asked: Any) -> Any:
        model = asked["model"]
        writes = 512 if path.endswith("/messages") else 0
        return examples.Answer(
            ["Hel", "lo"],
            input_tokens=1200 + writes,
            cache_read_tokens=1024,
            cache_write_tokens=writes,
            output_tokens=34,
            reasoning_tokens=0 if writes else 10,
            status=int(model[5:8]) if model.startswith("boom-") else 200,
            delay=1.0 if model == "slow" else 0.0,
            breaks=model == "broken",
        )
