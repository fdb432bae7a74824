"""`llm-exporter send`: each record of a file counts once, whatever happens on the way."""

from __future__ import annotations

import json
import os
import pty
import random
import re
import signal
import subprocess
import threading
import time
from decimal import Decimal
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from credentials import basic
from exporter import BINARY, PATIENCE, SANITIZER, Exporter, call, eventually, ndjson, run

COST = Decimal("0.000001")


#: Four connections with a hundred records each: if more are counted, `send` has seen an acknowledgement. Until then it
#: takes an exporter that does not answer for a wrong address, and gives up.
ACKNOWLEDGED = 4 * 100


def records(count, first=0, **fields):
    return [call(agent_name=f"agent-{number % 3}", cost_usd=COST, input_tokens=number, **fields)
            for number in range(first, first + count)]


@pytest.fixture
def calls(tmp_path):
    """A file of records without ids, many of them alike."""
    def written(count, name="calls.ndjson"):
        path = tmp_path / name
        path.write_bytes(ndjson([call(cost_usd=COST, input_tokens=number % 5) for number in range(count)]))
        return path
    return written


def send(exporter, path, *arguments, **options):
    return run("send", str(path), "--url", exporter.url, *arguments, **options)


def counted(exporter):
    return exporter.calls(), exporter.scrape().total("llm_cost_usd_total")


@pytest.mark.concurrency
def test_a_file_is_sent_once_and_goes_on_where_it_has_grown(exporter, calls):
    path = calls(12_345)
    done = send(exporter, path)
    assert done.returncode == 0, done
    assert done.stdout.startswith(f"{path}: 12345 accepted, 0 duplicates, 0 rejected, in ")
    assert counted(exporter) == (12_345, 12_345 * COST)
    again = send(exporter, path)
    assert again.returncode == 0 and "0 accepted, 0 duplicates" in again.stdout, again
    assert again.stdout.rstrip().endswith(f"; 12345 lines were sent before ({path}.sent)")
    with path.open("ab") as file:
        # Blank lines are none, and the last needs no end.
        file.write(b"\n  \r\n" + ndjson(records(7)).rstrip(b"\n"))
    assert "7 accepted, 0 duplicates" in send(exporter, path).stdout
    assert counted(exporter) == (12_352, 12_352 * COST)
    # Edited, cut or rotated: nobody could tell what is new.
    whole = path.read_bytes()
    for changed in (whole.replace(b"TestAgent", b"OtherAgent", 1), whole[:1000], ndjson(records(3))):
        path.write_bytes(changed)
        refused = send(exporter, path)
        assert refused.returncode == 1 and f"remove {path}.sent to send all of it as new" in refused.stderr, refused
    assert exporter.calls() == 12_352
    # Sent again from the beginning by who asks for it.
    path.with_name(path.name + ".sent").unlink()
    assert "3 accepted, 0 duplicates" in send(exporter, path).stdout


@pytest.mark.concurrency
def test_a_file_that_was_rotated_goes_on_under_its_new_name(exporter, calls):
    path = calls(1500)
    assert send(exporter, path).returncode == 0
    rotated = path.rename(path.with_name("calls.ndjson.1"))
    new = calls(20)
    early = send(exporter, new)
    assert early.returncode == 1 and "if it was renamed, send it by its new name first" in early.stderr, early
    with rotated.open("ab") as file:
        file.write(ndjson(records(3)))
    done = send(exporter, rotated)
    assert "3 accepted, 0 duplicates" in done.stdout, done
    assert f"1500 lines were sent before ({rotated}.sent)" in done.stdout, done
    assert "20 accepted, 0 duplicates" in send(exporter, new).stdout
    # A new file that was given the inode of one that is gone is new.
    mark = new.with_name("gone.ndjson.sent")
    mark.write_text(new.with_name("calls.ndjson.sent").read_text())
    new.with_name("calls.ndjson.sent").unlink()
    new.write_bytes(ndjson(records(4)))
    assert "4 accepted, 0 duplicates" in send(exporter, new).stdout
    assert mark.exists() and exporter.calls() == 1527


@pytest.mark.concurrency
def test_what_was_acknowledged_and_not_noted_is_a_duplicate(exporter, calls):
    path = calls(5000)
    sent = path.with_name(path.name + ".sent")
    assert send(exporter, path, "--batch", "700").returncode == 0
    key = sent.read_text()
    # The digest of nothing.
    sent.write_text(json.dumps({**json.loads(key), "offset": 0, "lines": 0, "digest": "2d06800538d394c2"}))
    # Whatever is asked for, requests begin where they began: ids count from there.
    again = send(exporter, path, "--batch", "123")
    assert "0 accepted, 5000 duplicates" in again.stdout, again
    assert exporter.calls() == 5000


