"""Several exporters behind a real nginx with the repository's configuration, watched by a real Prometheus that writes
into a real VictoriaMetrics as docs/scaling.md says."""

from __future__ import annotations

import getpass
import http.client
import re
import shutil
import subprocess
import urllib.request
from pathlib import Path
from typing import Any

from exporter import JSON, PATIENCE, ROOT, Exporter, Reply, encode, eventually
from prometheus import Queried, Server

NGINX = ROOT / "nginx" / "llm-exporter.conf"
GUIDE = ROOT / "docs" / "scaling.md"
#: The addresses of the exporters, in both.
EXAMPLES = [f"192.0.2.{host}:10140" for host in (11, 12, 13)]

#: What Debian's nginx.conf has around conf.d, in a folder of its own. Two processes, which must agree on who gets what.
AROUND = """
user {user};
worker_processes 2;
pid nginx.pid;
error_log stderr warn;
events {{}}
http {{
    access_log off;
    client_body_temp_path body;
    proxy_temp_path proxy;
    fastcgi_temp_path fastcgi;
    uwsgi_temp_path uwsgi;
    scgi_temp_path scgi;
    include llm-exporter.conf;
}}
"""


def program(name: str) -> str:
    """A server's program, which Debian keeps from the PATH of users."""
    found = shutil.which(name) or shutil.which(name, path="/usr/sbin")
    assert found, f"{name} is not installed: scripts/install-packages test"
    return found


def guide(language: str) -> list[str]:
    """The blocks of one language in docs/scaling.md."""
    return re.findall(rf"^```{language}\n(.*?)^```", GUIDE.read_text(), re.MULTILINE | re.DOTALL)


def with_addresses(text: str, exporters: list[Exporter]) -> str:
    """A file of the repository, each example address replaced by that of a real exporter."""
    for example, exporter in zip(EXAMPLES, exporters, strict=True):
        assert example in text, f"{example} is in the file"
        text = text.replace(example, f"127.0.0.1:{exporter.port}")
    return text


def write_around(folder: Path, text: str) -> None:
    Path(folder, "nginx.conf").write_text(AROUND.format(user=getpass.getuser()))
    Path(folder, "llm-exporter.conf").write_text(text)


def check_nginx(folder: Path, text: str) -> subprocess.CompletedProcess[str]:
    """`nginx -t`, which does not mind that the port is taken."""
    write_around(folder, text)
    return subprocess.run([program("nginx"), "-p", str(folder), "-c", "nginx.conf", "-t"], capture_output=True,
                          text=True, timeout=30)


class Nginx(Server):
    """Runs with nginx/llm-exporter.conf: only addresses differ."""

    def __init__(self, exporters: list[Exporter]):
        """With more exporters than the file has, as an operator adds them: each in a line like the others."""
        super().__init__("nginx")
        text = with_addresses(NGINX.read_text(), exporters[:len(EXAMPLES)])
        text, listens = re.subn(r"listen 10140;", f"listen {self.address};", text)
        assert listens == 1, "nginx/llm-exporter.conf listens on the exporter's port"
        last = [line for line in text.splitlines(keepends=True) if line.lstrip().startswith("server 127.")][-1]
        for more in exporters[len(EXAMPLES):]:
            text = text.replace(last, last + re.sub(r":\d+", f":{more.port}", last))
        write_around(Path(self.folder.name), text)
        self.spawn(program("nginx"), "-p", self.folder.name, "-c", "nginx.conf", "-g", "daemon off;")

    def answers(self) -> bool:
        return self.request("GET", "/").status == 404

    def request(self, method: str, path: str, body: bytes | None = None,
                headers: dict[str, str] | None = None) -> Reply:
        connection = http.client.HTTPConnection(self.address, timeout=3 * PATIENCE)
        try:
            connection.request(method, path, body, headers or {})
            answer = connection.getresponse()
            return Reply(answer.status, answer.headers, answer.read())
        finally:
            connection.close()

    def post(self, body: Any, headers: dict[str, str] = JSON, path: str = "/record") -> Reply:
        """Posts bytes as they are, anything else as JSON."""
        return self.request("POST", path, body if isinstance(body, bytes) else encode(body).encode(), headers)


class VictoriaMetrics(Queried):
    """A single node that shows what it was written at once."""

    def __init__(self):
        super().__init__("victoria-metrics")
        self.spawn(program("victoria-metrics"), f"-httpListenAddr={self.address}", "-search.latencyOffset=1ms",
                   "-search.disableCache", f"-storageDataPath={self.folder.name}/data", "-loggerLevel=ERROR")

    def answers(self) -> bool:
        with urllib.request.urlopen(f"{self.url}/health", timeout=10) as answer:
            return answer.status == 200

    def await_scrapes_after(self, moment: float) -> None:
        """Waits until it shows scrapes of later than that; it makes what is written visible once a second.

        It remembers for ten seconds which series a query found, so one that comes too early is long in the way.
        """
        eventually(lambda: all(float(s["value"][1]) > moment + 1.5 for s in self.query("tlast_over_time(up[5m])")),
                   "new scrapes are written", within=30, every=0.1)


class ClusterPrometheus(Queried):
    """Scrapes all exporters and writes to VictoriaMetrics, with the configuration of the guide: only addresses and
    waiting times differ."""

    def __init__(self, exporters: list[Exporter], store: VictoriaMetrics):
        super().__init__("prometheus")
        self.exporters = len(exporters)
        [text] = guide("yaml")
        text, stores = re.subn(r"192\.0\.2\.20:8428", store.address, with_addresses(text, exporters))
        text, intervals = re.subn(r"scrape_interval: *\S+", "scrape_interval: 250ms\n  scrape_timeout: 250ms", text)
        assert stores == intervals == 1, "the guide's prometheus.yml has a store and an interval"
        text += "    queue_config: {batch_send_deadline: 250ms}\n"
        configuration = Path(self.folder.name, "prometheus.yml")
        configuration.write_text(text)
        self.spawn(program("prometheus"), f"--config.file={configuration}",
                   f"--storage.tsdb.path={self.folder.name}/data", f"--web.listen-address={self.address}")

    def answers(self) -> bool:
        return [s["value"][1] for s in self.query("up")] == ["1"] * self.exporters
