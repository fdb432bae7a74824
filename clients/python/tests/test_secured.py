"""The client and an exporter that asks who it is: passwords, tokens and TLS, against the real program."""

from __future__ import annotations

import hashlib
import json
import ssl
import urllib.request
from pathlib import Path
from typing import Any, Callable

import pytest

from llm_exporter import LLMCallMetrics, LLMMonitor
from peers import Exporter

# htpasswd -nbBC 4 agents secret
HASH = "$2y$04$uyqfmxznYHf3iZPxcnGRc..NNLi44PrPxBbNj/Gr8YrYqCOMVGfSa"


def configuration(certificate: Path) -> str:
    return (
        f"tls_server_config: {{cert_file: {certificate}, key_file: {certificate}}}\n"
        f"basic_auth_users: {{agents: {HASH}}}\n"
        f"bearer_tokens: [{{name: agents, sha256: {hashlib.sha256(b'token').hexdigest()}, scopes: [record]}}]\n"
    )


@pytest.mark.parametrize(
    ("credentials", "counted"),
    [
        ({"username": "agents", "password": "secret"}, 3),
        ({"token": "token"}, 3),
        ({"username": "agents", "password": "wrong"}, 0),
    ],
)
def test_credentials_over_tls(
    exporter_program: str,
    certificate: Path,
    tmp_path: Path,
    new_monitor: Callable[..., LLMMonitor],
    credentials: dict[str, str],
    counted: int,
) -> None:
    web = tmp_path / "web.yml"
    web.write_text(configuration(certificate))
    exporter = Exporter(exporter_program, None, "--web.config.file", str(web)).start()
    try:
        url = exporter.url.replace("http://", "https://")
        monitor = new_monitor(url, ca_file=str(certificate), **credentials)
        for _ in range(3):
            monitor.record_metric(LLMCallMetrics(agent_name="Secured", provider="acme", model="parrot-1"))
        monitor.flush(timeout=5)
        request = urllib.request.Request(url + "/summary")
        request.add_header("Authorization", "Basic YWdlbnRzOnNlY3JldA==")
        context = ssl.create_default_context(cafile=str(certificate))
        with urllib.request.urlopen(request, timeout=10, context=context) as answer:
            summary: dict[str, Any] = json.load(answer)
        assert summary["total_calls"] == counted
    finally:
        exporter.kill()
