"""Fixtures: fresh exporters, so that every total is exact, each of which must stop cleanly; figures to report."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from exporter import BINARY, Exporter
from monitored import Monitored

FIGURES = pytest.StashKey[list[str]]()


def pytest_configure(config: pytest.Config) -> None:
    config.stash[FIGURES] = []


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begins with the files that take longest, so that no process is left with one of them when the others are done.

    scripts/end-to-end gives whole files to processes, in the order of their first tests.
    """
    items.sort(key=lambda item: (item.path.parent.name != "storage", not item.get_closest_marker("heavy")))


def pytest_sessionfinish(session: pytest.Session) -> None:
    # One of several processes hands its figures to the one that reports.
    if hasattr(session.config, "workeroutput"):
        session.config.workeroutput["figures"] = session.config.stash[FIGURES]


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    node.config.stash[FIGURES] += getattr(node, "workeroutput", {}).get("figures", [])


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    if config.stash[FIGURES]:
        terminalreporter.section("figures")
        for line in config.stash[FIGURES]:
            terminalreporter.write_line(line)


def pytest_sessionstart(session: pytest.Session) -> None:
    # A terminated run unwinds like an interrupted one, so that fixtures end what they started.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    if not BINARY.is_file() and not session.config.option.collectonly:
        pytest.exit(f"no program at {BINARY}: build it with `make build`, or set LLM_EXPORTER_BIN", returncode=4)


@pytest.fixture
def start() -> Iterator[Callable[..., Exporter]]:
    """Starts exporters with flags of the test's own. At its end those that still run must stop cleanly."""
    started: list[Exporter] = []

    def starting(*flags: str, **options: Any) -> Exporter:
        started.append(Exporter(*flags, **options))
        return started[-1]

    yield starting
    try:
        for exporter in started:
            if exporter.process.returncode is None:
                exporter.stop()
    finally:
        for exporter in started:
            exporter.kill()


@pytest.fixture
def exporter(start: Callable[..., Exporter]) -> Exporter:
    """An exporter that has seen nothing."""
    return start()


@pytest.fixture(scope="module")
def standing() -> Iterator[Exporter]:
    """One exporter for all tests of a file that name their own agents or change nothing."""
    exporter = Exporter()
    yield exporter
    exporter.stop()


@pytest.fixture(scope="session")
def figures(request: pytest.FixtureRequest) -> Callable[[str], None]:
    """Takes a line that a test has measured, to be shown at the end of the run."""
    return request.config.stash[FIGURES].append


@pytest.fixture(scope="session")
def monitored() -> Iterator[Monitored]:
    """One filled exporter under a real Prometheus and Alertmanager, for all tests that only query them."""
    everything = Monitored()
    yield everything
    everything.close()


@pytest.fixture(scope="module", params=["classic", "native"])
def watched(request: pytest.FixtureRequest) -> Iterator[Monitored]:
    """The same under a Prometheus that keeps histograms of this kind."""
    if request.param == "classic":
        yield request.getfixturevalue("monitored")
        return
    everything = Monitored(request.param)
    yield everything
    everything.close()
