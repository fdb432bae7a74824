"""HTTP itself: framing, methods, connections and addresses."""

import gzip
import json
import re
import socket
import ssl
import subprocess
import threading
from pathlib import Path

import pytest

from credentials import Authority, basic, hashed
from exporter import BINARY, JSON, OPENMETRICS, PATIENCE, Exporter, Wire, call, encode, eventually, run
from pace import Stopwatch

BODY = encode(call())
ROUTES = {"/": "GET", "/metrics": "GET", "/summary": "GET", "/-/healthy": "GET", "/-/ready": "GET",
          "/-/reload": "POST", "/record": "POST", "/api/v1/admin/reset": "POST", "/api/v1/admin/forget": "POST"}


def post(*headers, body=BODY, version="1.1"):
    lines = [f"POST /record HTTP/{version}", "Content-Type: application/json", *headers]
    return "\r\n".join(lines) + "\r\n\r\n" + body


# Framing (RFC 9112, section 6.3): what two servers may read differently is refused.

def assert_one_problem(received, status):
    """One answer with one header block, and a body of the length that it says."""
    assert received.count(b"HTTP/1.1 ") == 1, received
    head, _, body = received.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 %d " % status), head
    fields = [line.lower() for line in head.split(b"\r\n")]
    assert b"content-length: %d" % len(body) in fields, received
    assert fields.count(b"connection: close") == 1 and b"content-type: application/problem+json" in fields, head
    assert json.loads(body)["status"] == status


@pytest.mark.parametrize("request_text", [
    post("Host: a", f"Content-Length: {len(BODY)}", "Transfer-Encoding: chunked"),
    post("Host: a", "Transfer-Encoding: chunked", "Content-Length: 5", body="0\r\n\r\n"),
    post("Host: a", f"Content-Length: {len(BODY)}", f"Content-Length: {len(BODY)}"),
    post("Host: a", f"Content-Length: {len(BODY)}", "Content-Length: 5"),
    post("Host: a", f"content-length: {len(BODY)}", f"CONTENT-LENGTH: {len(BODY)}"),
    post("Host: a", f"Content-Length: {len(BODY)}, {len(BODY)}"),
    post(f"Content-Length: {len(BODY)}"),
    post("Host: a", "Content-Length: -1"),
    post("Host: a", "Content-Length: +5"),
    post("Host: a", "Content-Length: 0x5"),
    post("Host: a", "Content-Length:"),
    post("Host: a", f"Content-Length: {len(BODY)}x"),
    post("Host: a", f"Content-Length: {len(BODY)} 5"),
    post("Host: a", f"Content-Length: {len(BODY)}.0"),
    post("Host: a", "Content-Length: 99999999999999999999999"),
    "GET /metrics HTTP/1.1\r\n\r\n",
    "GET /metrics HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "GET /-/healthy HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\nContent-Length: 0\r\n\r\n",
], ids=["length_and_chunked", "chunked_and_length", "two_equal_lengths", "two_lengths", "two_lengths_by_case",
        "list_of_lengths", "no_host", "negative_length", "signed_length", "hex_length", "empty_length",
        "length_and_letter", "length_and_number", "fraction", "huge_length", "get_no_host", "get_length_and_chunked",
        "get_two_lengths"])
def test_contradictory_framing_is_400_and_closes(exporter, request_text):
    smuggled = "GET /summary HTTP/1.1\r\nHost: a\r\n\r\n"
    with exporter.wire() as wire:
        wire.send(request_text + smuggled)
        received = wire.everything()
    assert_one_problem(received, 413 if "9999999" in request_text else 400)
    assert b"total_calls" not in received, "what follows must not be read as a request"
    assert exporter.calls() == 0


