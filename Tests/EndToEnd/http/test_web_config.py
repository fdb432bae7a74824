"""Users, tokens, scopes and headers of `--web.config.file`, over plain HTTP."""

from __future__ import annotations

import http.client
import os
import signal
import statistics
import threading
import time
from functools import partial
from pathlib import Path

import pytest

from credentials import basic, bearer, digest, hashed
from exporter import JSON, DidNotStart, Exporter, Reply, call, encode, eventually
from pace import Stopwatch

pytestmark = pytest.mark.concurrency

CONFIGURATION = """
basic_auth_users:
  alice: {alice}
  auditor: {auditor}
  root: {root}
user_scopes:
  auditor: [scrape]
  root: [admin]
bearer_tokens:
  - name: agents
    sha256: {agents}
    scopes: [record]
  - {{name: prometheus, sha256: {prometheus}, scopes: [scrape]}}
  - {{name: operator, sha256: {operator}, scopes: [record, scrape, admin]}}
http_server_config:
  headers:
    X-Frame-Options: deny
    X-Content-Type-Options: nosniff
"""

TOKENS = {name: f"token-of-{name}" for name in ("agents", "prometheus", "operator")}
SECRETS = {"alice": "pässword:with colon", "auditor": "read-only", "root": "super"}


def configuration(**changes: str) -> str:
    fields = {name: hashed(password) for name, password in SECRETS.items()}
    fields |= {name: digest(token) for name, token in TOKENS.items()}
    return CONFIGURATION.format(**{**fields, **changes})


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("web") / "web.yml"
    path.write_text(configuration())
    return path


@pytest.fixture(scope="module")
def guarded(file: Path):
    with Exporter("--web.config.file", str(file), "--web.enable-admin-api", "--log.level", "debug") as exporter:
        yield exporter
        exporter.stop()


WHO = {
    "alice": (basic("alice", SECRETS["alice"]), {"record", "scrape"}),
    "auditor": (basic("auditor", SECRETS["auditor"]), {"scrape"}),
    "root": (basic("root", SECRETS["root"]), {"admin"}),
    "agents": (bearer(TOKENS["agents"]), {"record"}),
    "prometheus": (bearer(TOKENS["prometheus"]), {"scrape"}),
    "operator": (bearer(TOKENS["operator"]), {"record", "scrape", "admin"}),
    "nobody": ({}, None),
    "a wrong password": (basic("alice", "guess"), None),
    "a stranger": (basic("mallory", "guess"), None),
    "a wrong token": (bearer("token-of-agent"), None),
}

#: Method, path, the scopes that open it (none: everybody), the status then.
ROUTES = [
    ("POST", "/record", {"record"}, 200), ("POST", "/litellm", {"record"}, 200),
    ("POST", "/v1/traces", {"record"}, 200),
    ("POST", "/v1/metrics", {"record"}, 200), ("POST", "/v1/logs", {"record"}, 200),
    ("GET", "/metrics", {"scrape"}, 200),
    ("GET", "/", {"scrape"}, 200), ("GET", "/summary", {"scrape"}, 200),
    ("GET", "/api/v1/budgets", {"record", "scrape"}, 200), ("GET", "/api/v1/budgets/none", {"record", "scrape"}, 404),
    ("POST", "/-/reload", {"admin"}, 200), ("POST", "/api/v1/admin/reset", {"admin"}, 204),
    ("POST", "/api/v1/admin/forget?agent_name=nobody", {"admin"}, 404),
    ("GET", "/-/healthy", None, 200), ("GET", "/-/ready", None, 200),
    ("GET", "/nothing", {"record", "scrape", "admin"}, 404), ("GET", "/record", {"record"}, 405),
]


def ask(exporter: Exporter, method: str, path: str, headers: dict[str, str]) -> Reply:
    body = {"/record": encode(call()).encode(), "/litellm": b"[]"}.get(path, b"{}" if path.startswith("/v1/") else None)
    return exporter.request(method, path, body if method == "POST" else None,
                            {"Content-Type": "application/json", **headers})


