"""A real nginx with the repository's configuration: which of three exporters gets a request, and what comes back."""

import gzip
import socket
from contextlib import ExitStack
from types import SimpleNamespace

import pytest

from cluster_servers import EXAMPLES, NGINX, Nginx, check_nginx
from exporter import JSON, NDJSON, Exporter, call, encode, ndjson


@pytest.fixture(scope="module")
def behind():
    """Three exporters in memory, and nginx before them."""
    exporters = [Exporter() for _ in EXAMPLES]
    try:
        nginx = Nginx(exporters)
        try:
            yield nginx, exporters
        finally:
            nginx.stop()
    finally:
        for exporter in exporters:
            exporter.kill()


def where(exporters, agent):
    """The exporters that have counted calls of an agent, and how many."""
    counted = {n: int(e.scrape().total("llm_calls_total", agent_name=agent)) for n, e in enumerate(exporters)}
    return {number: count for number, count in counted.items() if count}


def test_what_an_agent_sends_in_any_format_reaches_one_exporter(behind):
    nginx, exporters = behind
    span = {"traceId": "5b8efff798038103d269b633813fc60c", "spanId": "eee19b7ec3c1b174", "name": "chat",
            "startTimeUnixNano": "1", "endTimeUnixNano": "2",
            "attributes": [{"key": f"gen_ai.{key}", "value": {"stringValue": value}} for key, value in {
                "provider.name": "acme", "request.model": "parrot", "operation.name": "chat"}.items()]}
    for number in range(8):
        agent = f"Agent {number}"
        span["spanId"] = f"eee19b7ec3c1b17{number}"
        service = {"attributes": [{"key": "service.name", "value": {"stringValue": agent}}]}
        traces = {"resourceSpans": [{"resource": service, "scopeSpans": [{"spans": [span]}]}]}
        mine = {"X-Agent-Name": agent}
        assert nginx.post(traces, {**JSON, **mine}, "/v1/traces").status == 200
        for key in range(3):
            posted = nginx.post(call(agent_name=agent), {**JSON, **mine, "Idempotency-Key": str(key)})
            assert posted.outcome() == (1, 0, 0)
        assert list(where(exporters, agent).values()) == [4]


def test_requests_of_one_key_reach_one_exporter_and_those_without_headers_as_well(behind):
    nginx, exporters = behind
    assert nginx.post(call(agent_name="Keyed"), {**JSON, "Idempotency-Key": "once"}).outcome() == (1, 0, 0)
    for _ in range(5):
        assert nginx.post(call(agent_name="Keyed"), {**JSON, "Idempotency-Key": "once"}).outcome() == (0, 1, 0)
    for _ in range(6):
        assert nginx.post(call(agent_name="Bare")).outcome() == (1, 0, 0)
    assert list(where(exporters, "Bare").values()) == [6]


def test_many_keys_are_spread_over_all_exporters(behind):
    nginx, exporters = behind
    for key in range(200):
        nginx.post(call(agent_name="Spread"), {**JSON, "Idempotency-Key": f"spread-{key}"}).outcome()
    found = where(exporters, "Spread")
    assert sum(found.values()) == 200 and len(found) == len(exporters)


def test_a_fourth_exporter_takes_a_share_and_leaves_the_rest_where_it_was(behind, start):
    nginx, exporters = behind
    keys = [{**JSON, "Idempotency-Key": f"moving-{n}"} for n in range(200)]
    for key in keys:
        assert nginx.post(call(agent_name="Moving"), key).outcome() == (1, 0, 0)
    four = [*exporters, start()]
    larger = Nginx(four)
    try:
        moved = sum(larger.post(call(agent_name="Moving"), key).outcome()[0] for key in keys)
    finally:
        larger.stop()
    # A key that moves is unknown there, and its repetition counts: why the guide says when to add one.
    assert where(four, "Moving")[3] == moved and 0 < moved < 100


@pytest.mark.parametrize("path", ["/", "/metrics", "/summary", "/record/", "/-/reload", "/api/v1/budgets",
                                  "/api/v1/admin/reset"])
def test_nothing_but_intake_is_reached(behind, path):
    nginx, _ = behind
    assert nginx.request("GET", path).status == nginx.post({}, path=path).status == 404


@pytest.mark.heavy
def test_answers_of_the_exporter_pass_as_they_are(behind):
    nginx, _ = behind
    starts = [{"event": "start", "agent_name": "Starter", "id": str(n)} for n in range(100_000)]
    # Larger than nginx keeps in memory, compressed or not.
    assert nginx.post(ndjson(starts), NDJSON).outcome() == (len(starts), 0, 0)
    assert nginx.post([{}]).problem(422)["errors"]
    assert nginx.post(b"{").problem(400)
    assert nginx.request("GET", "/record").problem(405)
    compressed = gzip.compress(encode(call()).encode())
    assert nginx.post(compressed, {**JSON, "Content-Encoding": "gzip"}).outcome() == (1, 0, 0)


def test_a_machine_that_is_silent_leaves_the_outcome_unknown():
    with socket.socket() as silent, ExitStack() as callers:
        silent.bind(("127.0.0.1", 0))
        silent.listen(0)
        port = silent.getsockname()[1]
        # Two fill its queue; the kernel drops who comes then, as a machine that is gone drops everyone.
        for _ in range(2):
            filler = callers.enter_context(socket.socket())
            filler.setblocking(False)
            filler.connect_ex(("127.0.0.1", port))
        nginx = Nginx([SimpleNamespace(port=port)] * len(EXAMPLES))  # type: ignore[list-item]  # only its port is read
        try:
            reply = nginx.post(call())
        finally:
            nginx.stop()
    assert reply.problem(504) and reply.headers["Retry-After"] == "1"


def test_nginx_takes_the_configuration_as_it_is(tmp_path):
    done = check_nginx(tmp_path, NGINX.read_text())
    assert done.returncode == 0, done.stderr
    assert "[warn]" not in done.stderr, done.stderr