@pytest.mark.parametrize("lines", [
    ("Content-Length: 5", "Transfer-Encoding : chunked"), ("Content-Length : 5",), ("Content-Length\t: 5",),
    ("Content-Length:\r\n 5",), ("X: y\r\n Transfer-Encoding: chunked", "Content-Length: 5"),
    ("Content-Length: 5", "Transfer-Encoding:\r\n chunked"), ("Bad Name: x",), ("Transfer-Encoding-X: chunked",),
], ids=lambda lines: " | ".join(lines).encode("unicode_escape").decode())
def test_a_length_that_only_others_see_is_400_and_closes(exporter, lines):
    with exporter.wire() as wire:
        wire.send(post("Host: a", *lines, body="0\r\n\r\nGET /summary HTTP/1.1\r\nHost: a\r\n\r\n"))
        received = wire.everything()
    assert received.startswith(b"HTTP/1.1 400 "), received[:200]
    assert b"total_calls" not in received, "what follows must not be read as a request"


#: Readers that end a value at a zero byte, or a line at a bare CR or LF, see other headers than those that do not.
AMBIGUOUS = {
    "zero_in_value": ("X: a\0b",), "zero_at_end": ("X: a\0",), "zero_alone": ("X: \0",),
    "zero_before_name": ("\0Transfer-Encoding: chunked",), "zero_in_token": ("Authorization: Bearer a\0",),
    "cr_in_value": ("X: a\rTransfer-Encoding: chunked",), "cr_at_end": ("X: a\r",), "cr_in_name": ("X\r: a",),
    "lf_in_value": ("X: a\nTransfer-Encoding: chunked",), "folded": ("X: a\r\n b",), "folded_by_tab": ("X:\r\n\ta",),
    "no_name": (": a",),
}


@pytest.mark.parametrize("lines", AMBIGUOUS.values(), ids=AMBIGUOUS)
@pytest.mark.parametrize("place", ["first", "last"])
def test_headers_that_readers_end_in_different_places_are_400_and_close(exporter, lines, place):
    length = f"Content-Length: {len(BODY)}"
    with exporter.wire() as wire:
        wire.send(post("Host: a", *((*lines, length) if place == "first" else (length, *lines)))
                  + "GET /summary HTTP/1.1\r\nHost: a\r\n\r\n")
        assert_one_problem(wire.everything(), 400)
    assert exporter.calls() == 0


@pytest.mark.parametrize("line", [
    "POST /record\0 HTTP/1.1", "POST /record\0/x HTTP/1.1", "PO\0ST /record HTTP/1.1", "POST /record\r HTTP/1.1",
    "POST\r /record HTTP/1.1", "POST /rec ord HTTP/1.1", "POST /record?a\0b HTTP/1.1", "CONNECT a:80 HTTP/1.1",
    "POST a:80 HTTP/1.1", "POST record HTTP/1.1", "POST ftp://a/record HTTP/1.1", "POST http:///record HTTP/1.1",
    "POST http://user@a/record HTTP/1.1",
], ids=lambda line: line.encode("unicode_escape").decode())
def test_a_request_line_that_leads_nowhere_for_sure_is_400_and_closes(exporter, line):
    with exporter.wire() as wire:
        wire.send(post("Host: a", f"Content-Length: {len(BODY)}").replace("POST /record HTTP/1.1", line))
        assert_one_problem(wire.everything(), 400)
    assert exporter.calls() == 0


def test_refused_heads_are_counted_with_the_other_requests(exporter):
    for headers in (("Content-Length: 2",), ("Host: a", "Content-Length: +2"), ("Host: a", "X: a\0")):
        with exporter.wire() as wire:
            wire.send(post(*headers, body="{}"))
            assert_one_problem(wire.everything(), 400)
    found = exporter.scrape().find("llm_exporter_http_requests_total")
    assert [s.value for s in found if (s.labels["route"], s.labels["code"]) == ("/record", "400")] == ["3"]


def test_refused_heads_are_answered_over_tls_too(tmp_path):
    authority = Authority(tmp_path)
    authority.sign("server", "IP:127.0.0.1")
    config = tmp_path / "web.yml"
    config.write_text("tls_server_config:\n  cert_file: server.crt\n  key_file: server.key\n"
                      "http_server_config:\n  headers:\n    X-Frame-Options: deny\n")
    context = ssl.create_default_context(cafile=authority.certificate)
    with Exporter("--web.config.file", str(config)) as exporter:
        for length in ("+2", "18446744073709551616"):
            with exporter.wire() as wire:
                wire.socket = context.wrap_socket(wire.socket, server_hostname="127.0.0.1")
                wire.send(post("Host: a", f"Content-Length: {length}", body="{}"))
                received = wire.everything()
                assert_one_problem(received, 400 if length == "+2" else 413)
                assert b"\r\nX-Frame-Options: deny\r\n" in received
        exporter.stop()


