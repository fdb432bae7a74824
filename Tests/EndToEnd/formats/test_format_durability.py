"""Reports in other formats are on disk before the answer and refused if they cannot be stored, as plain records are."""

import errno
import json

import pytest

import interposer
import otlp_messages as otlp
from exporter import FIXTURES, JSON, Exporter, eventually
from interposer import FOREVER, Fault, Kind

pytestmark = pytest.mark.concurrency

#: Path, headers, body and its calls.
BODIES = [
    ("/litellm", JSON, "litellm/lines.ndjson", 3),
    ("/v1/traces", otlp.PROTOBUF, "otlp/openai-v2.bin", 7),
    ("/v1/traces", JSON, "otlp/traces.json", 1),
]
BY_FORMAT = pytest.mark.parametrize("path, headers, name, calls", BODIES, ids=["litellm", "protobuf", "json"])


def post(exporter, path, headers, name):
    return exporter.post((FIXTURES / name).read_bytes(), headers, path=path)


def totals(exposition):
    return [line for line in exposition.text.splitlines() if line.startswith("llm_") and "exporter" not in line]


@BY_FORMAT
def test_what_was_acknowledged_survives_a_kill_and_is_a_duplicate_after_it(tmp_path, start, path, headers, name, calls):
    with Exporter(storage=tmp_path / "storage") as exporter:
        assert post(exporter, path, headers, name).status == 200
        shown = totals(exporter.scrape())
    exporter = start(storage=tmp_path / "storage")
    assert post(exporter, path, headers, name).status == 200
    told = exporter.scrape()
    assert told.total("llm_calls_total") == calls
    assert told.value("llm_exporter_records_duplicate_total") == str(calls)
    assert totals(told) == shown


@BY_FORMAT
def test_a_full_disk_refuses_all_and_a_retry_is_taken(tmp_path, start, path, headers, name, calls):
    storage, control = tmp_path / "storage", tmp_path / "fault"
    storage.mkdir()
    exporter = start(storage=storage, environment=interposer.environment(storage, fault=control))
    Fault(Kind.WRITE, 1, errno.ENOSPC, lasts=FOREVER).arm(control)
    reply = post(exporter, path, headers, name)
    assert reply.headers["Retry-After"]
    if path == "/litellm":
        reply.problem(507)
    else:
        # Senders of OTLP do not try again after 507.
        assert otlp.error(reply, 503)[0] == 14
    assert exporter.scrape().total("llm_calls_total") == 0
    control.unlink()
    eventually(lambda: exporter.get("/-/ready").status == 200, "ready")
    assert post(exporter, path, headers, name).status == 200
    assert exporter.calls() == calls


@pytest.mark.parametrize("path, body", [
    ("/litellm", [json.loads(line) for line in (FIXTURES / "litellm/lines.ndjson").read_text().splitlines()]),
    ("/v1/traces", json.loads((FIXTURES / "otlp/traces.json").read_text()))], ids=["litellm", "otlp"])
def test_a_batch_beside_records_is_counted_with_them(exporter, path, body):
    """One road: the limits and totals are those of all records."""
    assert exporter.post(body, JSON, path=path).status == 200
    told = exporter.scrape()
    assert told.value("llm_exporter_records_accepted_total") == str(told.total("llm_calls_total"))
    assert told.value("llm_exporter_http_requests_total", route=path, code="200") == "1"
