"""Flags, exit codes, signals and the log."""

import json
import os
import re
import signal
import socket
import subprocess
import threading
import time
from functools import partial
from pathlib import Path

import pytest

from exporter import BINARY, END_WITHIN, Exporter, Wire, call, encode, eventually, run

BODY = encode(call())
POST = f"POST /record HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nContent-Length: {len(BODY)}\r\n\r\n"


def test_version_names_what_it_is_made_of():
    done = run("--version")
    assert done.returncode == 0
    assert "llm-exporter" in done.stdout
    assert re.search(r"\b\d+\.\d+\.\d+", done.stdout)
    assert re.search(r"revision\W+\w+", done.stdout, re.IGNORECASE)
    assert re.search(r"swift\W+6\.\d", done.stdout, re.IGNORECASE)
    assert re.search(r"libmicrohttpd\W+\d+\.\d+\.\d+", done.stdout, re.IGNORECASE)


@pytest.mark.parametrize("arguments", [["--help"], ["serve", "--help"], ["simulate", "--help"]], ids=" ".join)
def test_help_is_there(arguments):
    done = run(*arguments)
    assert done.returncode == 0
    assert "simulate" in done.stdout or "--" in done.stdout


def test_the_log_names_the_folder_from_the_root(start, tmp_path):
    exporter = start(storage=Path(os.path.relpath(tmp_path / "state")))
    assert f"path={tmp_path}/state" in exporter.log


BAD_VALUES = {
    "--web.listen-address": ["nonsense", "127.0.0.1", "127.0.0.1:99999", "127.0.0.1:-1", "127.0.0.1:http", "", "[::1",
                             "::1:80", "127.0.0.1:80:80"],
    "--web.max-body-size": ["5Q", "-1", "", "MiB", "0", "32", "1023", "0.5MiB", "3GiB"],
    "--web.telemetry-path": ["metrics", ""],
    "--dedup.window": ["5x", "-1h", "", "h"],
    "--dedup.max-ids": ["-1", "many"],
    "--limits.max-series": ["-1", "1.5", "all"],
    "--active-calls.lease": ["soon", "-1s"],
    "--histogram.buckets": ["", "a", "1,1", "2,1", "1,,2", "NaN", "-1,1", "1,+Inf,2",
                            ",".join(map(str, range(1, 66)))],
    "--log.level": ["loud"],
    "--log.format": ["xml"],
}


@pytest.mark.parametrize("flag, value", [(flag, value) for flag, values in BAD_VALUES.items() for value in values])
def test_a_bad_flag_is_exit_code_2_and_one_clear_line_that_names_it(flag, value):
    arguments = ["--storage.memory", f"{flag}={value}"]
    if flag != "--web.listen-address":
        arguments += ["--web.listen-address", "127.0.0.1:0"]
    done = run(*arguments)
    assert done.returncode == 2, done
    said = done.stderr.strip().splitlines()
    assert len(said) == 1, done.stderr
    assert flag in said[0]
    assert not value or value in said[0]
    assert not done.stdout.strip()


@pytest.mark.parametrize("arguments", [["--no-such-flag"], ["--web.listen-adress", "127.0.0.1:0"], ["nonsense"],
                                       ["serve", "extra"], ["simulate", "--url"], ["simulate", "--url", "nonsense"],
                                       ["--dedup.window"]], ids=" ".join)
def test_what_is_no_flag_is_exit_code_2_and_one_clear_line(arguments):
    done = run(*arguments)
    assert done.returncode == 2, done
    assert len(done.stderr.strip().splitlines()) == 1, done.stderr
    assert arguments[-1] in done.stderr or arguments[0] in done.stderr


@pytest.mark.parametrize("flag", ["--web.config.file", "--config.file", "--prices.file"])
def test_a_file_that_cannot_be_read_is_exit_code_2(flag):
    done = run("--storage.memory", "--web.listen-address", "127.0.0.1:0", flag, "/nonexistent/file")
    assert done.returncode == 2, done
    assert len(done.stderr.strip().splitlines()) == 1 and flag in done.stderr


@pytest.mark.parametrize("text", ["", "# users come here\n", "basic_auth_users:\n", "bearer_tokens: []\n", "{}\n"])
def test_a_web_configuration_that_protects_nothing_is_exit_code_2(tmp_path, text):
    file = tmp_path / "web.yml"
    file.write_text(text)
    for check in ([], ["--config.check"]):
        done = run("--storage.memory", "--web.listen-address", "127.0.0.1:0", "--web.config.file", str(file), *check)
        assert done.returncode == 2, done
        assert len(done.stderr.strip().splitlines()) == 1 and str(file) in done.stderr
        assert "everyone would be let in" in done.stderr or "protects nothing" in done.stderr


def test_an_empty_configuration_file_is_warned_of(start, tmp_path):
    file = tmp_path / "config.yaml"
    file.write_text("\n")
    exporter = start("--config.file", str(file))
    [line] = [line for line in exporter.log_lines if "level=warn" in line]
    assert f"--config.file {file}: sets nothing" in line
    assert run("--config.file", str(file), "--config.check").returncode == 0