def test_white_space_around_a_length_and_lines_that_end_in_lf_alone_are_taken(exporter):
    for request_text in (post("Host: a", f"Content-Length: \t{len(BODY)}"),
                         post("Host: a", f"Content-Length: {len(BODY)}").replace("\r\n", "\n")):
        with exporter.wire() as wire:
            wire.send(request_text)
            assert wire.reply().outcome() == (1, 0, 0)


@pytest.mark.parametrize("target", ["http://other:1/record", "HTTPS://[::1]/record", "http://a/record?source=b",
                                    "http://a/%72ecord"])
def test_a_whole_uri_is_asked_for_by_its_path(exporter, target):
    with exporter.wire() as wire:
        for _ in range(2):
            wire.send(post("Host: a", f"Content-Length: {len(BODY)}").replace("/record", target))
            assert wire.reply().outcome() == (1, 0, 0)


def test_the_host_of_a_whole_uri_goes_before_host(standing):
    with standing.wire() as wire:
        for target, host in (("http://asked:1", b"asked:1"), ("/", b"named:2"), ("http://asked/", b"asked")):
            wire.send(f"GET {target} HTTP/1.1\r\nHost: named:2\r\n\r\n")
            assert b"http://" + host + b"/record" in wire.reply("GET").body


# Headers in several lines (RFC 9110, section 5.3)

@pytest.mark.parametrize("lines", [
    ("gzip ,",), (", gzip",), (",\t, gzip,",), ("gzip", ""), ("", "gzip"), (",", "gzip", ","), ("identity, gzip",),
], ids=" | ".join)
def test_empty_elements_and_lines_of_a_content_encoding_are_ignored(exporter, lines):
    body = gzip.compress(BODY.encode())
    headers = [f"Content-Encoding: {line}" for line in lines]
    with exporter.wire() as wire:
        wire.send(post("Host: a", *headers, f"Content-Length: {len(body)}", body="").encode() + body)
        assert wire.reply().outcome() == (1, 0, 0)


def test_two_lines_of_content_encoding_are_two_codings(exporter):
    with exporter.wire() as wire:
        wire.send(post("Host: a", "Content-Encoding: identity", "Content-Encoding: br", f"Content-Length: {len(BODY)}"))
        wire.reply().problem(415)


@pytest.mark.parametrize("lines, content_type, coding", [
    (("Accept: text/plain;q=0.5", "Accept: application/openmetrics-text"), "application/openmetrics-text", None),
    (("Accept: , text/html", "Accept: ,", "accept: application/openmetrics-text"), "application/openmetrics-text",
     None),
    (("Accept: application/openmetrics-text;q=0.5", "Accept: text/plain"), "text/plain", None),
    (("Accept-Encoding: br", "Accept-Encoding: gzip"), "text/plain", "gzip"),
    (("Accept-Encoding: ,", "Accept-Encoding: gzip;q=0.5,", "Accept-Encoding: zstd"), "text/plain", "zstd"),
], ids=lambda value: " | ".join(value) if isinstance(value, tuple) else str(value))
def test_several_lines_of_accept_are_one_list(standing, lines, content_type, coding):
    with standing.wire() as wire:
        wire.send("\r\n".join(["GET /metrics HTTP/1.1", "Host: a", *lines, "", ""]))
        reply = wire.reply("GET")
    assert reply.media_type == content_type
    assert reply.headers.get("Content-Encoding") == coding


@pytest.mark.parametrize("name", ["Content-Type", "Authorization", "Idempotency-Key", "X-Agent-Name"])
@pytest.mark.parametrize("values", [("application/json", "application/json"), ("application/json", "text/csv")],
                         ids=["same", "different"])