@pytest.mark.concurrency
def test_records_that_have_ids_keep_them(exporter, calls, tmp_path):
    path = tmp_path / "calls.ndjson"
    path.write_bytes(ndjson([call(id=f"n{number}") for number in range(100)]))
    assert exporter.post([call(id=f"n{number}") for number in range(40)]).outcome() == (40, 0, 0)
    assert "60 accepted, 40 duplicates" in send(exporter, path).stdout
    piped = run("send", "-", "--url", exporter.url, text=path.read_text())
    assert piped.returncode == 0 and piped.stdout.startswith("-: 0 accepted, 100 duplicates"), piped


@pytest.mark.concurrency
def test_rejected_lines_are_named_and_the_others_count(exporter, tmp_path):
    path = tmp_path / "calls.ndjson"
    lines = ndjson(records(2500)).splitlines(keepends=True)
    lines[1] = b"\n"
    lines[1999] = b'{"agent_name": "A", "provider": "p"}\n'
    lines[2100] = b"not JSON\n"
    path.write_bytes(b"".join(lines))
    done = send(exporter, path)
    assert done.returncode == 1, done
    assert "2497 accepted, 0 duplicates, 2 rejected" in done.stdout
    named = sorted(line for line in done.stderr.splitlines() if line.startswith(str(path)))
    assert [line.split(":")[1] for line in named] == ["2000", "2101"] and "model" in named[0], done.stderr
    assert done.stderr.splitlines()[-1].startswith("llm-exporter: 2 records were rejected"), done.stderr


@pytest.mark.concurrency
def test_the_last_line_waits_until_it_is_whole_and_warnings_are_told(exporter, tmp_path):
    path = tmp_path / "calls.ndjson"
    path.write_bytes(ndjson(records(2)) + b'{"agent_name": "B", "provider": "p", ')
    done = send(exporter, path)
    assert done.returncode == 0 and "2 accepted" in done.stdout and "the last line is not whole" in done.stderr, done
    with path.open("ab") as file:
        file.write(b'"model": "m", "cost": 5}')
    done = send(exporter, path)
    # Whole, though its end is still to come.
    assert "1 accepted" in done.stdout and 'warning: unknown field "cost"' in done.stderr, done
    with path.open("ab") as file:
        file.write(b'\n{"agent_name": "B"}\n')
    done = send(exporter, path)
    assert "0 accepted, 0 duplicates, 1 rejected" in done.stdout and f"{path}:4: " in done.stderr, done
    assert exporter.calls() == 3


@pytest.mark.concurrency
def test_a_request_that_is_too_large_is_sent_in_parts(start, tmp_path):
    exporter = start("--web.max-body-size", "4KiB")
    path = tmp_path / "calls.ndjson"
    lines = ndjson(records(300)).splitlines(keepends=True)
    lines[100] = ndjson([call(agent_name="B", note="x" * 5000)])
    path.write_bytes(b"".join(lines))
    done = send(exporter, path)
    assert done.returncode == 1 and "299 accepted, 0 duplicates, 1 rejected" in done.stdout, done
    assert f"{path}:101: " in done.stderr and "--web.max-body-size" in done.stderr, done
    assert exporter.calls() == 299


@pytest.mark.concurrency
def test_two_at_once_send_it_once(exporter, calls):
    count = 10_000 if SANITIZER else 100_000
    path = calls(count)
    both = [subprocess.Popen([BINARY, "send", path, "--url", exporter.url, "--batch", "100"], stdout=subprocess.PIPE,
                             stderr=subprocess.PIPE, text=True) for _ in range(2)]
    told = [one.communicate(timeout=60)[1] for one in both]
    assert sorted(one.returncode for one in both) == [0, 1] and "another llm-exporter send" in "".join(told), told
    assert exporter.calls() == count


class Anybody(BaseHTTPRequestHandler):
    """A server that takes everything, and is no exporter."""

    def do_POST(self):
        self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b'{"status": "ok"}')

    def log_message(self, *_):
        pass