@pytest.mark.parametrize("method, path, scopes, status", ROUTES,
                         ids=[f"{method} {path}" for method, path, *_ in ROUTES])
def test_each_scope_opens_its_routes_alone(guarded: Exporter, method: str, path: str, scopes, status: int):
    for who, (headers, held) in WHO.items():
        reply = ask(guarded, method, path, headers)
        if scopes is None or (held and held & scopes):
            assert reply.status == status, (who, reply)
        elif held is None:
            assert reply.status == 401, (who, reply)
            assert reply.headers["WWW-Authenticate"].startswith('Basic realm="'), reply.headers.items()
            assert "Bearer" in reply.headers["WWW-Authenticate"]
        else:
            assert reply.status == 403, (who, reply)
            assert path.startswith("/v1/") or any(scope in reply.problem(403)["detail"] for scope in scopes)
        assert reply.headers["X-Frame-Options"] == "deny" and reply.headers["X-Content-Type-Options"] == "nosniff"


@pytest.mark.parametrize("header", [
    "", "Basic", "Basic ", "Basic !!!!", "Basic YWxpY2U=", "Basic " + "QUFB" * 5000, "Bearer", "Bearer  ",
    "Negotiate abc",
    "Basic YWxpY2UAOnB3", "Basic /////w==", "\t", "Basic YWxpY2U6\tcHc=", "Basic YWxpY2U6cHc=, Bearer token-of-agents",
])
def test_a_malformed_header_is_nobodys(guarded: Exporter, header: str):
    with guarded.wire() as wire:
        wire.send(f"GET /metrics HTTP/1.1\r\nHost: x\r\nAuthorization: {header}\r\n\r\n")
        assert wire.reply("GET").problem(401)
    assert guarded.get("/-/healthy").status == 200


def test_a_zero_byte_in_a_header_harms_nobody(guarded: Exporter):
    """libmicrohttpd ends the value there: what is left of it must not count."""
    for header in ("Bearer token-of-prometheus\0", "Bearer token-of\0-prometheus", "Basic \0YWxpY2U6cHc=", "\0"):
        with guarded.wire() as wire:
            wire.send(f"GET /metrics HTTP/1.1\r\nHost: x\r\nAuthorization: {header}\r\n\r\n")
            assert wire.reply("GET").problem(400)
    assert guarded.get("/-/healthy").status == 200


def test_strangers_are_told_before_their_body(guarded: Exporter):
    for fields in ("Content-Length: 5000000", "Content-Length: 4\r\nExpect: 100-continue",
                   "Transfer-Encoding: chunked"):
        with guarded.wire() as wire:
            wire.send(f"POST /record HTTP/1.1\r\nHost: x\r\n{fields}\r\n\r\n")
            assert wire.reply().problem(401)
            assert wire.is_closed_by_peer()


def test_a_small_refused_body_is_no_second_request(guarded: Exporter):
    smuggled = "GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n"
    with guarded.wire() as wire:
        wire.send(f"POST /record HTTP/1.1\r\nHost: x\r\nContent-Length: {len(smuggled)}\r\n\r\n{smuggled}")
        assert wire.reply().problem(401)
        wire.send("GET /-/healthy HTTP/1.1\r\nHost: x\r\n\r\n")
        assert wire.reply("GET").body == b"healthy\n"


def test_a_body_waits_for_the_password_and_is_whole(guarded: Exporter):
    """Headers, then parts of the body, chunked and by permission, while bcrypt runs."""
    body = encode([call(agent_name="Parts") for _ in range(2000)]).encode()
    for place, extra in enumerate((f"Content-Length: {len(body)}", "Transfer-Encoding: chunked",
                                   f"Content-Length: {len(body)}\r\nExpect: 100-continue")):
        # Spelt differently each time, so that the password is checked again.
        header = basic("alice", SECRETS["alice"])["Authorization"].replace("Basic ", "Basic" + " " * (place + 2))
        with guarded.wire() as wire:
            wire.send("POST /record HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
                      f"Authorization: {header}\r\n{extra}\r\n\r\n")
            if "Expect" in extra:
                assert wire.socket.recv(25) == b"HTTP/1.1 100 Continue\r\n\r\n"
            wire.send(b"%x\r\n%s\r\n0\r\n\r\n" % (len(body), body) if "chunked" in extra else body)
            assert wire.reply().outcome() == (2000, 0, 0)


