"""Whole processes against the real exporter: forks, exits, kills, restarts."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from llm_exporter import LLMCallMetrics, LLMMonitor
from peers import PYTHON, Exporter, eventually

PRELUDE = """
import atexit, json, os, sys, threading, time
from llm_exporter import LLMCallMetrics, LLMMonitor
monitor = LLMMonitor(sys.argv[1], linger=0.02, exit_timeout=float(os.environ.get("EXIT_TIMEOUT", "5")))
def record(n=1, agent="A"):
    for _ in range(n):
        monitor.record_metric(LLMCallMetrics(agent, "openai", "gpt", input_tokens=3, output_tokens=4, cost_usd=0.01))
"""


def test_the_end_of_the_program_flushes(exporter: Exporter, run_script: Any) -> None:
    ran = run_script(PRELUDE + "record(1234)", exporter.url)
    assert (ran.returncode, ran.stdout, ran.stderr) == (0, "", "")
    assert exporter.calls("A") == 1234


def test_so_does_an_exception(exporter: Exporter, run_script: Any) -> None:
    source = PRELUDE + 'with monitor.monitor_llm_call("A", "openai", "gpt"): raise ValueError("mine")'
    ran = run_script(source, exporter.url)
    assert ran.returncode == 1 and ran.stderr.rstrip().endswith("ValueError: mine")
    samples = exporter.samples()
    assert samples['llm_errors_total{agent_name="A",provider="openai",model="gpt",error_type="ValueError"}'] == 1
    assert samples['llm_active_calls{agent_name="A"}'] == 0


@pytest.mark.parametrize("refused", [False, True], ids=["a thread still starts", "no thread starts"])
def test_records_of_atexit_handlers_arrive(exporter: Exporter, run_script: Any, refused: bool) -> None:
    source = PRELUDE + "atexit.register(record, 700)\n"
    if refused:  # CPython 3.12 and later, at this point
        source += 'def start(self): raise RuntimeError("can\'t create new thread at interpreter shutdown")\n'
        source += "threading.Thread.start = start\n"
    ran = run_script(source, exporter.url)
    assert (ran.returncode, ran.stderr) == (0, "")
    assert exporter.calls("A") == 700


def test_an_exit_is_not_held_up_by_an_exporter_that_is_not_there(closed_url: str, run_script: Any) -> None:
    began = time.monotonic()
    ran = run_script(PRELUDE + "record(50)", closed_url, EXIT_TIMEOUT="20")
    assert ran.returncode == 0 and time.monotonic() - began < 15
    assert "Connection refused" in ran.stderr and "50 records could not be delivered" in ran.stderr
    assert len(ran.stderr.splitlines()) == 2


def test_an_exit_is_held_up_by_a_hung_exporter_for_its_bound_only(hung_url: str, run_script: Any) -> None:
    began = time.monotonic()
    ran = run_script(PRELUDE + "record(50); time.sleep(0.2)", hung_url, EXIT_TIMEOUT="1")
    assert ran.returncode == 0 and 1 < time.monotonic() - began < 9  # the request alone would take 10 s
    assert "50 records could not be delivered" in ran.stderr


def test_an_exit_while_the_exporter_restarts_waits_for_it(exporter: Exporter, run_script: Any) -> None:
    def restart() -> None:
        time.sleep(0.8)
        exporter.start()

    source = PRELUDE + "record(); monitor.flush(); print('up', flush=True); time.sleep(0.3); record(10)"
    process = subprocess.Popen([*PYTHON, "-c", source, exporter.url], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None and process.stdout.readline() == "up\n"
    exporter.kill()
    threading.Thread(target=restart).start()
    assert process.wait(20) == 0
    eventually(lambda: exporter.calls("A") == 10)  # in memory: the first is gone with the process


def test_os_exit_loses_what_was_not_sent_and_hangs_nowhere(exporter: Exporter, run_script: Any) -> None:
    ran = run_script(PRELUDE + "record(10); monitor.flush(); record(10); os._exit(3)", exporter.url)
    assert ran.returncode == 3
    assert 10 <= exporter.calls("A") <= 20


def test_calls_that_os_exit_cut_off_are_active_for_their_lease_only(exporter_program: str, run_script: Any) -> None:
    exporter = Exporter(exporter_program, None, "--active-calls.lease", "2s").start()
    try:
        cut_off = """
with monitor.monitor_llm_call("A", "openai", "gpt"):
    with monitor.monitor_llm_call("A", "openai", "gpt"):
        assert monitor.flush()
        os._exit(3)
"""
        ran = run_script(PRELUDE + cut_off, exporter.url)
        assert (ran.returncode, ran.stderr) == (3, "")
        assert exporter.samples()['llm_active_calls{agent_name="A"}'] == 2
        eventually(lambda: exporter.samples()['llm_active_calls{agent_name="A"}'] == 0)
        assert exporter.counts("A") == {"active_calls_expired_total": 2}
    finally:
        exporter.kill()


def test_forked_children_count_for_themselves(exporter: Exporter, run_script: Any) -> None:
    source = (
        PRELUDE
        + """
