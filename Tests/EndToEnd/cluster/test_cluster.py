"""Three exporters behind nginx, with clients that retry. One after the other is killed and started again, and the sum
over the instances is exact in the exporters, in Prometheus and in VictoriaMetrics.

`LLM_EXPORTER_CRASHES` makes it longer (`make crash-test`: 20 kills), `LLM_EXPORTER_SEED` repeats the choices of a run.
"""

import math
import os
import random
import signal
import socket
import subprocess
import time
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from cluster_clients import ClusterClients
from cluster_servers import EXAMPLES, ClusterPrometheus, Nginx, VictoriaMetrics, guide
from durability import SEED, check_sound, shown
from exporter import Exporter, eventually
from families import OF_CALLS
from workload import Key, in_units

CRASHES = max(3, int(os.environ.get("LLM_EXPORTER_CRASHES") or 0) // 10)
CALLS_PER_CRASH = 500

#: The labels that a scrape adds to those of the records.
OF_THE_SCRAPE = {"__name__", "job", "instance", "prometheus"}


def lasting_port():
    """A port to come back to: below those that the kernel gives away, which others could take meanwhile."""
    lowest = int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0])
    while True:
        port = random.randrange(lowest // 2, lowest)
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
                return port
            except OSError:
                continue


class Cluster:
    """The exporters, each at an address and on a folder of its own, and what stands around them."""

    def __init__(self, folder):
        self.folder = folder
        self.ports = [lasting_port() for _ in EXAMPLES]
        self.exporters = []
        self._ends = []

    def __enter__(self):
        try:
            for number in range(len(EXAMPLES)):
                self.exporters.append(self._exporter(number))
            self.nginx = self._ended(Nginx(self.exporters))
            self.store = self._ended(VictoriaMetrics())
            self.prometheus = self._ended(ClusterPrometheus(self.exporters, self.store))
            return self
        except BaseException:
            self.__exit__()
            raise

    def __exit__(self, *_):
        for server in reversed(self._ends):
            server.stop()
        for exporter in self.exporters:
            exporter.kill()

    def storage(self, number):
        return self.folder / f"storage-{number}"

    def restart(self, number):
        self.exporters[number] = self._exporter(number)

    def _exporter(self, number):
        return Exporter(listen=(f"127.0.0.1:{self.ports[number]}",), storage=self.storage(number))

    def _ended(self, server):
        self._ends.append(server)
        return server


def stored(source):
    """The counters of a PromQL server, summed over instances, in the units of `Shown.units`."""
    sums: Counter[Any] = Counter()
    for family, (kind, _) in OF_CALLS.items():
        names = [family] if kind == "counter" else [f"{family}_{part}" for part in ("bucket", "sum", "count")]
        for name in names if kind in ("counter", "histogram") else []:
            for series in source.query(name):
                labels = frozenset((k, v) for k, v in series["metric"].items() if k not in OF_THE_SCRAPE)
                key = Key(name, labels)
                sums[key] += in_units(key, series["value"][1])
    return {key: amount for key, amount in sums.items() if amount}


def check_to_totals(name, read, totals):
    """Waits until a source has all of the totals, and nothing else."""
    def different():
        found = read()
        return [f"{key}: {found.get(key, 0)} instead of {totals.get(key, 0)}" for key in found.keys() | totals.keys()
                if found.get(key, 0) != totals.get(key, 0)]

    deadline = time.monotonic() + 30
    while differences := different():
        assert time.monotonic() < deadline, f"{name}, {len(differences)} sums differ:\n" + "\n".join(differences[:20])
        time.sleep(0.25)


def disturb(cluster, clients):
    """One exporter hangs, and is killed like the others, each time until it was missed."""
    clients.allow(CALLS_PER_CRASH)
    cluster.exporters[0].signal(signal.SIGSTOP)
    unanswered = clients.seen["unanswered"]
    eventually(lambda: clients.failures or clients.seen["unanswered"] > unanswered, "an answer is missed")
    cluster.exporters[0].signal(signal.SIGCONT)
    for crash in range(CRASHES):
        number = crash % len(cluster.exporters)
        clients.allow(CALLS_PER_CRASH)
        posts = clients.seen["posts"]
        eventually(lambda: clients.failures or clients.seen["posts"] > posts + 30, "load")
        cluster.exporters[number].kill()
        refused = clients.seen["502"]
        eventually(lambda: clients.failures or clients.seen["502"] > refused + 1, "posts that meet no exporter")
        cluster.restart(number)


@pytest.mark.heavy
@pytest.mark.timeout(120 + 10 * CRASHES)
def test_the_sum_over_exporters_is_exact_through_kills(tmp_path, figures):
    began = time.monotonic()
    with Cluster(tmp_path) as cluster, ClusterClients(cluster.nginx.url, tmp_path, SEED) as clients:
        disturb(cluster, clients)
        clients.finish()
        assert clients.seen["lost answers settled"] > 0, "records had counted, and their answers were lost"
        # Every record, sent again, meets the exporter that knows it.
        assert clients.repeat() == len(clients.events)

        calls = {event.number for event in clients.events if event.kind == "call"}
        totals = clients.workload.totals(calls)
        scrapes = [shown(exporter) for exporter in cluster.exporters]
        check_to_totals("the exporters", lambda: sum((Counter(s.units()) for s in scrapes), Counter()), totals)
        assert sum((Counter(s.active()) for s in scrapes), Counter()) == clients.workload.active(clients.events, calls)
        cluster.store.await_scrapes_after(time.time())
        sources = {"Prometheus": cluster.prometheus, "VictoriaMetrics": cluster.store}
        for name, source in sources.items():
            check_to_totals(name, lambda: stored(source), totals)
            check_the_guides_queries(source, clients, calls)
        # As Prometheus saw it: killed and started again, no exporter's counter stepped back.
        assert all(s["value"][1] == "0" for s in cluster.prometheus.query("resets(llm_calls_total[1h])"))
        shares = [sum(v for k, v in s.units().items() if k.name == "llm_calls_total") for s in scrapes]
        assert all(shares), f"an exporter has no share: {shares}"
        for number, exporter in enumerate(cluster.exporters):
            exporter.stop()
            check_sound(cluster.storage(number))
    seen = ", ".join(f"{count} {what}" for what, count in sorted(clients.seen.items()))
    figures(f"cluster: seed {SEED}, {CRASHES} kills, {len(calls)} calls, shares {shares}; {seen}; "
            f"{time.monotonic() - began:.0f} s in all")


def check_the_guides_queries(source, clients, calls):
    """The queries of docs/scaling.md tell totals by agent as the calls have them."""
    queries = guide("promql")
    total_calls, cost, active = queries[:3]
    records = [clients.workload.record(event) for event in clients.events if event.kind == "call"]
    by_agent = Counter(record["agent_name"] for record in records)
    assert source.by_agent(total_calls) == {agent: str(count) for agent, count in by_agent.items()}
    costs = source.by_agent(cost)
    for agent in by_agent:
        expected = sum(record.get("cost_usd", 0) for record in records if record["agent_name"] == agent)
        assert math.isclose(float(costs[agent]), float(expected), rel_tol=1e-12), (agent, costs[agent], expected)
    open_calls = clients.workload.active(clients.events, calls)
    assert {agent: int(n) for agent, n in source.by_agent(active).items() if n != "0"} == open_calls
    for query in queries[3:]:
        assert source.query(query), query


def test_promtool_takes_the_configuration_of_the_guide(tmp_path):
    [text] = guide("yaml")
    configuration = tmp_path / "prometheus.yml"
    configuration.write_text(text)
    done = subprocess.run(["promtool", "check", "config", configuration], capture_output=True, text=True, timeout=30)
    assert done.returncode == 0, done.stderr