def test_a_header_that_is_no_list_comes_once(exporter, name, values):
    with exporter.wire() as wire:
        wire.send("POST /record HTTP/1.1\r\nHost: a\r\n" + "".join(f"{name}: {value}\r\n" for value in values)
                  + f"Content-Length: {len(BODY)}\r\n\r\n{BODY}")
        assert name in wire.reply().problem(400)["detail"]
        wire.send(post("Host: a", f"Content-Length: {len(BODY)}"))
        assert wire.reply().outcome() == (1, 0, 0)


def test_a_chunked_body_of_http_1_0_is_400(exporter):
    with exporter.wire() as wire:
        wire.send(post("Host: a", "Transfer-Encoding: chunked", body="0\r\n\r\n").replace("HTTP/1.1", "HTTP/1.0"))
        assert wire.reply().status == 400


def test_the_exporters_own_refusals_are_problem_json(exporter):
    with exporter.wire() as wire:
        wire.send(post("Host: a", f"Content-Length: {len(BODY)}", "Transfer-Encoding: chunked", body=""))
        wire.reply().problem(400)
        assert wire.is_closed_by_peer()
    with exporter.wire() as wire:
        wire.send(post("Host: a", "Content-Length: 5", "Content-Length: 5", body=""))
        wire.reply().problem(400)
        assert wire.is_closed_by_peer()


def test_http_1_0_needs_no_host(exporter):
    with exporter.wire() as wire:
        wire.send(post(f"Content-Length: {len(BODY)}", version="1.0"))
        assert wire.reply().outcome() == (1, 0, 0)
        assert wire.is_closed_by_peer()


# Routes and methods

@pytest.mark.parametrize("path", ["/nowhere", "/record/", "/metrics/x", "/api/v1/admin", "/-/", "//", "/..", "/%00",
                                  "/RECORD", "/record%2f", "/summary/agents"])
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_other_paths_are_404(standing, path, method):
    standing.request(method, path, body=BODY if method == "POST" else None, headers=JSON).problem(404)


@pytest.mark.parametrize("path, method", ROUTES.items())
@pytest.mark.parametrize("other", ["GET", "POST", "PUT", "DELETE", "PATCH", "OPTIONS", "BREW"])
def test_other_methods_are_405_and_allow_says_which(standing, path, method, other):
    if other == method:
        return
    reply = standing.request(other, path, body="{}", headers=JSON)
    reply.problem(405)
    allowed = {name.strip() for name in reply.headers["Allow"].split(",")}
    assert method in allowed and other not in allowed
    assert ("HEAD" in allowed) == (method == "GET")


@pytest.mark.parametrize("path", [path for path, method in ROUTES.items() if method == "GET"])
def test_head_is_get_without_a_body(standing, path):
    got, head = standing.get(path), standing.request("HEAD", path)
    assert (head.status, head.body) == (got.status, b"")
    assert head.headers["Content-Type"] == got.headers["Content-Type"]
    assert int(head.headers["Content-Length"]) > 0


@pytest.mark.parametrize("path", [path for path, method in ROUTES.items() if method == "POST"])
def test_head_of_a_post_route_is_405(standing, path):
    reply = standing.request("HEAD", path)
    assert reply.status == 405
    assert "POST" in reply.headers["Allow"]


def test_a_query_does_not_change_the_route(standing):
    assert standing.get("/-/healthy?a=b&c").status == 200
    assert standing.request("POST", "/record?source=test", BODY, JSON).outcome() == (1, 0, 0)


# Connections

@pytest.mark.concurrency
def test_a_connection_serves_many_requests(exporter):
    with exporter.wire() as wire:
        for _ in range(50):
            wire.send(post("Host: a", f"Content-Length: {len(BODY)}"))
            assert wire.reply().outcome() == (1, 0, 0)
            wire.send("GET /metrics HTTP/1.1\r\nHost: a\r\n\r\n")
            assert wire.reply().status == 200
            wire.send("GET /nowhere HTTP/1.1\r\nHost: a\r\n\r\n")
            wire.reply().problem(404)
    assert exporter.calls() == 50