record(100)
for child in range(4):
    if os.fork() == 0:
        record(25)
        if child % 2:
            sys.exit()             # flushes at exit
        assert monitor.flush()
        assert monitor.statistics().recorded == 25, monitor.statistics()
        os._exit(0)
record(100)
for _ in range(4):
    assert os.wait()[1] == 0
"""
    )
    ran = run_script(source, exporter.url)
    assert (ran.returncode, ran.stderr) == (0, "")
    assert exporter.calls("A") == 300
    assert exporter.samples()["llm_exporter_records_duplicate_total"] == 0


def test_forks_at_any_moment_neither_hang_nor_count_twice(exporter: Exporter, run_script: Any, tmp_path: Path) -> None:
    source = (
        PRELUDE
        + """
stop = threading.Event()
def busy():
    while not stop.is_set():
        record()
        time.sleep(0.0002)
threads = [threading.Thread(target=busy) for _ in range(3)]
for thread in threads: thread.start()
children = []
for _ in range(40):
    time.sleep(0.01)
    pid = os.fork()
    if pid == 0:
        record(5, "child")
        ok = monitor.flush(10)
        os._exit(0 if ok else 1)
    children.append(pid)
for pid in children:
    assert os.waitpid(pid, 0)[1] == 0
stop.set()
for thread in threads: thread.join()
assert monitor.flush(10)
print(monitor.statistics().recorded)
"""
    )
    ran = run_script(source, exporter.url, LLM_EXPORTER_SPOOL_DIR=str(tmp_path / "spool"))
    assert ran.returncode == 0, ran.stderr
    assert exporter.calls("A") == int(ran.stdout)
    assert exporter.calls("child") == 200
    assert list((tmp_path / "spool").glob("*.new")) == []


@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_multiprocessing_workers_flush(exporter: Exporter, run_script: Any, tmp_path: Path, method: str) -> None:
    script = tmp_path / "script.py"
    script.write_text(
        PRELUDE
        + f"""
import multiprocessing
def work(n):
    record(n)
if __name__ == "__main__":
    context = multiprocessing.get_context("{method}")
    workers = [context.Process(target=work, args=(50,)) for _ in range(3)]
    for worker in workers: worker.start()
    for worker in workers: worker.join()
    assert [worker.exitcode for worker in workers] == [0, 0, 0]
"""
    )
    ran = subprocess.run([*PYTHON, str(script), exporter.url], capture_output=True, text=True, timeout=40)
    assert (ran.returncode, ran.stderr) == (0, "")
    assert exporter.calls("A") == 150


def test_active_calls_return_to_zero(exporter: Exporter, run_script: Any) -> None:
    source = (
        PRELUDE
        + """
import asyncio, gc
call = monitor.monitor_llm_call("A", "openai", "gpt")
@call
async def slow(): await asyncio.sleep(60)
@call
def chunks():
    yield 1
    yield 2
@call
async def async_chunks():
    yield 1
    yield 2
@call
def fail(): raise ValueError
async def main():
    tasks = [asyncio.ensure_future(slow()) for _ in range(5)]
    await asyncio.sleep(0.05)
    print(monitor.flush(), flush=True)
    sys.stdin.readline()
    for task in tasks: task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    async for _ in async_chunks(): break
    leftover = chunks(); next(leftover)     # dropped with the frame
asyncio.run(main())
try: fail()
except ValueError: pass
with call as running:
    running.metrics.input_tokens = 1        # a call without usage is warned of
    if os.fork() == 0: sys.exit()           # the call is the parent's
os.wait()
gc.collect()
"""
    )
    process = subprocess.Popen(
        [*PYTHON, "-c", source, exporter.url],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdin is not None and process.stdout is not None
    assert process.stdout.readline() == "True\n"
    assert exporter.samples()['llm_active_calls{agent_name="A"}'] == 5
    _, errors = process.communicate("\n", timeout=20)
    assert (process.returncode, errors) == (0, "")
    samples = exporter.samples()
    assert samples['llm_active_calls{agent_name="A"}'] == 0
    prefix = 'llm_calls_total{agent_name="A",provider="openai",model="gpt",status='
    assert samples[prefix + '"cancelled"}'] == 7
    assert samples[prefix + '"error"}'] == 1
    assert samples[prefix + '"success"}'] == 1
    assert samples["llm_exporter_records_duplicate_total"] == 0


LOAD = (
    PRELUDE
    + """
count, pause = int(sys.argv[2]), float(sys.argv[3])
for _ in range(count):
    record()
    time.sleep(pause)
