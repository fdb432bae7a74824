"""TLS, certificates of clients, and their reload, with curl, openssl and a real Prometheus."""

from __future__ import annotations

import http.client
import json
import os
import shutil
import signal
import socket
import ssl
import subprocess
import threading
from pathlib import Path

import pytest

from credentials import Authority, basic, digest, hashed
from exporter import BINARY, DidNotStart, Exporter, Reply, call, encode, eventually
from prometheus import Prometheus, Server

pytestmark = pytest.mark.concurrency


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    authority = Authority(tmp_path_factory.mktemp("tls"))
    authority.sign("server", "IP:127.0.0.1,DNS:localhost")
    authority.sign("second", "IP:127.0.0.1")
    authority.sign("client", "DNS:prometheus.example", "clientAuth")
    authority.sign("other", "DNS:other.example", "clientAuth")
    Authority(authority.folder, "stranger").sign("impostor", "DNS:prometheus.example", "clientAuth")
    return authority


def written(authority: Authority, name: str, text: str) -> Path:
    path = authority.folder / name
    path.write_text(text)
    return path


PLAIN = "tls_server_config:\n  cert_file: server.crt\n  key_file: server.key\n"


def curl(exporter: Exporter, authority: Authority, *flags: str, path: str = "/-/healthy") -> tuple[int, int]:
    """curl's exit code and the status."""
    done = subprocess.run(
        ["curl", "-sS", "-o", "/dev/null", "-w", "%{http_code}", "--max-time", "10", "--cacert", authority.certificate,
         *flags, f"https://127.0.0.1:{exporter.port}{path}"], capture_output=True, text=True, check=False)
    return done.returncode, int(done.stdout or 0)


def client(authority: Authority, name: str) -> tuple[str, ...]:
    return "--cert", str(authority.folder / f"{name}.crt"), "--key", str(authority.folder / f"{name}.key")


def handshake(exporter: Exporter, version: str) -> bool:
    """Whether openssl, which here will speak any version, agrees on this one."""
    done = subprocess.run(
        ["openssl", "s_client", "-connect", f"127.0.0.1:{exporter.port}", f"-{version}", "-cipher", "ALL@SECLEVEL=0"],
        input="", capture_output=True, text=True, timeout=20, check=False)
    return "Cipher is (NONE)" not in done.stdout and "BEGIN CERTIFICATE" in done.stdout


def test_only_tls_1_2_and_later_is_spoken(authority: Authority):
    with Exporter("--web.config.file", str(written(authority, "plain.yml", PLAIN))) as exporter:
        assert {version: handshake(exporter, version) for version in ("tls1", "tls1_1", "tls1_2", "tls1_3")} == {
            "tls1": False, "tls1_1": False, "tls1_2": True, "tls1_3": True}
        assert curl(exporter, authority) == (0, 200)
        body = encode([call(agent_name="Secure") for _ in range(3000)])
        done = subprocess.run(
            ["curl", "-sS", "--cacert", authority.certificate, "-H", "Content-Type: application/json",
             "--data-binary", "@-",
             f"https://localhost:{exporter.port}/record"], input=body, capture_output=True, text=True, check=True)
        assert json.loads(done.stdout)["accepted"] == 3000
        with exporter.wire() as wire:
            wire.send("GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n")
            assert b"HTTP/1.1 200" not in wire.everything()
        exporter.stop()


@pytest.mark.parametrize("lines, spoken", [
    ("  min_version: TLS13\n", {"tls1_2": False, "tls1_3": True}),
    (("  max_version: TLS12\n  cipher_suites: [TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384]\n"
      "  curve_preferences: [CurveP384]\n"),
     {"tls1_2": True, "tls1_3": False}),
])
def test_versions_and_suites_are_the_file_s(authority: Authority, lines: str, spoken: dict[str, bool]):
    with Exporter("--web.config.file", str(written(authority, "versions.yml", PLAIN + lines))) as exporter:
        assert {version: handshake(exporter, version) for version in spoken} == spoken
        if "CurveP384" in lines:
            context = ssl.create_default_context(cafile=authority.certificate)
            with socket.create_connection(exporter.address) as plain, \
                    context.wrap_socket(plain, server_hostname="127.0.0.1") as secure:
                cipher = secure.cipher()
                assert cipher and cipher[0] == "ECDHE-ECDSA-AES256-GCM-SHA384"
        exporter.stop()