def test_no_secret_is_logged(guarded: Exporter, file: Path):
    for headers, _ in WHO.values():
        ask(guarded, "GET", "/metrics", headers)
    secrets = [*SECRETS.values(), *TOKENS.values(), "guess",
               *(h["Authorization"].split()[1] for h, _ in WHO.values() if h)]
    secrets += [line.split(": ")[1] for line in file.read_text().splitlines() if "$2y$" in line]
    assert not [secret for secret in secrets if secret in guarded.log]


@pytest.mark.alone
def test_many_clients_of_one_user_start_at_once(tmp_path: Path):
    """One check answers for all that wait for the same password, and other clients do not wait for it."""
    path = tmp_path / "web.yml"
    path.write_text(f"basic_auth_users:\n  alice: {hashed('secret', 10)}\n")
    with Exporter("--web.config.file", str(path)) as exporter:
        statuses: list[int] = []
        threads = [threading.Thread(target=lambda: statuses.append(
            ask(exporter, "POST", "/record", basic("alice", "secret")).status)) for _ in range(40)]
        for thread in threads:
            thread.start()
        watch = Stopwatch()
        assert exporter.get("/-/healthy").status == 200
        watch.assert_within(1)
        for thread in threads:
            thread.join()
        assert statuses == [200] * 40
        assert exporter.request("GET", "/summary", headers=basic("alice", "secret")).json["total_calls"] == 40
        exporter.stop()


@pytest.mark.alone
def test_a_known_password_costs_little(file: Path):
    """In the exporter's own CPU time, which other programs on the machine do not change."""
    def cost(exporter: Exporter, headers: dict[str, str]) -> float:
        connection = http.client.HTTPConnection(*exporter.address, timeout=10)
        body = encode(call())

        def posts(count: int) -> float:
            for _ in range(count):
                connection.request("POST", "/record", body, {"Content-Type": "application/json", **headers})
                answer = connection.getresponse()
                assert answer.read() and answer.status == 200
            fields = Path(f"/proc/{exporter.pid}/stat").read_text().rpartition(")")[2].split()
            return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

        before = posts(50)
        spent = posts(3000) - before
        connection.close()
        exporter.stop()
        return spent

    with Exporter() as plain, Exporter("--web.config.file", str(file)) as secured:
        open_cost, secured_cost = cost(plain, {}), cost(secured, basic("alice", SECRETS["alice"]))
    assert secured_cost <= 2 * open_cost + 0.02, (open_cost, secured_cost)