monitor.close(float(sys.argv[4]))
counted = monitor.statistics()
print(json.dumps(vars(counted)))
"""
)


def start_load(exporter: Exporter, count: int, close_timeout: float, **environment: str) -> Any:
    arguments = [*PYTHON, "-c", LOAD, exporter.url, str(count), "0.001", str(close_timeout)]
    return subprocess.Popen(
        arguments, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env={**os.environ, **environment}
    )


def disturb(exporter: Exporter, processes: list[Any], most: int = 1000) -> int:
    """Kills and restarts the exporter, again and again, until the load is through."""
    kills = 0
    while kills < most and any(process.poll() is None for process in processes):
        time.sleep(random.uniform(0.1, 0.4))
        exporter.kill()
        kills += 1
        time.sleep(random.uniform(0.05, 0.2))
        exporter.start()
    return kills


def test_with_a_spool_every_record_counts_exactly_once(
    durable_exporter: Exporter, new_monitor: Any, tmp_path: Path
) -> None:
    exporter, folder = durable_exporter, str(tmp_path / "spool")
    processes = [start_load(exporter, 2000, 0.1, LLM_EXPORTER_SPOOL_DIR=folder) for _ in range(3)]
    kills = disturb(exporter, processes)
    counts = [json.loads(process.communicate()[0]) for process in processes]
    assert kills >= 3
    assert sum(counted["dropped"] + counted["rejected"] for counted in counts) == 0
    heir: LLMMonitor = new_monitor(exporter.url, spool_dir=folder)
    heir.record_metric(LLMCallMetrics("heir", "p", "m"))
    eventually(lambda: exporter.calls("A") == 6000, 20)
    eventually(lambda: heir.statistics().queued == 0, 20)
    summary = exporter.summary()["agents"]["A"]
    assert summary.items() >= {
        "calls": 6000, "tokens": 42000, "cost_usd": 60, "errors": 0, "unpriced_calls": 0, "cost_known": True}.items()
    heir.close()
    assert list((tmp_path / "spool").iterdir()) == []


def test_without_a_spool_every_loss_is_counted_by_the_client(durable_exporter: Exporter) -> None:
    exporter = durable_exporter
    processes = [start_load(exporter, 2000, 30) for _ in range(3)]
    # Not to the end: a batch whose answer is lost when the time is up counts as dropped, and may have arrived.
    kills = disturb(exporter, processes, most=8)
    counts = [json.loads(process.communicate()[0]) for process in processes]
    assert kills >= 3
    delivered = sum(counted["sent"] + counted["duplicates"] for counted in counts)
    lost = sum(counted["dropped"] + counted["rejected"] + counted["expired"] for counted in counts)
    assert exporter.calls("A") == delivered
    assert delivered + lost == 6000


def test_without_a_spool_an_outage_beyond_memory_is_counted(durable_exporter: Exporter, new_monitor: Any) -> None:
    exporter = durable_exporter
    monitor: LLMMonitor = new_monitor(exporter.url, max_queue_records=200)
    for number in range(3):
        for _ in range(100):
            monitor.record_metric(LLMCallMetrics("A", "p", "m"))
        assert monitor.flush()
        exporter.kill()
        for _ in range(500):
            monitor.record_metric(LLMCallMetrics("A", "p", "m"))
        exporter.start()
        assert monitor.flush(20), number
    counted = monitor.statistics()
    assert counted.dropped == 900
    assert exporter.calls("A") == counted.sent + counted.duplicates == 900


def test_agents_that_are_killed_lose_only_what_was_not_on_disk(
    durable_exporter: Exporter, new_monitor: Any, tmp_path: Path
) -> None:
    """Agents die by SIGKILL while the exporter does, too: what a `flush` or the spool had is there, and only once."""
    exporter, folder = durable_exporter, str(tmp_path / "spool")
    source = (
        PRELUDE
        + """
n = 0
while True:
    record(5)
    n += 5
    while monitor.statistics().queued != monitor._sender._ledger.stored: time.sleep(0.001)
    print(n, flush=True)                     # all of them answered or on disk
"""
    )
    safe, made = 0, 0
    for round_ in range(4):
        environment = {**os.environ, "LLM_EXPORTER_SPOOL_DIR": folder}
        process = subprocess.Popen(
            [*PYTHON, "-c", source, exporter.url],
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            env=environment,
        )
        time.sleep(0.8)
        if round_ % 2:
            exporter.kill()
            time.sleep(0.3)
        process.send_signal(signal.SIGKILL)
        said = process.communicate()[0].split()
        safe += int(said[-1])
        made += int(said[-1]) + 5
        if round_ % 2:
            exporter.start()
    heir: LLMMonitor = new_monitor(exporter.url, spool_dir=folder)
    heir.record_metric(LLMCallMetrics("heir", "p", "m"))
    assert heir.flush(20)
    eventually(lambda: heir.statistics().queued == 0, 20)
    assert safe <= exporter.calls("A") <= made
    summary = exporter.summary()["agents"]["A"]
    assert summary["tokens"] == 7 * summary["calls"]