#: The client's certificate (none, the authority's, another's by name, a stranger's) and whether it is let in.
KINDS = {
    "RequestClientCert": [True, True, True, True],
    "RequireAnyClientCert": [False, True, True, True],
    "VerifyClientCertIfGiven": [True, True, True, False],
    "RequireAndVerifyClientCert": [False, True, True, False],
    "RequireAndVerifyClientCert\n  client_allowed_sans: [prometheus.example]": [False, True, False, False],
}


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.replace("\n ", ""))
def test_clients_show_the_certificate_that_is_asked(authority: Authority, kind: str):
    text = PLAIN + f"  client_ca_file: authority.crt\n  client_auth_type: {kind}\n"
    with Exporter("--web.config.file", str(written(authority, "clients.yml", text))) as exporter:
        for version in (("--tls-max", "1.2"), ("--tlsv1.3",)):
            found = []
            for name in (None, "client", "other", "impostor"):
                code, status = curl(exporter, authority, *version, *(client(authority, name) if name else ()))
                assert (code == 0) == (status == 200)
                found.append(status == 200)
            assert found == KINDS[kind], version
        exporter.stop()


BAD = [
    ("  min_version: TLS10\n", "TLS12 or TLS13"), ("  min_version: TLS11\n", "TLS12 or TLS13"),
    ("  max_version: SSL3\n", "TLS12 or TLS13"), ("  min_version: TLS13\n  max_version: TLS12\n", "below min_version"),
    ("  cipher_suites: [TLS_RSA_WITH_RC4_128_SHA]\n", "must be one of"),
    ("  curve_preferences: [P256]\n", "must be one of"),
    ("  client_auth_type: Maybe\n", "must be one of"),
    ("  client_auth_type: RequireAndVerifyClientCert\n", "client_ca_file"),
    ("  client_ca_file: authority.crt\n", "needs client_auth_type"),
    ("  client_allowed_sans: [a]\n", "client_auth_type"),
    ("  client_auth_type: VerifyClientCertIfGiven\n  client_ca_file: server.key\n", "holds no certificate"),
    ("  cert: x\n", "beside cert"),
]


@pytest.mark.parametrize("lines, told", BAD,
                         ids=[lines.strip().split(":")[0] + f"-{n}" for n, (lines, _) in enumerate(BAD)])
def test_what_cannot_be_done_is_refused(authority: Authority, lines: str, told: str):
    path = written(authority, "bad.yml", PLAIN + lines)
    with pytest.raises(DidNotStart) as failure:
        Exporter("--web.config.file", str(path))
    assert failure.value.code == 2
    assert f"{path}:" in failure.value.log and told in failure.value.log and "tls_server_config" in failure.value.log


def test_a_key_that_is_not_the_certificate_s_is_refused_and_not_shown(authority: Authority):
    key = (authority.folder / "second.key").read_text()
    for text in (PLAIN.replace("server.key", "second.key"),
                 "tls_server_config:\n  cert_file: server.crt\n  key: |\n"
                 + "".join(f"    {line}\n" for line in key.splitlines())):
        with pytest.raises(DidNotStart) as failure:
            Exporter("--web.config.file", str(written(authority, "pair.yml", text)))
        assert "is not the key of the certificate" in failure.value.log
        assert key.splitlines()[1] not in failure.value.log


def serial(exporter: Exporter) -> str:
    """The certificate that a new connection is shown."""
    return ssl.get_server_certificate(exporter.address)


