#!/usr/bin/env python3
"""Everything on one machine, offline: an exporter, a model server, five agents, and Prometheus if it is installed.

    make demo                      until Ctrl-C
    make demo DEMO_SECONDS=60      for a minute

Each agent is a program that makes a few calls and ends, and is then started again: Prometheus could not scrape it. All
files are in one temporary folder, which is removed at the end; --folder names one that is kept, with the logs, the
records and the model server's own account of the calls.
"""

import argparse
import contextlib
import json
import os
import pathlib
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request

EXAMPLES = pathlib.Path(__file__).resolve().parent
ROOT = EXAMPLES.parent
AGENTS = ["reviewer_gpt", "codesmith", "architect", "research", "responder"]
#: Between two runs of an agent; its next run begins sooner than Prometheus forgets it.
PAUSE_SECONDS = 2.0
#: The time for the agents to end by themselves. A run takes less, unless the machine is overloaded.
FINISH_SECONDS = 20.0


class Interrupts:
    """Ctrl-C and SIGTERM, counted. As exceptions they could come between a start and the note that it was started."""

    def __init__(self):
        self.count = 0
        for sign in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(sign, self._add)

    def _add(self, *_):
        self.count += 1

    def exit_if_any(self):
        if self.count:
            sys.exit(130)


class Program(contextlib.AbstractContextManager):
    """A process that the demo started, and ends when its context does. Its output goes to a file of its own."""

    def __init__(self, name, command, folder, **environment):
        self.name = name
        self.log = folder / f"{name}.log"
        with self.log.open("a") as log:
            # In a session of its own: Ctrl-C in the terminal reaches the demo alone, which ends the others in order.
            self.process = subprocess.Popen(
                [str(word) for word in command],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env={**os.environ, **environment},
                start_new_session=True,
            )

    @property
    def runs(self):
        return self.process.poll() is None

    def stop(self, sign=signal.SIGTERM, seconds=10.0):
        if self.runs:
            self.process.send_signal(sign)
            try:
                self.process.wait(seconds)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()

    def __exit__(self, *_):
        self.stop()

    def must_run(self):
        if not self.runs:
            sys.exit(f"{self.name} ended with exit code {self.process.returncode}:\n{self.log.read_text()[-2000:]}")


class Agent:
    """One of the five, run after run."""

    def __init__(self, name, folder, environment):
        self.name, self._folder, self._environment = name, folder, environment
        self._program, self._next = None, 0.0

    def go_on(self):
        if self._program is not None and not self._program.runs:
            if self._program.process.returncode != 0:
                print(f"\n{self.name} failed, see {self._program.log}:\n{self._program.log.read_text()[-2000:]}")
            self._program, self._next = None, time.monotonic() + PAUSE_SECONDS
        if self._program is None and time.monotonic() >= self._next:
            command = [sys.executable, EXAMPLES / "agents" / f"{self.name}.py"]
            self._program = Program(self.name, command, self._folder, **self._environment)

    @property
    def works(self):
        return self._program is not None and self._program.runs

    def stop(self):
        """Interrupts its present run; calls in flight are still recorded, as cancelled."""
        if self._program is not None:
            self._program.stop(signal.SIGINT, 5.0)


#: Everything is on this machine, so no proxy is used.
DIRECTLY = urllib.request.build_opener(urllib.request.ProxyHandler({}))


def ask(url, kind=json.load):
    with DIRECTLY.open(url, timeout=5) as answer:
        return kind(answer)


def wait_for(url, program, interrupts):
    for _ in range(200):
        interrupts.exit_if_any()
        program.must_run()
        with contextlib.suppress(OSError):
            return ask(url, lambda answer: answer.read())
        time.sleep(0.1)
    sys.exit(f"{program.name} does not answer at {url}:\n{program.log.read_text()[-2000:]}")


def port(wanted):
    """The port that is wanted, or a free one where another program holds it."""
    for number in (wanted, 0):
        with socket.socket() as one:
            one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            with contextlib.suppress(OSError):
                one.bind(("127.0.0.1", number))
                return one.getsockname()[1]
    sys.exit("no port is free on 127.0.0.1")


def start_exporter(options, folder, programs, interrupts):
    address = f"127.0.0.1:{port(options.port)}"
    exporter = programs.enter_context(
        Program(
            "llm-exporter",
            [
                options.exporter,
                "--web.listen-address",
                address,
                "--storage.path",
                folder / "records",
                "--config.file",
                EXAMPLES / "demo.yaml",
            ],
            folder,
        )
    )
    wait_for(f"http://{address}/-/ready", exporter, interrupts)
    return exporter, f"http://{address}"


def start_models(folder, programs, interrupts):
    command = [sys.executable, EXAMPLES / "model_server.py", "--port", "0", "--log", folder / "calls.jsonl"]
    models = programs.enter_context(Program("model-server", command, folder))
    for _ in range(200):
        interrupts.exit_if_any()
        models.must_run()
        if said := re.search(r"http://[0-9.:]+", models.log.read_text()):
            return said[0]
        time.sleep(0.1)
    sys.exit("the model server does not say where it answers")


