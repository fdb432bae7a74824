"""Imports: those of the package make no circle; one that fails names what is missing, and keeps its cause."""

from __future__ import annotations

import ast
import graphlib
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import llm_exporter
import peers

ROOT = Path(llm_exporter.__file__).parent


def name_of(path: Path) -> str:
    """A module's name within the package; empty for the package itself."""
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix("__init__").rstrip(".")


SOURCES = {name_of(path): path for path in ROOT.rglob("*.py")}


def imported(source: str, package: str = "") -> Iterator[str]:
    """The modules of the package that a module in `package` names in imports, in any place, also for types alone."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            found = [(alias.name, "") for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            folders = ["llm_exporter", *filter(None, package.split("."))]
            parts = folders[: len(folders) - node.level + 1] if node.level else []
            base = ".".join([*parts, *filter(None, [node.module])])
            found = [(base, alias.name) for alias in node.names]
        else:
            continue
        for module, name in found:
            if module.partition(".")[0] == "llm_exporter":
                inner = module.partition(".")[2]
                whole = f"{inner}.{name}".strip(".")
                yield whole if whole in SOURCES else inner


def test_the_imports_of_the_package_make_no_circle() -> None:
    graph = {
        name: set(imported(path.read_text(), name if path.stem == "__init__" else name.rpartition(".")[0]))
        for name, path in SOURCES.items()
    }
    assert graph["sending.sender"] > {"sending.worker", "sending.ledger"} and len(graph) > 30
    try:
        list(graphlib.TopologicalSorter(graph).static_order())
    except graphlib.CycleError as error:
        pytest.fail(" imports ".join(reversed(error.args[1])))


def test_every_way_to_import_is_seen() -> None:
    source = """
    import llm_exporter.call
    from llm_exporter.stream import Tap
    from llm_exporter import usage, LLMCall
    from .. import memory
    from ..metrics import LLMCallMetrics
    from . import record
    from .inbox import Inbox
    import os.path
    from collections import abc
    if TYPE_CHECKING:
        from ..monitor import LLMMonitor
    def late():
        from .spool import Spool
    """
    seen = set(imported(textwrap.dedent(source), "sending"))
    own = {"sending.record", "sending.inbox", "sending.spool"}
    assert seen == {"", "call", "stream", "usage", "memory", "metrics", "monitor"} | own


TRY = """
import sys
sys.path.insert(0, sys.argv[1])
try:
    import llm_exporter.litellm
except ImportError as error:
    print(type(error).__name__, error.name, error.__cause__ is not None, error, sep="|")
"""


@pytest.fixture
def importing(tmp_path: Path, run_script: Any) -> Any:
    """Imports the logger for LiteLLM beside packages of these sources; the kind, name, cause and text of its error."""

    def run(sources: dict[str, str]) -> list[str]:
        for name, source in sources.items():
            path = tmp_path / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(textwrap.dedent(source))
        ran = run_script(TRY, str(tmp_path))
        assert ran.returncode == 0, ran.stderr
        return str(ran.stdout).rstrip().split("|")

    return run


PACKAGE, PART, HOOK = "litellm/__init__.py", "litellm/integrations/__init__.py", "litellm/integrations/custom_logger.py"


def test_a_package_that_is_missing(importing: Any) -> None:
    if peers.is_installed("litellm"):
        pytest.skip("LiteLLM is installed")
    text = "llm_exporter.litellm needs LiteLLM: pip install litellm"
    assert importing({}) == ["ModuleNotFoundError", "litellm", "True", text]


@pytest.mark.parametrize("where", [PACKAGE, HOOK])
def test_a_package_whose_own_import_is_missing(importing: Any, where: str) -> None:
    kind, name, cause, text = importing({PACKAGE: "", PART: "", where: "import tokenizers_that_is_missing"})
    assert (kind, name, cause) == ("ModuleNotFoundError", "tokenizers_that_is_missing", "True")
    assert "LiteLLM is installed" in text and "No module named 'tokenizers_that_is_missing'" in text
    assert "pip install" not in text


def test_a_package_that_asks_for_an_extra_of_its_own(importing: Any) -> None:
    source = """
    try:
        import fastapi_that_is_missing
    except ImportError as error:
        raise ImportError("run `pip install 'litellm[proxy]'`") from error
    """
    kind, _, cause, text = importing({PACKAGE: source})
    assert (kind, cause) == ("ImportError", "True")
    assert text == "LiteLLM is installed but cannot be imported: run `pip install 'litellm[proxy]'`"


def test_a_part_of_a_package_that_is_broken(importing: Any) -> None:
    source = "from json import a_name_that_is_missing"
    kind, name, cause, text = importing({PACKAGE: "", PART: "", HOOK: source})
    assert (kind, name, cause) == ("ImportError", "json", "True")
    assert "LiteLLM is installed" in text and "a_name_that_is_missing" in text


def test_a_version_that_has_no_such_part(importing: Any) -> None:
    text = "llm_exporter.litellm needs another version of LiteLLM: the installed one has no litellm.integrations"
    assert importing({PACKAGE: ""}) == ["ModuleNotFoundError", "litellm.integrations", "True", text]


def test_a_module_that_has_the_name_of_the_package(importing: Any) -> None:
    kind, name, _, text = importing({"litellm.py": ""})
    assert (kind, name) == ("ModuleNotFoundError", "litellm.integrations") and "pip install" not in text


@pytest.mark.parametrize("module", ["fcntl", "zlib"])
def test_a_spool_that_cannot_be_imported(run_script: Any, module: str) -> None:
    ran = run_script(
        f"""
import sys
sys.modules["{module}"] = None
from llm_exporter import LLMMonitor
LLMMonitor("http://127.0.0.1:9", spool_dir="/nowhere").close(0)
"""
    )
    assert ran.returncode == 0
    assert ran.stderr == (
        f"cannot use a spool (import of {module} halted; None in sys.modules): records stay in memory\n"
    )


def test_a_broken_package_is_no_reason_to_skip_its_tests(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "broken_package.py").write_text("import missing_dependency")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(ModuleNotFoundError, match="missing_dependency"):
        peers.installed("broken_package")
    for name in ("missing_package", "missing_package.part", "json.missing_part"):
        with pytest.raises(pytest.skip.Exception, match=name):
            peers.installed(name)
    assert peers.installed("json.decoder").JSONDecoder