def test_too_many_guesses_are_told_to_come_again(tmp_path: Path):
    path = tmp_path / "web.yml"
    path.write_text(f"basic_auth_users:\n  alice: {hashed('secret', 10)}\n")
    with Exporter("--web.config.file", str(path)) as exporter:
        replies: list[Reply] = []
        threads = [threading.Thread(target=lambda guess=guess: replies.append(
            exporter.request("GET", "/metrics", headers=basic("alice", str(guess))))) for guess in range(60)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert {reply.status for reply in replies} == {401, 429}
        assert all(reply.headers["Retry-After"] for reply in replies if reply.status == 429)
        # It comes to itself, and stops at once while guesses wait.
        eventually(lambda: exporter.request("GET", "/metrics", headers=basic("alice", "secret")).status == 200,
                   "let in")
        exporter.stop()


@pytest.mark.alone
def test_time_does_not_tell_whether_a_user_exists(tmp_path: Path):
    path = tmp_path / "web.yml"
    path.write_text(f"basic_auth_users:\n  alice: {hashed('secret', 9)}\n")
    with Exporter("--web.config.file", str(path)) as exporter:
        times: dict[str, list[float]] = {"alice": [], "mallory": []}
        for trial in range(12):
            for user, spent in times.items():
                began = time.perf_counter()
                assert exporter.request("GET", "/metrics", headers=basic(user, f"{trial}")).status == 401
                spent.append(time.perf_counter() - began)
        known, unknown = (statistics.median(spent) for spent in times.values())
        assert 0.7 < known / unknown < 1.4, (known, unknown)
        exporter.stop()


BAD = [
    ("basic_auth_users: {alice: secret-in-the-clear}", 1, "basic_auth_users.alice"),
    ("basic_auth_users:\n  alice: $2y$31$" + "a" * 53, 2, "basic_auth_users.alice"),
    ("basic_auth_users:\n  'a:b': $2y$10$" + "a" * 53, 2, "basic_auth_users.a:b"),
    ("user_scopes:\n  bob: [admin]", 2, "user_scopes.bob"),
    ("bearer_tokens:\n  - {name: x, sha256: abc, scopes: [record]}", 2, "bearer_tokens[0].sha256"),
    ("bearer_tokens:\n  - {name: x, sha256: " + "a" * 64 + ", scopes: [write]}", 2, "bearer_tokens[0].scopes[0]"),
    ("bearer_tokens:\n  - {name: x, sha256: " + "a" * 64 + "}", 2, "bearer_tokens[0]"),
    ("tls_server_config:\n  cert_file: none.crt\n  key_file: none.key", 2, "tls_server_config.cert_file"),
    ("tls_server_config:\n  client_auth_type: NoClientCert", 1, "tls_server_config"),
    ("http_server_config:\n  headers:\n    X-Powered-By: me", 3, "http_server_config.headers.X-Powered-By"),
    ("http_server_config:\n  headers:\n    X-Frame-Options: allow", 3, "http_server_config.headers.X-Frame-Options"),
    ("http_server_config:\n  http2: maybe", 2, "http_server_config.http2"),
    ("rate_limit:\n  burst: 20", 1, "rate_limit"),
    ("basic_auth_user: {}", 1, "basic_auth_user"),
    ("basic_auth_users: ]", 1, "not YAML"),
]


@pytest.mark.parametrize("text, line, field", BAD, ids=[field for _, _, field in BAD])
def test_a_bad_file_is_named_by_line_and_field(tmp_path: Path, text: str, line: int, field: str):
    path = tmp_path / "web.yml"
    path.write_text(text)
    with pytest.raises(DidNotStart) as failure:
        Exporter("--web.config.file", str(path))
    assert failure.value.code == 2
    told = failure.value.log
    assert f"{path}:{line}: {field}" in told, told
    assert "secret-in-the-clear" not in told and "a" * 53 not in told


def test_a_file_that_is_not_there_is_named(tmp_path: Path):
    with pytest.raises(DidNotStart) as failure:
        Exporter("--web.config.file", str(tmp_path / "none.yml"))
    assert failure.value.code == 2 and f"--web.config.file {tmp_path}/none.yml" in failure.value.log


def test_a_reload_changes_users_and_keeps_the_old_ones_where_it_fails(tmp_path: Path):
    path = tmp_path / "web.yml"
    path.write_text(configuration())
    old, new = basic("alice", SECRETS["alice"]), basic("alice", "new")
    with Exporter("--web.config.file", str(path)) as exporter:
        connection = http.client.HTTPConnection(*exporter.address, timeout=10)

        def status(headers: dict[str, str]) -> int:
            connection.request("GET", "/metrics", headers=headers)
            answer = connection.getresponse()
            answer.read()
            return answer.status

        assert (status(old), status(new)) == (200, 401)
        kept = connection.sock
        path.write_text(configuration(alice=hashed("new")))
        assert exporter.request("POST", "/-/reload", headers=bearer(TOKENS["operator"])).status == 200
        assert (status(old), status(new)) == (401, 200)
        path.write_text(configuration(alice="broken"))
        told = exporter.request("POST", "/-/reload", headers=bearer(TOKENS["operator"])).problem(500)
        assert f"{path}:3: basic_auth_users.alice" in told["detail"]
        exporter.signal(signal.SIGHUP)
        eventually(lambda: exporter.log.count("Reload failed") == 2, "logged")
        assert (status(old), status(new)) == (401, 200)
        assert connection.sock is kept, "a reload of users closed a connection"
        text = exporter.request("GET", "/metrics", headers=new).body.decode()
        assert 'llm_exporter_config_reloads_total{result="failure"} 2' in text or "failure" in text
        exporter.stop()


def test_the_warning_knows_of_passwords(file: Path):
    with Exporter("--web.config.file", str(file), listen=("0.0.0.0:0",)) as exporter:
        assert "in the clear" in exporter.log and "Anyone who can reach" not in exporter.log
        exporter.stop()


def test_connections_from_one_address_are_limited():
    def told(wire):
        """The reply; None where the connection was closed unread."""
        try:
            wire.send("GET /-/healthy HTTP/1.1\r\nHost: x\r\n\r\n")
            return wire.reply("GET")
        except (ConnectionError, http.client.RemoteDisconnected):
            return None

    with Exporter("--web.max-connections-per-address", "8") as exporter:
        wires = [exporter.wire() for _ in range(16)]
        replies = [told(wire) for wire in wires]
        statuses = [reply.status for reply in replies if reply]
        # A quarter more get 429 and are closed after it, which makes room; beyond that they are closed at once.
        assert statuses.count(200) == 8 and 2 <= statuses.count(429) <= 8 and set(statuses) == {200, 429}
        refused = next(reply for reply in replies if reply and reply.status == 429)
        assert refused.headers["Retry-After"] == "1" and "--web.max-connections-per-address" in refused.json["detail"]
        assert wires[replies.index(refused)].is_closed_by_peer()
        for wire in wires:
            wire.socket.close()
        eventually(lambda: _answers(exporter), "a place is free again")
        exporter.stop()


def _answers(exporter: Exporter) -> bool:
    try:
        return exporter.get("/-/healthy").status == 200
    except (ConnectionError, http.client.HTTPException):
        return False


def test_a_file_that_is_emptied_lets_nobody_in(tmp_path: Path):
    """What an editor's save leaves for an instant, by a signal as systemd sends it."""
    path = tmp_path / "web.yml"
    path.write_text(configuration())
    with Exporter("--web.config.file", str(path), "--web.enable-admin-api") as exporter:
        def has_failed(times: int) -> bool:
            return sum("Reload failed" in line for line in exporter.log_lines) == times

        for number, text in enumerate(["", "# nothing\n", "basic_auth_users:\n", "bearer_tokens: []\n",
                                       "http_server_config:\n  headers: {X-Frame-Options: deny}\n"], 1):
            path.write_text(text)
            exporter.signal(signal.SIGHUP)
            eventually(partial(has_failed, number), f"the reload of {text!r} is refused")
            for method, route in [("POST", "/record"), ("POST", "/api/v1/admin/reset"), ("GET", "/metrics")]:
                assert exporter.request(method, route, encode(call())).status == 401, text
            assert exporter.request("GET", "/metrics", headers=bearer(TOKENS["prometheus"])).status == 200
        path.write_text(configuration())
        exporter.signal(signal.SIGHUP)
        eventually(lambda: "msg=Reloaded" in exporter.log, "the file is whole again")


def test_guesses_from_one_address_keep_no_user_of_another_out(tmp_path: Path):
    path = tmp_path / "web.yml"
    path.write_text(configuration(alice=hashed(SECRETS["alice"], 12)))

    def ask_from(address: str, password: str) -> int:
        headers = {**JSON, **basic("alice", password)}
        return exporter.request("POST", "/record", encode(call()), headers, source=address).status

    def guess(number: int) -> None:
        statuses.append(ask_from("127.0.0.1", f"guess {number}"))

    statuses: list[int] = []
    with Exporter("--web.config.file", str(path)) as exporter:
        guesses = [threading.Thread(target=guess, args=(number,)) for number in range(48)]
        for thread in guesses:
            thread.start()
        eventually(lambda: 429 in statuses, "the guesser's places are taken")
        assert ask_from("127.0.0.9", SECRETS["alice"]) == 200
        assert 401 not in statuses or statuses.count(401) < 16, "the right password waited for all guesses"
        for thread in guesses:
            thread.join()
    assert set(statuses) == {401, 429}
