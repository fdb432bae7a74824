"""Records that handlers, finalizers, threads and generators make while the program ends, in any order."""

from __future__ import annotations

import re
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest

from llm_exporter import LLMCallMetrics, LLMMonitor
from peers import PYTHON, Exporter, eventually

BEFORE = """
import atexit
from_the_start = []
atexit.register(lambda: [function() for function in from_the_start])
import os, sys, threading, time, weakref
from llm_exporter import LLMCallMetrics, LLMMonitor
made = []
def new_monitor():
    made.append(LLMMonitor(sys.argv[1], linger=0.02, exit_timeout=float(os.environ.get("EXIT_TIMEOUT", "5"))))
    return made[0]
def record(n=3):
    for _ in range(n):
        (made[0] if made else new_monitor()).record_metric(LLMCallMetrics("A", "openai", "gpt", input_tokens=3))
class Thing: pass
"""

# The last handler shows what was counted.
COUNTS = """
def show():
    counted = made[0].statistics()
    print(counted.recorded, counted.sent, counted.dropped, counted.queued)
from_the_start.append(show)
"""

PROGRAMS = {
    "a handler registered before the monitor": "atexit.register(record); new_monitor()",
    "a handler registered before the import": "from_the_start.append(record); new_monitor()",
    "a monitor that a handler registered before the import makes": "from_the_start.append(record)",
    "a handler registered after the monitor": "new_monitor(); atexit.register(record)",
    "handlers before and after": """
from_the_start.insert(0, lambda: record(1)); new_monitor(); record(1); atexit.register(record, 1)
""",
    "a finalizer made before the monitor": "thing = Thing(); weakref.finalize(thing, record); new_monitor()",
    "a finalizer made after the monitor": "new_monitor(); thing = Thing(); weakref.finalize(thing, record)",
    "a thread that outlives the main thread": """
new_monitor()
def late():
    threading.main_thread().join()
    time.sleep(0.2)
    record()
threading.Thread(target=late).start()
""",
    "a thread that outlives the main thread, beside records of it": """
new_monitor(); record(1)
def late():
    threading.main_thread().join()
    time.sleep(0.2)
    record(2)
threading.Thread(target=late).start()
""",
    "a generator that the interpreter closes": """
calls = new_monitor().monitor_llm_call("A", "openai", "gpt")
@calls
def chunks():
    yield 1
    yield 2
open_streams = [chunks() for _ in range(3)]
for stream in open_streams: next(stream)
""",
    "an object that the interpreter drops": """
new_monitor()
class Recording:
    def __del__(self): record()
recording = Recording()
""",
    "a monitor that a handler makes": "atexit.register(record)",
    "a monitor that a handler makes, with a thread": """
def late():
    thread = threading.Thread(target=record)
    try: thread.start()
    except RuntimeError: return record()  # from Python 3.12 on no thread starts any more
    thread.join()
atexit.register(late)
""",
    "a child that a handler forks": """
def fork():
    try: child = os.fork()
    except RuntimeError: return record()  # Python 3.12 forks no more
    if child == 0:
        record()
        os._exit(0)
    os.wait()
from_the_start.append(fork)
new_monitor()
""",
}


def calls_and_duplicates(exporter: Exporter) -> tuple[int, float]:
    samples = exporter.samples()
    return exporter.calls("A"), samples["llm_exporter_records_duplicate_total"]


@pytest.mark.parametrize("program", PROGRAMS, ids=str)
def test_every_record_of_the_exit_arrives_once(exporter: Exporter, run_script: Any, program: str) -> None:
    ran = run_script(BEFORE + PROGRAMS[program], exporter.url)
    assert (ran.returncode, ran.stderr, ran.stdout) == (0, "", "")
    assert calls_and_duplicates(exporter) == (3, 0)
    assert exporter.samples().get('llm_active_calls{agent_name="A"}', 0) == 0


@pytest.mark.parametrize("method", ["fork", "spawn", "forkserver"])
def test_so_does_what_the_finalizers_of_a_multiprocessing_worker_record(
    exporter: Exporter, tmp_path: Path, method: str
) -> None:
    script = tmp_path / "script.py"
    script.write_text(
        BEFORE
        + f"""
import multiprocessing, multiprocessing.util
new_monitor()
def work():
    multiprocessing.util.Finalize(None, record, args=(2,), exitpriority=-10)  # after the monitor's
    record(1)
    multiprocessing.util.Finalize(None, record, args=(2,), exitpriority=10)   # before it
if __name__ == "__main__":
    worker = multiprocessing.get_context("{method}").Process(target=work)
    worker.start()
    worker.join()
    sys.exit(worker.exitcode)
"""
    )
    ran = subprocess.run([*PYTHON, str(script), exporter.url], capture_output=True, text=True, timeout=40)
    assert (ran.returncode, ran.stderr) == (0, "")
    assert calls_and_duplicates(exporter) == (5, 0)


