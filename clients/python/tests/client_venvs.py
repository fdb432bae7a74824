"""Runs tests/clients with the real packages, each in a virtual environment of its own.

    LLM_EXPORTER_BIN=.../llm-exporter python tests/client_venvs.py [PACKAGE ...]

The environments stay in .venvs, so that a second run installs nothing. Packages come from where pip looks.
"""

from __future__ import annotations

import subprocess
import sys
import venv
from pathlib import Path

HERE = Path(__file__).resolve().parent
PACKAGES = {"openai": "openai", "anthropic": "anthropic", "litellm": "litellm==1.106.2", "langchain": "langchain-core"}


def main(names: list[str]) -> int:
    failed = []
    for name in names or list(PACKAGES):
        folder = HERE.parent / ".venvs" / name
        python = folder / "bin" / "python"
        if not (folder / "installed").exists():
            print(f"installing {PACKAGES[name]}", flush=True)
            venv.create(folder, with_pip=True, clear=True)
            wanted = [PACKAGES[name], "pytest>=7", "pytest-timeout>=2", "-e", str(HERE.parent)]
            subprocess.run([str(python), "-m", "pip", "install", "-q", *wanted], check=True)
            (folder / "installed").touch()
        test = HERE / "clients" / f"test_{name}.py"
        command = [str(python), "-m", "pytest", "-q", "-m", "clients", str(test)]
        if subprocess.run(command, cwd=HERE.parent).returncode != 0:
            failed.append(name)
    print("failed: " + ", ".join(failed) if failed else "all passed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
