"""Clients that are slow on purpose, or idle: the others are served as before, and slow connections end in time."""

import http.client
import random
import resource
import selectors
import signal
import socket
import ssl
import struct
import subprocess
import threading
import time

import pytest

from credentials import Authority
from exporter import JSON, PATIENCE, Exporter, call, encode, eventually, ndjson
from pace import Stopwatch

#: docs/decisions.md, "Idle connections close after 20 s".
IDLE_SECONDS = 20
ATTACK_SECONDS = 12
ATTACKERS = 300
IDLERS = 5000

#: Slow headers, slow bodies, slow readers of a large answer. Each sends or reads a few bytes a second.
ATTACKS = {
    "slow headers": ["-H", "-u", "{url}/"],
    "slow body": ["-B", "-u", "{url}/record", "-f", "application/json", "-s", "8192", "-x", "10"],
    "slow read": ["-X", "-u", "{url}/metrics", "-n", "1", "-z", "32", "-w", "256", "-y", "512", "-k", "3"],
}


@pytest.fixture(autouse=True)
def descriptors():
    """Of this process and of the exporters it starts: enough for both ends of all connections."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = IDLERS + 3 * ATTACKERS + 500
    assert hard == resource.RLIM_INFINITY or hard >= wanted, f"ulimit -Hn is {hard}; this needs {wanted}"
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, wanted), hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


class Traffic:
    """Calls that are posted one after the other on a connection that is kept, and each fifty times a scrape."""

    def __init__(self, exporter):
        self.exporter, self.latencies, self.faults = exporter, [], []
        self.ends = threading.Event()
        self.thread = threading.Thread(target=self.run)

    def run(self):
        host, port = self.exporter.address
        connection = http.client.HTTPConnection(host, port, timeout=PATIENCE)
        body = encode(call(latency_ms=1))
        try:
            while not self.ends.wait(0.005):
                kind = len(self.latencies) % 50
                began = time.monotonic()
                connection.request(*(("GET", "/metrics") if kind == 49 else ("POST", "/record", body, JSON)))
                answer = connection.getresponse()
                answer.read()
                self.latencies.append(time.monotonic() - began)
                if answer.status != 200:
                    self.faults.append(answer.status)
        except (OSError, http.client.HTTPException) as error:
            self.faults.append(error)
        finally:
            connection.close()

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.ends.set()
        self.thread.join()

    def figures(self):
        ordered = sorted(self.latencies)
        return (f"{len(ordered)} requests, p50 {ordered[len(ordered) // 2] * 1e3:.1f} ms, "
                f"p99 {ordered[len(ordered) * 99 // 100] * 1e3:.1f} ms, longest {ordered[-1] * 1e3:.0f} ms")

    def is_unharmed(self):
        assert not self.faults, self.faults
        assert len(self.latencies) > 200, "hardly a request came through"
        # The attackers take their part of the processors, too.
        assert sorted(self.latencies)[len(self.latencies) * 99 // 100] < 1, self.figures()
        assert max(self.latencies) < 5, self.figures()


def held_up(exporter):
    """Connections that stop in each place where one can: they are the exporter's to end."""
    body = (b"POST /record HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nContent-Length: 500\r\n\r\n"
            b"{\"agent_name\":")
    stopped = [exporter.wire().send(sent).socket
               for sent in (b"", b"GET / HT", b"GET / HTTP/1.1\r\nHost: a\r\nX-Slow", body)]
    # One that never reads an answer which is larger than all buffers between.
    unread = socket.socket()
    unread.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    unread.connect(exporter.address)
    unread.sendall(b"GET /metrics HTTP/1.1\r\nHost: a\r\n\r\n")
    return [*stopped, unread]