@pytest.mark.heavy
def test_each_record_counts_once_while_the_exporter_and_the_sender_are_killed(tmp_path, calls):
    path, storage, count = calls(150_000), tmp_path / "data", 150_000
    dice, ends = random.Random(5), 0
    with Exporter(storage=storage) as first:
        port = first.address[1]
        first.stop()
    stopping = threading.Event()

    def restarting():
        while not stopping.is_set():
            with Exporter("--web.listen-address", f"127.0.0.1:{port}", storage=storage) as exporter:
                stopping.wait(dice.uniform(0.3, 0.8))
                exporter.kill()

    keeper = threading.Thread(target=restarting)
    keeper.start()
    try:
        deadline = time.monotonic() + 60
        while True:
            sender = subprocess.Popen(
                [BINARY, "send", path, "--url", f"http://127.0.0.1:{port}", "--batch", "300"],
                stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
            if ends < 6:
                time.sleep(dice.uniform(0.05, 0.3))
                sender.send_signal(dice.choice([signal.SIGKILL, signal.SIGTERM]))
                ends += 1
            out, err = sender.communicate(timeout=PATIENCE * 3)
            if sender.returncode == 0:
                break
            assert time.monotonic() < deadline, (out, err)
    finally:
        stopping.set()
        keeper.join()
    with Exporter(storage=storage) as exporter:
        assert counted(exporter) == (count, count * COST)


@pytest.mark.concurrency
def test_what_cannot_be_sent_ends_with_1_and_one_line(exporter, calls, tmp_path):
    path = calls(10)
    unreachable = run("send", str(path), "--url", "http://127.0.0.1:1")
    # Nothing was acknowledged there.
    other_url = send(exporter, path)
    assert other_url.returncode == 0 and "10 accepted" in other_url.stdout, other_url
    elsewhere = run("send", str(path), "--url", "http://127.0.0.1:1")
    assert elsewhere.returncode == 1 and f"was sent to {exporter.url}," in elsewhere.stderr, elsewhere
    elsewhere = run("send", str(calls(10, "elsewhere.ndjson")), "--url", exporter.url + "/summary")
    with ThreadingHTTPServer(("127.0.0.1", 0), Anybody) as server:
        threading.Thread(target=server.serve_forever).start()
        nobody = run("send", str(calls(10, "other.ndjson")), "--url", f"http://127.0.0.1:{server.server_port}")
        server.shutdown()
    assert json.loads((tmp_path / "other.ndjson.sent").read_text())["offset"] == 0
    missing = send(exporter, tmp_path / "none")
    folder = send(exporter, tmp_path)
    sent = path.with_name(path.name + ".sent")
    sent.write_text("{}")
    spoilt = send(exporter, path)
    for ended, words in [(unreachable, "is the exporter running?"), (elsewhere, "answers 404"),
                         (nobody, "does not answer as an exporter does"), (missing, "No such file or directory"),
                         (folder, "Is a directory"), (spoilt, f"{sent}: ")]:
        assert ended.returncode == 1, ended
        assert len(ended.stderr.splitlines()) == 1 and words in ended.stderr, ended
    assert exporter.calls() == 10
    for wrong in (["--connections", "0"], ["--batch", "0"], ["--url", "nonsense"], []):
        ended = run("send", *([str(path), *wrong] if wrong else []))
        assert ended.returncode == 2 and len(ended.stderr.splitlines()) == 1, ended


@pytest.mark.parametrize("user, header", [
    ("ada:s3cret@", basic("ada", "s3cret")), ("ada:s%33cret@", basic("ada", "s3cret")),
    ("ada:s3cret%40%2F@", basic("ada", "s3cret@/")), ("ada:@s3cret@", basic("ada", "@s3cret")),
    ("s3cret@", basic("s3cret", ""))])
def test_a_password_in_the_url_is_sent_and_reaches_no_file_and_no_screen(exporter, calls, tmp_path, user, header):
    path = calls(20)
    seen = []

    class Refusing(Anybody):
        def do_POST(self):
            seen.append(self.headers["Authorization"])
            self.rfile.read(int(self.headers["Content-Length"]))
            self.send_error(401)

    with ThreadingHTTPServer(("127.0.0.1", 0), Refusing) as server:
        threading.Thread(target=server.serve_forever).start()
        port = server.server_port
        refused = run("send", str(path), "--url", f"http://{user}127.0.0.1:{port}")
        server.shutdown()
    assert set(seen) == {header["Authorization"]}
    # An exporter without users takes any.
    sent = run("send", str(path), "--url", f"http://{user}{exporter.url.removeprefix('http://')}")
    assert "20 accepted" in sent.stdout, sent
    unreachable = run("send", str(path), "--url", f"http://{user}127.0.0.1:1")
    assert f"was sent to {exporter.url}, " in unreachable.stderr, unreachable
    unreachable = run("send", str(calls(3, "other.ndjson")), "--url", f"http://{user}127.0.0.1:1")
    day = run("simulate", "--url", f"http://{user}127.0.0.1:1")
    for ended in (refused, unreachable, day):
        assert ended.returncode == 1, ended
    for shown in (refused, sent, unreachable, day):
        assert "cret" not in shown.stdout + shown.stderr and "ada" not in shown.stdout + shown.stderr, shown
    assert sorted(file.name for file in tmp_path.glob("*.sent*")) == ["calls.ndjson.sent", "other.ndjson.sent"]
    for file in tmp_path.glob("*.sent"):
        assert "cret" not in file.read_text() and "ada" not in file.read_text(), file
        assert file.stat().st_mode & 0o777 == 0o600, file


@pytest.mark.parametrize("arguments", [
    ("--url", "ada:s3cret@127.0.0.1:1"), ("--url", "http://ada:s3cret/@127.0.0.1:1"),
    ("--url", "http://ada:s3cret%40127.0.0.1:1"), ("--url", "http://127.0.0.1:1/?token=s3cret"),
    ("--url", "http://ada:s3cret@"), ("--url", "http://ada:s3cret%zz@127.0.0.1:1"),
    ("--ulr=http://ada:s3cret@127.0.0.1:1",), ("http://ada:s3cret@127.0.0.1:1",)])
@pytest.mark.parametrize("command", [("send", "calls.ndjson"), ("simulate",)])
def test_a_url_that_is_refused_is_not_shown_as_it_may_hold_a_password(command, arguments):
    refused = run(*command, *arguments)
    assert refused.returncode == 2 and len(refused.stderr.splitlines()) == 1, refused
    assert "cret" not in refused.stdout + refused.stderr, refused


def test_a_mark_of_an_older_version_loses_its_password(exporter, calls):
    path = calls(20)
    assert send(exporter, path).returncode == 0
    sent = path.with_name(path.name + ".sent")
    mark = json.loads(sent.read_text())
    host = exporter.url.removeprefix("http://")
    sent.write_text(json.dumps({**mark, "url": f"http://ada:s3cret@{host}/"}))
    sent.chmod(0o644)
    again = run("send", str(path), "--url", f"http://ada:changed@{host}")
    assert "0 accepted, 0 duplicates" in again.stdout, again
    assert json.loads(sent.read_text()) == mark and sent.stat().st_mode & 0o777 == 0o600


@pytest.mark.heavy
def test_it_waits_while_the_exporter_is_away_and_says_so_on_a_terminal(tmp_path, calls):
    path, storage = calls(200_000), tmp_path / "data"
    terminal, end = pty.openpty()
    shown = bytearray()
    with Exporter(storage=storage) as exporter:
        port = exporter.address[1]
        sender = subprocess.Popen([BINARY, "send", path, "--url", exporter.url, "--batch", "100", "--connections", "1"],
                                  stdout=subprocess.PIPE, stderr=end)
        os.close(end)

        def reading():
            try:
                while part := os.read(terminal, 4096):
                    shown.extend(part)
            except OSError:
                # So a terminal tells that its other end is closed.
                pass

        reader = threading.Thread(target=reading)
        reader.start()
        eventually(lambda: exporter.calls() > ACKNOWLEDGED, "records are acknowledged")
        exporter.kill()
    eventually(lambda: b"waiting: " in shown, "it says that it waits")
    with Exporter("--web.listen-address", f"127.0.0.1:{port}", storage=storage) as exporter:
        assert sender.wait(60) == 0, bytes(shown)
        assert counted(exporter) == (200_000, 200_000 * COST)
    reader.join()
    os.close(terminal)
    # What was under way at the kill may have been counted.
    assert sender.stdout
    assert re.search(rb": (200000 accepted, 0|199900 accepted, 100) duplicates, 0 rejected", sender.stdout.read())
    assert b"[" in shown and b"%" in shown


@pytest.mark.heavy
def test_off_a_terminal_it_says_that_it_waits_and_that_it_goes_on(tmp_path, calls):
    path, storage = calls(200_000), tmp_path / "data"
    with Exporter(storage=storage) as exporter:
        port = exporter.address[1]
        sender = subprocess.Popen([BINARY, "send", path, "--url", exporter.url, "--batch", "100"],
                                  stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        eventually(lambda: exporter.calls() > ACKNOWLEDGED, "records are acknowledged")
        exporter.kill()
    assert sender.stderr and sender.stderr.readline().startswith(f"{path}: waiting: ")
    with Exporter("--web.listen-address", f"127.0.0.1:{port}", storage=storage) as exporter:
        told = sender.communicate(timeout=60)[1]
        # It may be through within the second until it would say so.
        assert sender.returncode == 0 and told in ("", f"{path}: goes on\n"), told
        assert counted(exporter) == (200_000, 200_000 * COST)