def test_a_rejected_body_does_not_cost_the_connection(exporter):
    with exporter.wire() as wire:
        for body, status in (("{", 400), (encode(call(latency_ms=-1)), 422), (BODY, 200)):
            wire.send(post("Host: a", f"Content-Length: {len(body)}", body=body))
            assert wire.reply().status == status


def test_connection_close_is_heeded(exporter):
    with exporter.wire() as wire:
        wire.send(post("Host: a", f"Content-Length: {len(BODY)}", "Connection: close"))
        assert wire.reply().outcome() == (1, 0, 0)
        assert wire.is_closed_by_peer()


@pytest.mark.concurrency
def test_pipelined_requests_are_answered_in_order(exporter):
    bodies = [encode(call(id=f"{n}", input_tokens=n) if n % 3 else call(latency_ms=-1)) for n in range(30)]
    requests = [post("Host: a", f"Content-Length: {len(body)}", body=body) for body in bodies]
    with exporter.wire() as wire:
        wire.send("".join(requests) + "GET /-/healthy HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
        received = b"".join(iter(lambda: wire.socket.recv(65536), b""))
    statuses = [int(status) for status in re.findall(rb"HTTP/1\.1 (\d{3}) ", received)]
    assert statuses == [*(200 if n % 3 else 422 for n in range(30)), 200]
    assert exporter.calls() == 20


# A client that has ended its side may still read (RFC 9112, section 9.6), as `socat` does that is fed by a pipe.

HALF_CLOSED = {
    "record": (post("Host: a", f"Content-Length: {len(BODY)}"), 1),
    "chunked": (post("Host: a", "Transfer-Encoding: chunked", body=f"{len(BODY):x}\r\n{BODY}\r\n0\r\n\r\n"), 1),
    "last_of_a_connection": (post("Host: a", f"Content-Length: {len(BODY)}", "Connection: close"), 1),
    "metrics": ("GET /metrics HTTP/1.1\r\nHost: a\r\n\r\n", 0),
    "pipelined": (post("Host: a", f"Content-Length: {len(BODY)}") * 3 + "GET /metrics HTTP/1.1\r\nHost: a\r\n\r\n", 3),
}


def answers_to_half_closed(exporter, request_text):
    """The statuses of its answers, the last of which is read to its end."""
    with exporter.wire() as wire:
        wire.send(request_text)
        wire.socket.shutdown(socket.SHUT_WR)
        statuses: list[int] = []
        for _ in range(request_text.count(" HTTP/1.1\r\n") - 1):
            received = b""
            while b"\r\n\r\n" not in received:
                byte = wire.socket.recv(1)
                assert byte, f"closed after {statuses} {received!r}"
                received += byte
            length = received.partition(b"Content-Length: ")[2].partition(b"\r\n")[0]
            wire.socket.recv(int(length), socket.MSG_WAITALL)
            statuses.append(int(received[9:12]))
        return [*statuses, wire.reply().status]


@pytest.mark.concurrency
@pytest.mark.parametrize("request_text, posts", HALF_CLOSED.values(), ids=HALF_CLOSED)
def test_a_client_that_ends_its_side_is_answered(start, tmp_path, request_text, posts):
    """Also while its records are written to the disk."""
    exporter = start(storage=tmp_path / "state")
    answers = [200] * request_text.count(" HTTP/1.1\r\n")
    assert [answers_to_half_closed(exporter, request_text) for _ in range(30)] == [answers] * 30
    assert exporter.calls() == 30 * posts


@pytest.mark.concurrency
def test_a_connection_whose_client_has_ended_its_side_is_not_left_to_the_time_out(start, tmp_path):
    exporter = start(storage=tmp_path / "state")
    wires = [exporter.wire() for _ in range(20)]
    watch = Stopwatch()
    for wire in wires:
        wire.send(post("Host: a", f"Content-Length: {len(BODY)}")).socket.shutdown(socket.SHUT_WR)
        assert wire.reply().outcome() == (1, 0, 0)
    assert all(wire.is_closed_by_peer() for wire in wires)
    watch.assert_within(3)


@pytest.mark.concurrency
def test_clients_that_end_their_sides_at_once_are_all_answered(start, tmp_path):
    exporter = start(storage=tmp_path / "state")
    wires = [exporter.wire() for _ in range(200)]
    for wire in wires:
        wire.send(post("Host: a", f"Content-Length: {len(BODY)}")).socket.shutdown(socket.SHUT_WR)
    assert [wire.reply().outcome() for wire in wires] == [(1, 0, 0)] * 200
    for wire in wires:
        wire.socket.close()
    assert exporter.calls() == 200


@pytest.mark.concurrency
def test_a_client_that_ends_its_side_is_answered_after_its_password_was_checked(start, tmp_path):
    (tmp_path / "web.yml").write_text(f"basic_auth_users:\n  alice: {hashed('secret', 10)}\n")
    exporter = start("--web.config.file", str(tmp_path / "web.yml"))
    for guess in [*range(8), "secret"]:
        header = "Authorization: " + basic("alice", str(guess))["Authorization"]
        request_text = post("Host: a", header, f"Content-Length: {len(BODY)}")
        assert answers_to_half_closed(exporter, request_text) == [200 if guess == "secret" else 401]


def test_a_request_may_arrive_byte_by_byte(exporter):
    with exporter.wire() as wire:
        wire.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for byte in post("Host: a", f"Content-Length: {len(BODY)}").encode():
            wire.send(bytes([byte]))
        assert wire.reply().outcome() == (1, 0, 0)


@pytest.mark.concurrency
def test_slow_clients_do_not_block_others(exporter):
    slow = [exporter.wire().send(post("Host: a", "Content-Length: 1000", body="{"[:i % 2])) for i in range(100)]
    # These ask for much and read nothing of it.
    deaf = [exporter.wire() for _ in range(20)]
    for wire in deaf:
        wire.send("GET /metrics HTTP/1.1\r\nHost: a\r\n\r\n" * 100)
    watch = Stopwatch()
    for _ in range(20):
        assert exporter.post(call()).outcome() == (1, 0, 0)
        assert exporter.get("/metrics").status == 200
    watch.assert_within(5)
    for wire in (*slow, *deaf):
        wire.socket.close()


@pytest.mark.concurrency
def test_many_clients_at_once_are_all_answered(exporter):
    wires = [exporter.wire() for _ in range(400)]
    for wire in wires:
        wire.send(post("Host: a", f"Content-Length: {len(BODY)}"))
    assert [wire.reply().outcome() for wire in wires] == [(1, 0, 0)] * 400
    for wire in wires:
        wire.socket.close()
    assert exporter.calls() == 400


@pytest.mark.concurrency
def test_scrapes_and_posts_at_once_show_no_counter_going_down(exporter):
    done, seen, failures = threading.Event(), [], []

    def scraping():
        try:
            while not done.is_set():
                seen.append(int(exporter.scrape(OPENMETRICS).total("llm_calls_total")))
        except Exception as error:  # Carried to the test's own thread.
            failures.append(error)

    watcher = threading.Thread(target=scraping)
    watcher.start()
    for _ in range(300):
        exporter.post([call(), call(agent_name="B", status="error")])
    done.set()
    watcher.join()
    assert not failures, failures
    assert seen == sorted(seen)
    # A batch is one commit: never half of it.
    assert all(count % 2 == 0 for count in seen)
    assert exporter.calls() == 600


# Addresses

@pytest.mark.concurrency
def test_several_addresses_are_served(start):
    exporter = start(listen=("127.0.0.1:0", "127.0.0.2:0", "127.0.0.1:0"))
    assert len(set(exporter.ports)) == 3
    for host, port in zip(("127.0.0.1", "127.0.0.2", "127.0.0.1"), exporter.ports, strict=True):
        with Wire((host, port)) as wire:
            wire.send(post("Host: a", f"Content-Length: {len(BODY)}"))
            assert wire.reply().outcome() == (1, 0, 0)
    assert exporter.calls() == 3


def has_ipv6():
    try:
        with socket.socket(socket.AF_INET6) as probe:
            probe.bind(("::1", 0))
        return True
    except OSError:
        return False


@pytest.mark.skipif(not has_ipv6(), reason="this machine has no ::1")
def test_ipv6_is_served(start):
    exporter = start(listen=("[::1]:0",))
    assert "address=[::1]:" in exporter.log or 'address="[::1]:' in exporter.log
    with Wire(("::1", exporter.port)) as wire:
        wire.send(post("Host: a", f"Content-Length: {len(BODY)}"))
        assert wire.reply().outcome() == (1, 0, 0)


def test_a_taken_port_is_exit_code_1_and_one_clear_line(standing):
    done = run("--web.listen-address", f"127.0.0.1:{standing.port}", "--storage.memory")
    assert done.returncode == 1
    lines = [line for line in done.stderr.splitlines() if "level=info" not in line]
    assert len(lines) == 1, done.stderr
    assert "--web.listen-address" in lines[0] and f"127.0.0.1:{standing.port}" in lines[0]
    assert standing.get("/-/healthy").status == 200


@pytest.mark.concurrency
def test_a_port_is_free_again_after_a_stop():
    first = Exporter()
    with first.wire() as wire:
        wire.send("GET /-/healthy HTTP/1.1\r\nHost: a\r\n\r\n")
        assert wire.reply().status == 200
        first.stop()
    second = Exporter(listen=(f"127.0.0.1:{first.port}",))
    assert second.get("/-/healthy").status == 200
    second.stop()


def test_requests_are_counted_by_route_and_code(exporter):
    exporter.post(call())
    exporter.post(call())
    exporter.post("{")
    exporter.get("/nowhere-1")
    exporter.get("/nowhere-2")
    exporter.get("/-/healthy")

    def counted():
        found = exporter.scrape().find("llm_exporter_http_requests_total")
        return {(s.labels["route"], s.labels["code"]): s.value for s in found}

    # The count of a request may follow its answer.
    counts = eventually(lambda: (c := counted()).get(("/-/healthy", "200")) and c, "requests are counted")
    assert counts["/record", "200"] == "2"
    assert counts["/record", "400"] == "1"
    assert counts["/-/healthy", "200"] == "1"
    assert not [route for route, _ in counts if "nowhere" in route], "paths of clients are no labels"
    assert sum(int(v) for (_, code), v in counts.items() if code == "404") == 2


# Descriptors

@pytest.mark.parametrize("closed", ["<&- >&- 2>&-", "<&-", ">&- 2>&-", "<&- 2>&-"])
def test_descriptors_that_the_parent_closed_are_not_given_to_the_database(tmp_path, closed):
    with socket.create_server(("127.0.0.1", 0)) as free:
        address = free.getsockname()
    storage = tmp_path / "data"
    # Nothing of the log is left to read the port from.
    command = f'exec "$0" --web.listen-address=127.0.0.1:{address[1]} --storage.path="$1" --log.level=debug {closed}'
    with (tmp_path / "log").open("w") as log:
        process = subprocess.Popen(["sh", "-c", command, BINARY, storage], stdin=log, stdout=log, stderr=log)

    def answers():
        try:
            with Wire(address) as wire:
                wire.send(post("Host: a", f"Content-Length: {len(BODY)}"))
                return wire.reply().outcome() == (1, 0, 0)
        except OSError:
            return False

    try:
        eventually(answers, "it serves")
        for number, form in enumerate(("<&-", " >&-", "2>&-")):
            if form in " " + closed:
                assert str(Path(f"/proc/{process.pid}/fd/{number}").readlink()) == "/dev/null"
        # Each of these is a line of the log.
        with Wire(address) as wire:
            wire.send("GET / HTTP/1.1\r\nHost: a\r\nContent-Length: x\r\n\r\n")
            assert_one_problem(wire.everything(), 400)
        process.terminate()
        assert process.wait(PATIENCE) == 0
    finally:
        process.kill()
        process.wait()
    checked = run("check-storage", "--storage.path", str(storage))
    assert checked.returncode == 0, checked.stderr