@pytest.mark.alone
@pytest.mark.heavy
@pytest.mark.timeout(120)
def test_slow_clients_harm_nobody_and_end_in_time(start, tmp_path, figures):
    exporter = start("--limits.max-series", "20000", storage=tmp_path / "state")
    # A scrape of some 9 MB.
    exporter.post_lines([call(agent_name=f"Agent{n}", latency_ms=1) for n in range(8000)])
    with Traffic(exporter) as alone:
        time.sleep(2)
    alone.is_unharmed()
    idle = exporter.open_sockets()
    began = time.monotonic()
    stopped = held_up(exporter)
    with Traffic(exporter) as beside:
        attacks = {name: subprocess.Popen(
            ["slowhttptest", *(part.format(url=exporter.url) for part in attack), "-c", str(ATTACKERS), "-r", "150",
             "-i", "1", "-l", str(ATTACK_SECONDS), "-p", "5"], stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
            for name, attack in ATTACKS.items()}
        try:
            most = 0
            while any(attack.poll() is None for attack in attacks.values()):
                most = max(most, exporter.open_sockets())
                time.sleep(0.2)
        finally:
            for attack in attacks.values():
                attack.kill()
                attack.wait()
        for name, attack in attacks.items():
            assert attack.stdout
            told = attack.stdout.read().decode(errors="replace")
            assert attack.returncode == 0 and "service available:   NO" not in told, (name, told[-2000:])
        eventually(lambda: exporter.open_sockets() <= idle + 1, "the connections of slow clients have ended",
                   within=IDLE_SECONDS + PATIENCE, every=0.2)
        ended = time.monotonic() - began
    beside.is_unharmed()
    assert most > idle + ATTACKERS, "there was no attack"
    assert ended >= IDLE_SECONDS - 1, "nothing waited for the time-out"
    for connection in stopped:
        connection.close()
    peak = exporter.memory_kib("VmHWM") // 1024
    scrape = len(exporter.get("/metrics").body) >> 20
    # Without sharing the slow readers hold one each.
    assert peak < ATTACKERS * scrape * 3 / 4, f"{peak} MiB of memory for scrapes of {scrape} MiB"
    figures(f"posts alone: {alone.figures()}")
    figures(f"posts beside up to {most - idle} slow connections: {beside.figures()}; "
            f"at most {peak} MiB of memory, with scrapes of {scrape} MiB")


@pytest.mark.alone
@pytest.mark.heavy
@pytest.mark.timeout(120)
def test_five_thousand_idle_connections_are_held(start, figures):
    exporter = start()
    assert exporter.post(ndjson([call()] * 100), {"Content-Type": "application/x-ndjson"}).status == 200
    before = exporter.memory_kib("VmRSS")
    request = b"GET /-/healthy HTTP/1.1\r\nHost: a\r\n\r\n"
    idlers = []
    try:
        with Traffic(exporter) as beside:
            began = time.monotonic()
            for _ in range(IDLERS):
                idlers.append(socket.create_connection(exporter.address, timeout=PATIENCE))
                idlers[-1].sendall(request)
            for idler in idlers:
                assert idler.recv(500).startswith(b"HTTP/1.1 200 "), "an idle client was not answered"
            opened = time.monotonic() - began
            assert exporter.open_sockets() > IDLERS
            growth = exporter.memory_kib("VmRSS") - before
            # Well below the time-out of the first.
            with selectors.DefaultSelector() as watched:
                for idler in idlers:
                    watched.register(idler, selectors.EVENT_READ)
                deadline = began + IDLE_SECONDS * 0.6
                while (left := deadline - time.monotonic()) > 0:
                    assert not watched.select(left), "an idle connection was closed"
            for idler in idlers:
                idler.sendall(request)
            for idler in idlers:
                assert idler.recv(500).startswith(b"HTTP/1.1 200 "), "an idle connection was dropped"
        beside.is_unharmed()
    finally:
        for idler in idlers:
            idler.close()
    figures(f"{IDLERS} idle connections: opened in {opened:.1f} s, {growth / IDLERS:.1f} KiB of memory each; "
            f"posts meanwhile: {beside.figures()}")


#: Requests that end in the middle, with the end of their client. libmicrohttpd reads the bytes and not the end.
UNFINISHED = {
    "body": b"POST /record HTTP/1.1\r\nHost: a\r\nContent-Length: 1000\r\n\r\n{\"agent",
    "chunked": b"POST /record HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3e8\r\n{\"agent",
    "unread_body": b"POST /summary HTTP/1.1\r\nHost: a\r\nContent-Length: 1000\r\n\r\n{",
    "headers": b"POST /record HTTP/1.1\r\nHost: a\r\nContent-Le",
    "request_line": b"POST /rec",
}


def vanish(exporter, request, count, tls=None):
    """Clients that send a part of a request and are gone; those that speak TLS take leave or do not."""
    for number in range(count):
        client = socket.create_connection(exporter.address, timeout=PATIENCE)
        if tls is None:
            client.sendall(request)
            client.close()
            continue
        with tls.wrap_socket(client, server_hostname="127.0.0.1") as secret:
            secret.sendall(request)
            if number % 2 == 0:
                secret.settimeout(0)
                with pytest.raises(ssl.SSLWantReadError):
                    secret.unwrap()


@pytest.fixture(scope="module")
def secure(tmp_path_factory):
    """The flags of an exporter that speaks TLS, and a client's context."""
    authority = Authority(tmp_path_factory.mktemp("vanish"))
    authority.sign("server", "IP:127.0.0.1")
    config = authority.folder / "web.yml"
    config.write_text("tls_server_config:\n  cert_file: server.crt\n  key_file: server.key\n")
    return ("--web.config.file", str(config)), ssl.create_default_context(cafile=authority.certificate)


@pytest.mark.concurrency
@pytest.mark.parametrize("request_bytes", UNFINISHED.values(), ids=UNFINISHED)
@pytest.mark.parametrize("speaks_tls", [False, True], ids=["plain", "tls"])
def test_clients_that_vanish_within_a_request_are_noticed_within_a_second(secure, request_bytes, speaks_tls):
    flags, context = secure if speaks_tls else ((), None)
    with Exporter(*flags) as exporter:
        idle = exporter.open_sockets()
        vanish(exporter, request_bytes, 20, context)
        watch = Stopwatch()
        eventually(lambda: exporter.open_sockets() <= idle, "their connections have ended", within=PATIENCE)
        watch.assert_within(1.5)
        exporter.stop()


@pytest.mark.concurrency
@pytest.mark.parametrize("request_bytes", UNFINISHED.values(), ids=UNFINISHED)
@pytest.mark.parametrize("speaks_tls", [False, True], ids=["plain", "tls"])
def test_a_stop_does_not_wait_for_clients_that_vanished(secure, request_bytes, speaks_tls):
    flags, context = secure if speaks_tls else ((), None)
    with Exporter(*flags) as exporter:
        vanish(exporter, request_bytes, 20, context)
        watch = Stopwatch()
        exporter.stop()
        watch.assert_within(1)


@pytest.mark.concurrency
def test_a_stop_does_not_wait_for_clients_that_vanish_meanwhile():
    with Exporter() as exporter:
        clients = [socket.create_connection(exporter.address, timeout=PATIENCE) for _ in range(20)]
        for client in clients:
            client.sendall(UNFINISHED["body"])
        time.sleep(0.1)
        watch = Stopwatch()
        exporter.signal(signal.SIGTERM)
        time.sleep(0.3)
        assert exporter.process.poll() is None, "a client may still send the rest"
        for client in clients:
            client.sendall(b"_")
            client.close()
        assert exporter.wait() == 0
        watch.assert_within(1.5)


@pytest.mark.concurrency
def test_the_places_of_clients_that_vanished_are_free_within_a_second():
    with Exporter("--web.max-connections", "200") as exporter:
        vanish(exporter, UNFINISHED["body"], 300)
        watch = Stopwatch()

        def is_served():
            try:
                return exporter.get("/-/healthy").status == 200
            except (OSError, http.client.HTTPException):
                return False

        eventually(is_served, "the address is served again")
        watch.assert_within(1.5)


@pytest.mark.concurrency
def test_clients_that_vanish_while_their_answer_is_made_harm_nobody():
    """In memory a connection is not suspended for its answer: one that is reset meanwhile must not take it along."""
    body = ndjson([call()] * 30)
    request = (b"POST /record HTTP/1.1\r\nHost: x\r\nContent-Type: application/x-ndjson\r\n"
               b"Content-Length: %d\r\n\r\n" % len(body)) + body
    dice = random.Random(1)

    def vanish(exporter, until):
        while time.monotonic() < until:
            with socket.create_connection(exporter.address, timeout=2) as client:
                client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                client.sendall(request)
                end = time.perf_counter() + dice.random() * 0.0006
                while time.perf_counter() < end:
                    pass

    with Exporter() as exporter:
        # Among others that are older: they are what libmicrohttpd turns to first.
        idle = [socket.create_connection(exporter.address) for _ in range(24)]
        until = time.monotonic() + 5
        threads = [threading.Thread(target=vanish, args=(exporter, until)) for _ in range(3)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert exporter.post(call()).outcome() == (1, 0, 0)
        for client in idle:
            client.close()


def test_bodies_that_nobody_reads_take_no_memory():
    """Nine of the largest size would be all that may be held at once."""
    size = 31 << 20
    head = b"POST /-/healthy HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % (size + 1)
    with Exporter() as exporter:
        clients = [socket.create_connection(exporter.address) for _ in range(9)]
        for client in clients:
            client.sendall(head)
            assert client.recv(64).startswith(b"HTTP/1.1 405"), "told at once"
        large = [call(agent_name=f"agent-{number % 100}") for number in range(100_000)]
        assert exporter.post_lines(large).outcome() == (100_000, 0, 0)
        for client in clients:
            client.close()


def test_a_get_with_a_body_is_answered(exporter):
    with exporter.wire() as wire:
        wire.send("GET /-/healthy HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello")
        assert wire.reply("GET").status == 200
        wire.send("GET /-/healthy HTTP/1.1\r\nHost: x\r\n\r\n")
        assert wire.reply("GET").status == 200