def start_prometheus(options, folder, programs, interrupts, exporter_url):
    """As prometheus.yml has it, but with this exporter's address, and scrapes that a short visit sees."""
    listen = f"127.0.0.1:{port(options.prometheus_port)}"
    configuration = {
        "global": {"scrape_interval": "2s", "scrape_timeout": "2s", "evaluation_interval": "2s"},
        "rule_files": [str(ROOT / "prometheus" / "rules.yml")],
        "scrape_configs": [
            {
                "job_name": "llm-exporter",
                "static_configs": [{"targets": [exporter_url.removeprefix("http://")]}],
            }
        ],
    }
    file = folder / "prometheus.yml"
    file.write_text(json.dumps(configuration, indent=2))  # JSON is YAML
    prometheus = programs.enter_context(
        Program(
            "prometheus",
            [
                "prometheus",
                f"--config.file={file}",
                f"--storage.tsdb.path={folder / 'prometheus'}",
                f"--web.listen-address={listen}",
                "--log.level=warn",
            ],
            folder,
        )
    )
    wait_for(f"http://{listen}/-/ready", prometheus, interrupts)
    return f"http://{listen}"


def line(url, seconds):
    """The totals in one line."""
    summary, budgets = ask(f"{url}/summary"), ask(f"{url}/api/v1/budgets")
    active = sum(
        float(sample.rpartition(" ")[2])
        for sample in ask(f"{url}/metrics", lambda a: a.read().decode()).splitlines()
        if sample.startswith("llm_active_calls{")
    )
    spent = next(b for b in budgets["budgets"] if b["name"] == "architects")
    return (
        f"{seconds:4.0f} s   {summary['total_calls']} calls, {summary['error_calls']} of them failed   "
        f"{active:.0f} active   {summary['total_tokens']} tokens   {summary['total_cost_usd']:.4f} USD   "
        f"architects have spent {float(spent['spent_usd']) / float(spent['limit_usd']):.0%}"
    )


def show(options, exporter, url, agents, interrupts):
    """Keeps the agents going and tells the totals: in place on a terminal, else a line every two seconds."""
    terminal = sys.stdout.isatty()
    began, told = time.monotonic(), 0.0
    while not interrupts.count:
        seconds = time.monotonic() - began
        if options.seconds is not None and seconds >= options.seconds:
            return
        exporter.must_run()
        for agent in agents:
            agent.go_on()
        if seconds - told >= (0.5 if terminal else 2.0):
            told = seconds
            text = line(url, seconds)
            print(f"\r{text}\033[K" if terminal else text, end="" if terminal else "\n", flush=True)
        time.sleep(0.1)


def tell_totals(url):
    summary = ask(f"{url}/summary")
    print(f"\n\n{'agent':<14}{'calls':>7}{'failed':>8}{'tokens':>10}{'USD':>10}")
    for name, agent in sorted(summary["agents"].items()):
        print(f"{name:<14}{agent['calls']:>7}{agent['errors']:>8}{agent['tokens']:>10}{agent['cost_usd']:>10.4f}")


def finish(agents, interrupts):
    """Waits for what the agents are at, so that each answer that was given is also counted."""
    print("\nThe agents finish what they are at (Ctrl-C again: they stop at once).", flush=True)
    deadline, before = time.monotonic() + FINISH_SECONDS, interrupts.count
    while any(agent.works for agent in agents) and time.monotonic() < deadline and interrupts.count == before:
        time.sleep(0.1)


def run(options, folder, interrupts):
    with contextlib.ExitStack() as programs:
        exporter, url = start_exporter(options, folder, programs, interrupts)
        models_url = start_models(folder, programs, interrupts)
        print(f"exporter      {url}/metrics\ntotals        {url}/summary\nbudgets       {url}/api/v1/budgets")
        print(f"model server  {models_url}")
        if shutil.which("prometheus"):
            prometheus_url = start_prometheus(options, folder, programs, interrupts, url)
            print(f"Prometheus    {prometheus_url}/graph, {prometheus_url}/alerts")
            print(f"dashboard     import grafana/llm-exporter.json into Grafana, data source {prometheus_url}")
        else:
            print("Prometheus    is not installed; where it is, rates, rules and alerts are shown, too")
        print(f"logs          {folder}\n\nFive agents at work, Ctrl-C ends it.\n", flush=True)
        agents = [
            Agent(
                name,
                folder,
                {
                    "LLM_EXPORTER_URL": url,
                    "OPENAI_BASE_URL": f"{models_url}/v1",
                    "OPENAI_API_KEY": "none",
                    "ANTHROPIC_BASE_URL": models_url,
                    "ANTHROPIC_API_KEY": "none",
                    "NO_PROXY": "127.0.0.1",
                },
            )
            for name in AGENTS
        ]
        for agent in agents:
            programs.callback(agent.stop)
        show(options, exporter, url, agents, interrupts)
        finish(agents, interrupts)
        for agent in agents:
            agent.stop()
        tell_totals(url)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--exporter", default=ROOT / ".build" / "release" / "llm-exporter", help="the program")
    parser.add_argument("--seconds", type=float, help="ends by itself; else Ctrl-C ends it")
    parser.add_argument("--port", type=int, default=10140, help="the exporter's, if it is free")
    parser.add_argument("--prometheus-port", type=int, default=9091, help="Prometheus', if it is free")
    parser.add_argument("--folder", type=pathlib.Path, help="keeps logs and records; must not exist")
    options = parser.parse_args()
    interrupts = Interrupts()
    with contextlib.ExitStack() as places:
        if options.folder is None:
            folder = places.enter_context(tempfile.TemporaryDirectory(prefix="llm-exporter-demo-"))
        else:
            options.folder.mkdir(parents=True)
            folder = options.folder.resolve()
        run(options, pathlib.Path(folder), interrupts)


if __name__ == "__main__":
    main()
