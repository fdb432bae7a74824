"""A real Prometheus, as Debian packages it, scraping one exporter with the repository's prometheus.yml."""

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


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Prometheus:
    """Scrapes four times a second: only target and intervals differ from the repository's configuration."""

    def __init__(self, exporter: Exporter):
        self.folder = tempfile.TemporaryDirectory(prefix="llm-exporter-prometheus-")
        text = CONFIGURATION.read_text()
        text, targets = re.subn(r"127\.0\.0\.1:10140", f"127.0.0.1:{exporter.port}", text)
        assert targets, "prometheus.yml scrapes the exporter's default address"
        text = re.sub(r"(scrape_interval|scrape_timeout|evaluation_interval): *\S+", r"\1: 250ms", text)
        configuration = Path(self.folder.name, "prometheus.yml")
        configuration.write_text(text)
        self.log_file = open(Path(self.folder.name, "log"), "w")
        self.url = f"http://127.0.0.1:{free_port()}"
        self.process = subprocess.Popen(
            ["prometheus", f"--config.file={configuration}", f"--storage.tsdb.path={self.folder.name}/data",
             f"--web.listen-address={self.url.removeprefix('http://')}", "--enable-feature=exemplar-storage"],
            stdout=self.log_file, stderr=self.log_file, stdin=subprocess.DEVNULL, cwd=self.folder.name)
        try:
            eventually(self.is_up, "Prometheus scrapes the exporter", within=30)
        except BaseException:
            self.stop()
            raise

    def is_up(self) -> bool:
        assert self.process.poll() is None, Path(self.folder.name, "log").read_text()
        try:
            return [s["value"][1] for s in self.query("up")] == ["1"]
        except OSError:
            return False

    def stop(self) -> None:
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.log_file.close()
        self.folder.cleanup()

    def get(self, path: str, **parameters: Any) -> Any:
        address = f"{self.url}{path}?{urllib.parse.urlencode(parameters)}"
        with urllib.request.urlopen(address, timeout=10) as answer:
            told = json.load(answer)
        assert told["status"] == "success", told
        return told["data"]

    def query(self, promql: str, time: float | None = None) -> list[dict[str, Any]]:
        """The result of an instant query, at `time` or now."""
        at = {} if time is None else {"time": f"{time:.3f}"}
        return self.get("/api/v1/query", query=promql, **at)["result"]

    def by_agent(self, promql: str, time: float | None = None) -> dict[str, str]:
        return {s["metric"]["agent_name"]: s["value"][1] for s in self.query(promql, time)}

    def scrapes(self) -> int:
        """Scrapes until now. Asked of the range, which sees a scrape as soon as it is stored."""
        found = self.query("count_over_time(up[1h])")
        return int(found[0]["value"][1]) if found else 0

    def await_scrapes(self, count: int) -> None:
        """Waits for that many scrapes that began after now; the one under way may have begun before."""
        wanted = self.scrapes() + count + 1
        eventually(lambda: self.scrapes() >= wanted, f"{count} more scrapes")
