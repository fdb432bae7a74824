"""The documents of the repository, and the commands in them."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from exporter import BINARY, ROOT

DOCUMENTS = sorted(path for path in [*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md"),
                                     *ROOT.glob("clients/*/README.md"),
                                     ROOT / "examples" / "README.md"])
BLOCK = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


class Example(NamedTuple):
    """A command, and what the document says that it answers, if it does."""

    command: str
    answer: str | None


def examples(path: Path, heading: str | None = None) -> Iterator[Example]:
    """The `sh` blocks of a document, or of one of its sections; an answer is the `json` or `text` block behind one."""
    text = path.read_text()
    if heading is not None:
        section = re.search(rf"^#+ {re.escape(heading)}$(.*?)(?=^## |\Z)", text, re.MULTILINE | re.DOTALL)
        assert section, f"{path}: no section {heading}"
        text = section[1]
    blocks = BLOCK.findall(text)
    for place, (language, content) in enumerate(blocks):
        if language == "sh":
            following = blocks[place + 1] if place + 1 < len(blocks) else ("", "")
            yield Example(content, following[1] if following[0] in ("json", "text") else None)


def run(example: Example, addresses: dict[str, str], folder: Path) -> str:
    """Runs it as a reader would, but for the addresses, and holds its answer against the document's."""
    command = example.command
    for documented, actual in addresses.items():
        command = command.replace(documented, actual)
    done = subprocess.run(["bash", "-euo", "pipefail", "-c", command], cwd=folder, capture_output=True, text=True,
                          timeout=60, env={"PATH": f"{BINARY.parent}:/usr/sbin:/usr/bin:/sbin:/bin"})
    assert done.returncode == 0, (command, done.stdout, done.stderr)
    if example.answer is not None:
        # An ellipsis stands for what differs from run to run.
        pattern = ".*?".join(map(re.escape, example.answer.strip().split("…")))
        assert re.fullmatch(pattern, done.stdout.strip(), re.DOTALL), (command, done.stdout, example.answer)
    return done.stdout


def anchors(path: Path) -> set[str]:
    """Of its headings, as GitHub makes them."""
    headings = re.findall(r"^#+ (.+)$", BLOCK.sub("", path.read_text()), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.replace("`", "")).strip().lower().replace(" ", "-") for heading in headings}