def test_a_rate_that_looks_like_a_price_for_a_million_is_warned_of(start, tmp_path):
    file = tmp_path / "prices.json"
    file.write_text('{\n"p/m": {"litellm_provider": "p",\n"input_cost_per_token": 2.5}}\n')
    exporter = start("--prices.file", str(file))
    [line] = [line for line in exporter.log_lines if "level=warn" in line]
    assert str(file) in line and "line 3" in line and "p/m" in line and "input_cost_per_token is 2.5" in line
    done = run("--prices.file", str(file), "--config.check")
    assert done.returncode == 0 and "line 3" in done.stdout


@pytest.mark.parametrize("flags", [["--storage.memory", "--storage.path", "x"],
                                   ["--storage.path=x", "--storage.memory"]])
def test_flags_that_contradict_each_other_are_exit_code_2(tmp_path, monkeypatch, flags):
    monkeypatch.chdir(tmp_path)
    done = run("--web.listen-address", "127.0.0.1:0", *flags)
    assert done.returncode == 2, done
    assert len(done.stderr.strip().splitlines()) == 1
    assert "--storage.memory" in done.stderr and "--storage.path" in done.stderr
    assert not list(tmp_path.iterdir())


@pytest.mark.concurrency
def test_a_reload_that_comes_while_it_starts_waits_until_it_serves(start, tmp_path):
    file = tmp_path / "config.yaml"
    file.write_text("budgets: [{name: daily, limit_usd: 1, period: day}]\n")
    for delay in [0.0, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1]:
        exporter = start("--config.file", str(file), awaited=False)
        # The first instructions of a process are the loader's: only then is it the program.
        eventually(partial(blocks_hangups, exporter.pid), "the program's first instruction", every=0.0002)
        time.sleep(delay)
        exporter.signal(signal.SIGHUP)
        exporter.await_listening()
        eventually(partial(has_reloaded, exporter), "the reload that came early")
        exporter.stop()


def has_reloaded(exporter: Exporter) -> bool:
    return "msg=Reloaded" in exporter.log


def blocks_hangups(pid: int) -> bool:
    """Whether the process keeps SIGHUP pending (proc(5), SigBlk), or has ended."""
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except FileNotFoundError:
        return True
    blocked = next((line for line in status.splitlines() if line.startswith("SigBlk:")), "SigBlk: 0")
    return bool(int(blocked.split()[1], 16) & 1 << (signal.SIGHUP - 1))


def test_serve_is_the_default_command(start):
    exporter = start(command=("serve",))
    assert exporter.post(call()).outcome() == (1, 0, 0)


@pytest.mark.concurrency
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT], ids=lambda n: n.name)
def test_a_signal_ends_it_cleanly_with_exit_code_0(start, number):
    exporter = start()
    exporter.post(call()).outcome()
    idle = exporter.wire().send("GET /-/healthy HTTP/1.1\r\nHost: a\r\n\r\n")
    assert idle.reply("GET").status == 200
    exporter.signal(number)
    # An idle connection does not hold it up.
    assert exporter.wait() == 0
    idle.socket.close()
    with pytest.raises(ConnectionError):
        exporter.wire()


@pytest.mark.concurrency
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT], ids=lambda n: n.name)
def test_a_request_in_flight_is_answered_before_the_end(start, number):
    exporter = start()
    with exporter.wire() as wire:
        wire.send(POST + BODY[:20])
        time.sleep(0.2)
        exporter.signal(number)
        time.sleep(0.3)
        wire.send(BODY[20:])
        assert wire.reply().outcome() == (1, 0, 0)
    assert exporter.wait() == 0


@pytest.mark.concurrency
def test_while_it_stops_nothing_more_is_taken_and_a_last_scrape_is_answered(start):
    exporter = start()
    with exporter.wire() as wire:
        wire.send(POST + BODY[:20])
        time.sleep(0.2)
        exporter.signal(signal.SIGTERM)
        eventually(lambda: "Stopping" in exporter.log, "it stops")
        time.sleep(0.2)
        refused = exporter.post(call())
        assert refused.problem(503) and int(refused.headers["Retry-After"]) > 0
        assert exporter.get("/-/ready").status == 503
        assert exporter.get("/-/healthy").status == 200
        assert exporter.scrape().total("llm_calls_total") == 0
        wire.send(BODY[20:])
        assert wire.reply().outcome() == (1, 0, 0)
    assert exporter.wait() == 0


@pytest.mark.concurrency
def test_it_stops_cleanly_however_often(start):
    # The server's threads are busy with connections while it stops: a race between them once crashed the program.
    for _ in range(40):
        exporter = start()
        wires = [exporter.wire() for _ in range(8)]
        for wire in wires:
            wire.send(POST + BODY)
        exporter.signal(signal.SIGTERM)
        assert exporter.wait() == 0
        for wire in wires:
            wire.socket.close()


