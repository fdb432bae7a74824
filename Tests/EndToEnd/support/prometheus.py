"""A real Prometheus, and a real Alertmanager, as Debian packages them, with the repository's configuration."""

from __future__ import annotations

import json
import re
import signal
import socket
import subprocess
import tempfile
import urllib.parse
import urllib.request
from pathlib import Path
from typing import Any

from exporter import ROOT, Exporter, eventually

CONFIGURATION = ROOT / "prometheus.yml"
RULES = ROOT / "prometheus" / "rules.yml"
ALERTMANAGER = ROOT / "prometheus" / "alertmanager.yml"


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Server:
    """A process that is asked over HTTP on a free port of 127.0.0.1, with a folder of its own."""

    process: subprocess.Popen[bytes]

    def __init__(self, name: str):
        self.folder = tempfile.TemporaryDirectory(prefix=f"llm-exporter-{name}-")
        # Open as long as the process.
        self.log_file = Path(self.folder.name, "log").open("w")  # noqa: SIM115
        self.url = f"http://127.0.0.1:{free_port()}"

    @property
    def address(self) -> str:
        return self.url.removeprefix("http://")

    def spawn(self, *command: str) -> None:
        self.process = subprocess.Popen(command, stdout=self.log_file, stderr=self.log_file, stdin=subprocess.DEVNULL,
                                        cwd=self.folder.name)
        try:
            eventually(self.is_up, f"{command[0]} is up", within=30)
        except BaseException:
            self.stop()
            raise

    def is_up(self) -> bool:
        assert self.process.poll() is None, Path(self.folder.name, "log").read_text()
        try:
            return self.answers()
        except OSError:
            return False

    def answers(self) -> bool:
        raise NotImplementedError

    def stop(self) -> None:
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.log_file.close()
        self.folder.cleanup()

    def read(self, path: str, **parameters: Any) -> Any:
        address = f"{self.url}{path}?{urllib.parse.urlencode(parameters, doseq=True)}"
        with urllib.request.urlopen(address, timeout=10) as answer:
            return json.load(answer)


class Alertmanager(Server):
    """Runs with prometheus/alertmanager.yml as it is, and talks to no other."""

    def __init__(self):
        super().__init__("alertmanager")
        self.spawn("prometheus-alertmanager", f"--config.file={ALERTMANAGER}",
                   f"--storage.path={self.folder.name}/state", f"--web.listen-address={self.address}",
                   "--cluster.listen-address=")

    def answers(self) -> bool:
        return bool(self.read("/api/v2/status")["versionInfo"])

    def alerts(self) -> list[dict[str, Any]]:
        return self.read("/api/v2/alerts")


class Queried(Server):
    """A server that answers PromQL, as Prometheus and VictoriaMetrics do."""

    def get(self, path: str, **parameters: Any) -> Any:
        told = self.read(path, **parameters)
        assert told["status"] == "success", told
        return told["data"]

    def query(self, promql: str, time: float | None = None) -> list[dict[str, Any]]:
        """The result of an instant query, at `time` or now."""
        at = {} if time is None else {"time": f"{time:.3f}"}
        return self.get("/api/v1/query", query=promql, **at)["result"]

    def query_range(self, promql: str, start: float, end: float, step: float) -> list[dict[str, Any]]:
        return self.get("/api/v1/query_range", query=promql, start=f"{start:.3f}", end=f"{end:.3f}",
                        step=step)["result"]

    def by_agent(self, promql: str, time: float | None = None) -> dict[str, str]:
        return {s["metric"]["agent_name"]: s["value"][1] for s in self.query(promql, time)}


class Prometheus(Queried):
    """Scrapes and evaluates four times a second: only addresses and intervals differ from the repository's files.

    With `native` it asks for protobuf and keeps native histograms. `jobs` are the lines of further scrape jobs.
    """

    def __init__(self, exporter: Exporter, alertmanager: Alertmanager | None = None, *, native: bool = False,
                 jobs: str = ""):
        super().__init__("prometheus")
        text = CONFIGURATION.read_text() + jobs
        text, targets = re.subn(r"127\.0\.0\.1:10140", f"127.0.0.1:{exporter.port}", text)
        assert targets, "prometheus.yml scrapes the exporter's default address"
        text = re.sub(r"(scrape_interval|scrape_timeout|evaluation_interval): *\S+", r"\1: 250ms", text)
        if alertmanager:
            # As its comment tells the operator to.
            text, blocks = re.subn(r"^# (alerting:)\n((?:#  .*\n)+)",
                                   lambda m: f"{m[1]}\n" + re.sub("^# ", "", m[2], flags=re.MULTILINE), text,
                                   flags=re.MULTILINE)
            text, targets = re.subn(r"127\.0\.0\.1:9093", alertmanager.address, text)
            assert blocks == targets == 1, "prometheus.yml has a block for Alertmanager to uncomment"
        configuration = Path(self.folder.name, "prometheus.yml")
        configuration.write_text(text)
        rules = Path(self.folder.name, RULES.relative_to(ROOT))
        rules.parent.mkdir()
        rules.write_text(re.sub(r"^( +interval): *\S+", r"\1: 250ms", RULES.read_text(), flags=re.MULTILINE))
        features = "exemplar-storage,native-histograms" if native else "exemplar-storage"
        self.spawn("prometheus", f"--config.file={configuration}", f"--storage.tsdb.path={self.folder.name}/data",
                   f"--web.listen-address={self.address}", f"--enable-feature={features}")

    def answers(self) -> bool:
        return {s["value"][1] for s in self.query("up")} == {"1"}

    @property
    def log(self) -> str:
        return Path(self.folder.name, "log").read_text()

    def scrapes(self) -> int:
        """Scrapes until now, of the target with the fewest. Asked of the range, which sees them as soon as stored."""
        found = self.query("count_over_time(up[1h])")
        return min((int(s["value"][1]) for s in found), default=0)

    def is_steady(self, moment: float) -> bool:
        """Whether all scrapes of the second before it ended well: one that times out takes its series away."""
        steady = self.query("min_over_time(up[1s]) == 1 and count_over_time(up[1s]) > 2", moment)
        return bool(steady) and len(steady) == len(self.query("up", moment))

    def await_scrapes(self, count: int) -> None:
        """Waits for that many scrapes that began after now; the one under way may have begun before."""
        wanted = self.scrapes() + count + 1
        eventually(lambda: self.scrapes() >= wanted, f"{count} more scrapes")