def test_a_reload_changes_the_certificate_and_the_users_under_load(authority: Authority):
    folder = authority.folder / "live"
    folder.mkdir()

    def install(name: str, password: str) -> None:
        for kind in ("crt", "key"):
            shutil.copy(authority.folder / f"{name}.{kind}", folder / f"live.{kind}")
        (folder / "web.yml").write_text(
            "tls_server_config: {cert_file: live.crt, key_file: live.key}\n"
            f"basic_auth_users:\n  agent: {agent}\n  root: {root}\n  changing: {hashed(password)}\n"
            "user_scopes:\n  root: [admin]\n")

    agent, root = hashed("agent"), hashed("root")
    install("server", "one")
    with Exporter("--web.config.file", str(folder / "web.yml")) as exporter:
        context = ssl.create_default_context(cafile=authority.certificate)
        over, sent, failures = threading.Event(), [0] * 4, []

        def post(place: int) -> None:
            headers = {"Content-Type": "application/json", **basic("agent", "agent")}
            connection = http.client.HTTPSConnection(*exporter.address, context=context, timeout=10)
            while not over.is_set():
                if place % 2:
                    connection.close()
                connection.request("POST", "/record", encode(call(agent_name="Steady")), headers)
                answer = connection.getresponse()
                if (answer.status, json.loads(answer.read())["accepted"]) != (200, 1):
                    failures.append(answer.status)
                sent[place] += 1

        def asking(path: str, method: str, user: str, password: str) -> int:
            connection = http.client.HTTPSConnection(*exporter.address, context=context, timeout=10)
            connection.request(method, path, headers=basic(user, password))
            return connection.getresponse().status

        threads = [threading.Thread(target=post, args=(place,)) for place in range(4)]
        for thread in threads:
            thread.start()
        try:
            first = serial(exporter)
            for turn in range(6):
                before = sum(sent)
                eventually(lambda: sum(sent) > before + 20, "load")
                name, password = ("second", "two") if turn % 2 == 0 else ("server", "one")
                install(name, password)
                if turn == 0:
                    exporter.signal(signal.SIGHUP)
                    eventually(lambda: "msg=Reloaded" in exporter.log, "reloaded")
                else:
                    assert asking("/-/reload", "POST", "root", "root") == 200
                assert (serial(exporter) == first) == (name == "server")
                assert asking("/summary", "GET", "changing", password) == 200
                assert asking("/summary", "GET", "changing", "three") == 401
            (folder / "live.key").write_text("no key")
            assert asking("/-/reload", "POST", "root", "root") == 500
            assert serial(exporter) == first
        finally:
            over.set()
            for thread in threads:
                thread.join()
        assert not failures and min(sent) > 0
        connection = http.client.HTTPSConnection(*exporter.address, context=context, timeout=10)
        connection.request("GET", "/summary", headers=basic("agent", "agent"))
        assert json.loads(connection.getresponse().read())["total_calls"] == sum(sent)
        connection.close()
        exporter.stop()


def test_turning_tls_on_takes_a_restart_and_says_so(authority: Authority):
    path = written(authority, "later.yml", "http_server_config: {headers: {X-Frame-Options: deny}}\n")
    with Exporter("--web.config.file", str(path)) as exporter:
        path.write_text(PLAIN)
        assert "restart" in exporter.post(b"", path="/-/reload").problem(500)["detail"]
        assert exporter.get("/metrics").status == 200
        exporter.stop()


def test_a_body_waits_for_the_password_and_is_whole(authority: Authority):
    """What TLS has decrypted while the connection was suspended is not left lying."""
    path = written(authority, "waits.yml", PLAIN + f"basic_auth_users:\n  agent: {hashed('secret', 8)}\n")
    context = ssl.create_default_context(cafile=authority.certificate)
    with Exporter("--web.config.file", str(path)) as exporter:
        for size in (1, 100, 3000):
            part = encode([call(agent_name="Parts") for _ in range(size)]).encode()
            for attempt in range(8):
                # Spelt in its own way each time, so that the password is checked anew.
                header = basic("agent", "secret")["Authorization"].replace(" ", " " * (attempt + size % 7 * 8 + 1))
                head = (f"POST /record HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
                        f"Content-Length: {len(part)}\r\nAuthorization: {header}\r\n\r\n").encode()
                with socket.create_connection(exporter.address, timeout=5) as plain, \
                        context.wrap_socket(plain, server_hostname="127.0.0.1") as secure:
                    secure.sendall(head + part)
                    assert Reply.reading(secure).outcome() == (size, 0, 0)
        exporter.stop()