@pytest.mark.concurrency
def test_a_request_that_never_ends_does_not_hold_up_the_end_for_ever(start):
    exporter = start()
    with exporter.wire() as wire:
        wire.send(POST + BODY[:20])
        time.sleep(0.1)
        exporter.signal(signal.SIGTERM)
        assert exporter.wait(4 * END_WITHIN) == 0


@pytest.mark.concurrency
def test_no_answer_is_cut_short_by_the_end(start):
    exporter = start()
    answers, strange = [], []

    def posting():
        try:
            while True:
                with Wire(exporter.address) as wire:
                    wire.send(POST + BODY)
                    reply = wire.reply()
                    # What comes after the signal is refused, and told so in full.
                    if reply.status == 503:
                        assert reply.problem(503) and int(reply.headers["Retry-After"]) > 0
                    else:
                        answers.append(reply.outcome())
        except ConnectionError:
            pass
        except Exception as error:  # An answer that is cut short, or no 200: carried to the test's own thread.
            strange.append(error)

    posters = [threading.Thread(target=posting) for _ in range(8)]
    for poster in posters:
        poster.start()
    eventually(lambda: len(answers) > 100, "posts are answered")
    exporter.signal(signal.SIGTERM)
    assert exporter.wait() == 0
    for poster in posters:
        poster.join()
    assert not strange, strange
    assert set(answers) == {(1, 0, 0)}


@pytest.mark.concurrency
def test_sighup_keeps_it_running_with_all_it_has(exporter):
    exporter.post(call()).outcome()
    before = len(exporter.log_lines)
    for _ in range(3):
        exporter.signal(signal.SIGHUP)
        time.sleep(0.05)
    assert exporter.post(call()).outcome() == (1, 0, 0)
    assert exporter.calls() == 2
    eventually(lambda: len(exporter.log_lines) > before, "the reload is logged")
    assert exporter.process.poll() is None


def test_the_log_is_logfmt_by_default(exporter):
    assert exporter.log_lines
    for line in exporter.log_lines:
        assert re.fullmatch(r'(\S+?=("([^"\\]|\\.)*"|\S*))( \S+?=("([^"\\]|\\.)*"|\S*))*', line), line
    assert any("level=info" in line for line in exporter.log_lines)


def test_the_log_can_be_json():
    process = subprocess.Popen(
        [BINARY, "--web.listen-address", "127.0.0.1:0", "--storage.memory", "--log.format", "json"],
        stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True)
    assert process.stderr
    try:
        for line in process.stderr:
            entry = json.loads(line)
            if entry.get("msg") == "Listening on":
                break
        assert re.fullmatch(r"127\.0\.0\.1:\d+", entry["address"])
        process.send_signal(signal.SIGTERM)
        for line in process.stderr:
            assert isinstance(json.loads(line), dict)
        assert process.wait(END_WITHIN) == 0
    finally:
        process.kill()
        process.wait()


def test_errors_only_are_logged_on_request():
    # Where it listens is said at level info: with --log.level error only a failure speaks.
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        done = run("--web.listen-address", address, "--storage.memory", "--log.level", "error")
    assert done.returncode == 1
    assert len(done.stderr.strip().splitlines()) == 1


def test_memory_only_is_said_in_the_log(exporter):
    assert any("memory" in line for line in exporter.log_lines)


def test_listening_beyond_loopback_without_authentication_is_warned_of(start):
    warned = [line for line in start(listen=("0.0.0.0:0",)).log_lines if "level=warn" in line]
    assert any("authenticat" in line and "0.0.0.0:" in line for line in warned), warned
    assert not [line for line in start().log_lines if "level=warn" in line and "127.0.0.1" in line]


def test_a_bad_address_among_good_ones_starts_nothing():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        done = run("--web.listen-address", "127.0.0.1:0", "--web.listen-address", address, "--storage.memory")
    assert done.returncode == 1
    assert address in done.stderr


@pytest.mark.parametrize("flags", [
    ["--dedup.window", "1h30m"], ["--dedup.window", "90s"], ["--dedup.window", "7d"],
    ["--active-calls.lease", "500ms"],
    ["--web.max-body-size", "1024"], ["--web.max-body-size", "64KiB"], ["--web.max-body-size", "1GiB"],
    ["--web.max-body-size", "10MB"], ["--histogram.buckets", "0.001,0.25,1e1"], ["--histogram.reset-on-change"],
    ["--limits.max-series", "1"], ["--log.level", "debug"],
], ids=" ".join)
def test_good_flags_are_taken(start, flags):
    exporter = start(*flags)
    assert exporter.post(call()).outcome() == (1, 0, 0)


def test_an_unknown_command_is_answered_with_those_that_there_are():
    ended = run("sevre")
    assert ended.returncode == 2 and ended.stdout == "", ended
    assert ended.stderr.startswith("llm-exporter: sevre: no such command; there are serve, send, "), ended.stderr
    assert len(ended.stderr.splitlines()) == 1
