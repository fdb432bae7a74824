"""Fixtures: fresh exporters, so that every total is exact, and each ends as it should; figures to report."""

from __future__ import annotations

import signal
from typing import Callable, Iterator

import pytest

from exporter import BINARY, Exporter
from monitored import Monitored

FIGURES = pytest.StashKey[list[str]]()


def pytest_configure(config: pytest.Config) -> None:
    config.stash[FIGURES] = []


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

    def starting(*flags: str, **options: object) -> Exporter:
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
    """One exporter for all tests of a file, for those that name their own agents or change nothing."""
    exporter = Exporter()
    yield exporter
    exporter.stop()


@pytest.fixture(scope="session")
def figures(request: pytest.FixtureRequest) -> Callable[[str], None]:
    """Takes a line of what a test has measured, to be shown at the end of the run."""
    return request.config.stash[FIGURES].append


@pytest.fixture(scope="session")
def monitored() -> Iterator[Monitored]:
    """One filled exporter under a real Prometheus and Alertmanager, for all tests that only ask."""
    everything = Monitored()
    yield everything
    everything.close()
