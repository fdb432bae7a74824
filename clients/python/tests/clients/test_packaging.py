"""The wheel and the sdist: what is in them, and that what is installed from them works."""

from __future__ import annotations

import email
import email.message
import shutil
import subprocess
import sys
import tarfile
import venv
import zipfile
from pathlib import Path
from typing import Any

import pytest

from llm_exporter import __version__
from peers import Exporter, installed

installed("build")
installed("twine")
pytestmark = [pytest.mark.clients, pytest.mark.timeout(300)]

HERE = Path(__file__).resolve().parents[2]
SOURCES = HERE / "src" / "llm_exporter"
MODULES = sorted(str(path.relative_to(SOURCES)) for path in SOURCES.rglob("*") if path.suffix in (".py", ".typed"))
RECORD = """
import sys
import llm_exporter
from llm_exporter import LLMCallMetrics, LLMMonitor, Statistics
monitor = LLMMonitor(sys.argv[1], spool_dir=sys.argv[2])
monitor.record_metric(LLMCallMetrics("A", "openai", "gpt", input_tokens=3, output_tokens=4, cost_usd=0.5))
with monitor.monitor_llm_call("A", "openai", "gpt") as call: call.metrics.input_tokens = 1
assert monitor.close()
assert monitor.statistics() == Statistics(recorded=3, sent=3), monitor.statistics()
assert sys.prefix in llm_exporter.__file__, llm_exporter.__file__
print(llm_exporter.__version__)
"""


@pytest.fixture(autouse=True)
def no_other_host() -> None:
    """In place of the fixture of this name: pip needs the index."""


def run(*command: Any, **options: Any) -> str:
    ran = subprocess.run([str(part) for part in command], capture_output=True, text=True, **options)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    return ran.stdout + ran.stderr


@pytest.fixture(scope="module")
def dist(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder with both, built from a copy, as building leaves files beside the sources."""
    folder = tmp_path_factory.mktemp("packaging")
    ignored = shutil.ignore_patterns(".venvs", "build", "dist", "*.egg-info", "__pycache__", ".*_cache")
    shutil.copytree(HERE, folder / "source", ignore=ignored)
    said = run(sys.executable, "-m", "build", "--outdir", folder / "dist", folder / "source")
    assert "Deprecat" not in said, said
    return folder / "dist"


@pytest.fixture(scope="module")
def wheel(dist: Path) -> Path:
    (path,) = dist.glob("*.whl")
    return path


@pytest.fixture(scope="module")
def sdist(dist: Path) -> Path:
    (path,) = dist.glob("*.tar.gz")
    return path


def test_both_have_the_names_of_the_version_and_pass_the_check_of_the_index(dist: Path) -> None:
    names = {path.name for path in dist.iterdir()}
    assert names == {f"llm_exporter-{__version__}-py3-none-any.whl", f"llm_exporter-{__version__}.tar.gz"}
    said = run(sys.executable, "-m", "twine", "--no-color", "check", "--strict", *dist.iterdir())
    assert said.count("PASSED") == 2


def test_the_wheel_holds_the_modules_the_marker_of_types_and_the_license(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
        (license_name,) = [name for name in names if name.endswith("/LICENSE")]
        assert archive.read(license_name) == (HERE / "LICENSE").read_bytes()
        (metadata_name,) = [name for name in names if name.endswith("/METADATA")]
        metadata: email.message.Message = email.message_from_bytes(archive.read(metadata_name))
    assert sorted(name.partition("/")[2] for name in names if name.startswith("llm_exporter/")) == MODULES
    assert "py.typed" in MODULES
    assert metadata["Name"] == "llm-exporter" and metadata["Version"] == __version__
    assert metadata["Requires-Python"] == ">=3.9"
    assert metadata["License-Expression"] == "Apache-2.0"
    assert [required for required in metadata.get_all("Requires-Dist", []) if "extra ==" not in required] == []
    assert str(metadata.get_payload()).strip() == (HERE / "README.md").read_text().strip()


def test_the_sdist_holds_what_builds_it(sdist: Path) -> None:
    with tarfile.open(sdist) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    assert names >= {"README.md", "LICENSE", "pyproject.toml", *(f"src/llm_exporter/{name}" for name in MODULES)}
    assert not any(name.startswith("tests") for name in names)


@pytest.mark.parametrize("kind", ["wheel", "sdist"])
def test_what_is_installed_from_the_file_works(
    request: pytest.FixtureRequest, kind: str, exporter: Exporter, tmp_path: Path
) -> None:
    path = request.getfixturevalue(kind)
    venv.create(tmp_path / "venv", with_pip=True)
    python = tmp_path / "venv" / "bin" / "python"
    # A wheel needs no index. An sdist is built with setuptools.
    offline = ["--no-index"] if kind == "wheel" else []
    run(python, "-m", "pip", "install", "--disable-pip-version-check", *offline, path)
    said = run(python, "-W", "error", "-c", RECORD, exporter.url, tmp_path / "spool", cwd=tmp_path)
    assert said == f"{__version__}\n"
    assert exporter.calls("A") == 2
    run(python, "-m", "pip", "check")