class SecurePrometheus(Prometheus):
    """Scrapes by TLS, with a client certificate and a password."""

    def __init__(self, exporter: Exporter, authority: Authority, password: str):
        Server.__init__(self, "prometheus")
        path = Path(self.folder.name, "prometheus.yml")
        path.write_text(json.dumps({
            "global": {"scrape_interval": "250ms", "scrape_timeout": "250ms"},
            "scrape_configs": [{
                "job_name": "llm-exporter", "scheme": "https",
                "basic_auth": {"username": "prometheus", "password": password},
                "tls_config": {"ca_file": str(authority.certificate), "cert_file": str(authority.folder / "client.crt"),
                               "key_file": str(authority.folder / "client.key")},
                "static_configs": [{"targets": [f"127.0.0.1:{exporter.port}"]}]}]}))
        self.password = password
        self.spawn("prometheus", f"--config.file={path}", f"--storage.tsdb.path={self.folder.name}/data",
                   f"--web.listen-address={self.address}")

    def answers(self) -> bool:
        return bool(self.query("up"))


def test_prometheus_scrapes_with_tls_a_certificate_and_a_password(authority: Authority):
    text = (PLAIN + "  client_ca_file: authority.crt\n  client_auth_type: RequireAndVerifyClientCert\n"
            f"basic_auth_users:\n  prometheus: {hashed('scraper', 10)}\nuser_scopes:\n  prometheus: [scrape]\n")
    with Exporter("--web.config.file", str(written(authority, "scraped.yml", text))) as exporter:
        for password, up in (("scraper", "1"), ("wrong", "0")):
            prometheus = SecurePrometheus(exporter, authority, password)
            try:
                eventually(lambda: [s["value"][1] for s in prometheus.query("up")] == [up], f"up is {up}")
                if up == "1":
                    assert prometheus.query("llm_exporter_build_info")
                else:
                    # On a busy machine the first scrapes may end in a time-out, which is no answer yet.
                    eventually(lambda: "401" in prometheus.get("/api/v1/targets")["activeTargets"][0]["lastError"],
                               "the wrong password is refused")
            finally:
                prometheus.stop()
        exporter.stop()


@pytest.mark.parametrize("who, code", [
    ({"LLM_EXPORTER_USERNAME": "agent", "LLM_EXPORTER_PASSWORD": "secret"}, 0), ({"LLM_EXPORTER_TOKEN": "a-token"}, 0),
    ({"LLM_EXPORTER_TOKEN": "another"}, 1), ({}, 1),
], ids=lambda value: "-".join(value) if isinstance(value, dict) else str(value))
def test_send_trusts_and_says_who_it_is(authority: Authority, tmp_path: Path, who: dict[str, str], code: int):
    text = (PLAIN + f"basic_auth_users:\n  agent: {hashed('secret')}\n"
            f"bearer_tokens:\n  - {{name: sender, sha256: {digest('a-token')}, scopes: [record]}}\n")
    lines = tmp_path / "calls.ndjson"
    lines.write_text(encode(call()) + "\n")
    with Exporter("--web.config.file", str(written(authority, "send.yml", text))) as exporter:
        done = subprocess.run(
            [BINARY, "send", lines, "--url", f"https://127.0.0.1:{exporter.port}"],
            env={**os.environ, "LLM_EXPORTER_CA_FILE": str(authority.certificate), **who}, capture_output=True,
            text=True, timeout=30, check=False)
        assert done.returncode == code, done
        assert ("1 accepted" in done.stdout) == (code == 0), done
        exporter.stop()


def test_a_reload_asks_open_connections_for_their_certificates_again(authority: Authority):
    plain = "tls_server_config:\n  cert_file: server.crt\n  key_file: server.key\n"
    verified = plain + "  client_ca_file: authority.crt\n  client_auth_type: RequireAndVerifyClientCert\n"
    file = written(authority, "outdated.yml", plain)
    with Exporter("--web.config.file", str(file)) as exporter:
        context = ssl.create_default_context(cafile=authority.certificate)
        connection = http.client.HTTPSConnection(*exporter.address, context=context, timeout=10)

        def status() -> int:
            connection.request("GET", "/summary")
            answer = connection.getresponse()
            answer.read()
            return answer.status

        def reload(text: str) -> None:
            file.write_text(text)
            before = exporter.log.count("msg=Reloaded")
            exporter.signal(signal.SIGHUP)
            eventually(lambda: exporter.log.count("msg=Reloaded") > before, "reloaded")

        assert status() == 200
        own = connection.sock
        reload(plain)
        assert status() == 200 and connection.sock is own, "nothing changed for clients"
        reload(verified)
        assert status() == 503
        connection.close()
        with pytest.raises((ssl.SSLError, ConnectionError, http.client.RemoteDisconnected)):
            status()