@pytest.mark.parametrize("program", PROGRAMS, ids=str)
def test_a_hung_exporter_holds_up_the_exit_for_its_bound_only(hung_url: str, run_script: Any, program: str) -> None:
    began = time.monotonic()
    run_script(BEFORE)
    start_up = time.monotonic() - began
    began = time.monotonic()
    ran = run_script(BEFORE + PROGRAMS[program], hung_url, EXIT_TIMEOUT="2")
    assert time.monotonic() - began < 2 + 1 + 5 * start_up  # one request alone would take 10 s
    assert ran.returncode == 0
    assert re.search(r"\d records( of the exit)? could not be delivered to .* and are lost", ran.stderr)
    assert not any("Traceback" in line or "met an error" in line for line in ran.stderr.splitlines())


@pytest.mark.parametrize("program", PROGRAMS, ids=str)
def test_an_exporter_that_is_not_there_does_not_hold_up_the_exit(
    closed_url: str, run_script: Any, program: str
) -> None:
    began = time.monotonic()
    ran = run_script(BEFORE + PROGRAMS[program], closed_url, EXIT_TIMEOUT="25")
    assert ran.returncode == 0 and time.monotonic() - began < 20
    assert "Connection refused" in ran.stderr and "could not be delivered" in ran.stderr
    assert "Traceback" not in ran.stderr


@pytest.mark.parametrize("reachable", ["hung", "absent"])
@pytest.mark.parametrize("program", [program for program in PROGRAMS if "fork" not in program], ids=str)
def test_the_spool_keeps_what_the_exit_does_not_deliver(
    request: pytest.FixtureRequest,
    exporter: Exporter,
    run_script: Any,
    new_monitor: Any,
    tmp_path: Path,
    program: str,
    reachable: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    folder = tmp_path / "spool"
    url = request.getfixturevalue("hung_url" if reachable == "hung" else "closed_url")
    ran = run_script(BEFORE + PROGRAMS[program], url, EXIT_TIMEOUT="0.5", LLM_EXPORTER_SPOOL_DIR=str(folder))
    assert ran.returncode == 0 and "lost" not in ran.stderr and "Traceback" not in ran.stderr
    # Spool files are for the exporter of one URL. The heir finds them under the name of another.
    (key,) = {path.name.partition("-")[0] for path in folder.iterdir()}
    digest = type("", (), {"hexdigest": lambda _: key})()
    monkeypatch.setattr("llm_exporter.sending.spool.hashlib.sha256", lambda _: digest)
    heir: LLMMonitor = new_monitor(exporter.url, spool_dir=str(folder))
    heir.record_metric(LLMCallMetrics("heir", "p", "m"))
    assert heir.flush(10)
    eventually(lambda: heir.statistics().queued == 0)
    assert exporter.calls("A") == 3
    heir.close()
    assert list(folder.iterdir()) == []


def test_records_of_the_exit_leave_no_file_in_the_spool_if_they_arrive(
    exporter: Exporter, run_script: Any, tmp_path: Path
) -> None:
    folder = tmp_path / "spool"
    program = PROGRAMS["handlers before and after"]
    ran = run_script(BEFORE + program, exporter.url, LLM_EXPORTER_SPOOL_DIR=str(folder))
    assert (ran.returncode, ran.stderr) == (0, "")
    assert exporter.calls("A") == 3 and list(folder.iterdir()) == []


@pytest.mark.parametrize("spooled", [False, True])
@pytest.mark.parametrize("reachable", ["up", "hung", "absent"])
def test_the_exit_accounts_for_every_record(
    request: pytest.FixtureRequest, run_script: Any, reachable: str, tmp_path: Path, spooled: bool
) -> None:
    url = {
        "up": lambda: request.getfixturevalue("exporter").url,
        "hung": lambda: request.getfixturevalue("hung_url"),
        "absent": lambda: request.getfixturevalue("closed_url"),
    }[reachable]()
    environment = {"LLM_EXPORTER_SPOOL_DIR": str(tmp_path / "spool")} if spooled else {}
    program = PROGRAMS["handlers before and after"]
    ran = run_script(BEFORE + COUNTS + program, url, EXIT_TIMEOUT="0.5" if reachable == "hung" else "5", **environment)
    ends = (3, 0, 0) if reachable == "up" else (0, 0, 3) if spooled else (0, 3, 0)
    assert tuple(map(int, ran.stdout.split())) == (3, *ends)


def test_many_records_of_a_late_handler_arrive(exporter: Exporter, run_script: Any) -> None:
    program = "from_the_start.append(lambda: record(200)); new_monitor()"
    ran = run_script(BEFORE + program, exporter.url, EXIT_TIMEOUT="20")
    assert (ran.returncode, ran.stderr) == (0, "")
    assert calls_and_duplicates(exporter) == (200, 0)


def test_records_of_daemon_threads_at_exit_neither_hang_nor_count_twice(exporter: Exporter, run_script: Any) -> None:
    program = """
new_monitor()
def busy():
    while True:
        record(1)
for _ in range(4): threading.Thread(target=busy, daemon=True).start()
atexit.register(time.sleep, 0.1)
time.sleep(0.1)
"""
    for _ in range(3):
        ran = run_script(BEFORE + program, exporter.url, EXIT_TIMEOUT="1")
        assert ran.returncode == 0 and "Traceback" not in ran.stderr
    assert exporter.samples()["llm_exporter_records_duplicate_total"] == 0
