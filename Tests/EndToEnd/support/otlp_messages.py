"""Requests of OTLP, written as its JSON and, from that, as its protobuf; and its answers read back.

Field numbers are those of opentelemetry-proto; the test does without generated code, so that a wrong number in the
exporter's own .proto shows.
"""

from __future__ import annotations

import itertools
import json
import struct
from collections.abc import Iterator
from typing import Any

PROTOBUF = {"Content-Type": "application/x-protobuf"}
JSON = {"Content-Type": "application/json"}

SECOND = 1_000_000_000
#: When spans begin that do not say when.
EPOCH = 1_795_456_700 * SECOND

_ids = itertools.count(1)


def value(of: Any) -> dict[str, Any]:
    """An AnyValue. JSON writes 64-bit integers as strings."""
    if isinstance(of, bool):
        return {"boolValue": of}
    if isinstance(of, int):
        return {"intValue": str(of)}
    if isinstance(of, float):
        return {"doubleValue": of}
    if isinstance(of, list):
        return {"arrayValue": {"values": [value(each) for each in of]}}
    if isinstance(of, dict):
        return {"kvlistValue": {"values": attributes(of)}}
    return {"stringValue": of}


def attributes(of: dict[str, Any]) -> list[dict[str, Any]]:
    return [{"key": key, "value": value(each)} for key, each in of.items() if each is not None]


def span(of: dict[str, Any] | None = None, *, trace: int | None = None, id: int | None = None,
         parent: int | None = None, start: int = 0, milliseconds: float = 1500, error: bool = False,
         events: tuple[tuple[str, dict[str, Any]], ...] = ()) -> dict[str, Any]:
    """A span that begins `start` milliseconds after `EPOCH`; with its own trace and id unless they are given."""
    began = EPOCH + start * 1_000_000
    return {
        "traceId": f"{trace or next(_ids):032x}", "spanId": f"{id or next(_ids):016x}",
        **({"parentSpanId": f"{parent:016x}"} if parent else {}), "name": "chat", "kind": 3, "flags": 256,
        "startTimeUnixNano": str(began), "endTimeUnixNano": str(began + int(milliseconds * 1_000_000)),
        "attributes": attributes(of or {}),
        "events": [{"name": name, "timeUnixNano": str(began), "attributes": attributes(more)} for name, more in events],
        "status": {"code": 2, "message": "SECRET STATUS"} if error else {}}


def request(*spans: dict[str, Any], resource: dict[str, Any] | None = None, scope: str = "test",
            **scopes: list[dict[str, Any]]) -> dict[str, Any]:
    """One process' spans, of one scope, or by scope."""
    groups = [(scope, list(spans))] if spans else []
    return {"resourceSpans": [{
        "resource": {"attributes": attributes(resource if resource is not None else {"service.name": "svc"})},
        "scopeSpans": [{"scope": {"name": name, "version": "1"}, "spans": of}
                       for name, of in groups + list(scopes.items())]}]}


def log(name: str | None, of: dict[str, Any] | None = None, *, body: str | None = None, event_name: str | None = None,
        at: int = 0, observed: int | None = None, trace: int | None = None) -> dict[str, Any]:
    """A log record, `at` milliseconds after `EPOCH`; `observed` if only its observation has a time."""
    return {
        **({"timeUnixNano": str(EPOCH + at * 1_000_000)} if observed is None else {}),
        "observedTimeUnixNano": str(EPOCH + (observed if observed is not None else at) * 1_000_000),
        "severityNumber": 9, "severityText": "INFO",
        **({"body": value(body)} if body is not None else {}),
        **({"eventName": event_name} if event_name is not None else {}),
        "attributes": attributes({"event.name": name, **(of or {})}),
        **({"traceId": f"{trace:032x}", "spanId": f"{trace:016x}", "flags": 1} if trace else {})}


def logs(*records: dict[str, Any], resource: dict[str, Any] | None = None) -> dict[str, Any]:
    """One process' log records."""
    return {"resourceLogs": [{
        "resource": {"attributes": attributes(resource if resource is not None else {"service.name": "svc"})},
        "scopeLogs": [{"scope": {"name": "test", "version": "1"}, "logRecords": list(records)}]}]}


# Protobuf

def varint(number: int) -> bytes:
    number &= (1 << 64) - 1
    out = b""
    while number > 0x7F:
        out += bytes([number & 0x7F | 0x80])
        number >>= 7
    return out + bytes([number])


def chunk(field: int, content: bytes) -> bytes:
    return varint(field << 3 | 2) + varint(len(content)) + content


def _chunks(field: int, parts: list[Any], encode) -> bytes:
    return b"".join(chunk(field, encode(part)) for part in parts)


def _value(of: dict[str, Any]) -> bytes:
    (kind, content), = of.items()
    match kind:
        case "stringValue":
            return chunk(1, content.encode())
        case "boolValue":
            return varint(2 << 3) + varint(content)
        case "intValue":
            return varint(3 << 3) + varint(int(content))
        case "doubleValue":
            return varint(4 << 3 | 1) + struct.pack("<d", content)
        case "arrayValue":
            return chunk(5, _chunks(1, content["values"], _value))
        case "kvlistValue":
            return chunk(6, _chunks(1, content["values"], _attribute))
    raise ValueError(kind)


def _attribute(of: dict[str, Any]) -> bytes:
    return chunk(1, of["key"].encode()) + chunk(2, _value(of["value"]))


def _event(of: dict[str, Any]) -> bytes:
    return (varint(1 << 3 | 1) + struct.pack("<Q", int(of["timeUnixNano"])) + chunk(2, of["name"].encode())
            + _chunks(3, of["attributes"], _attribute))


def _span(of: dict[str, Any]) -> bytes:
    out = chunk(1, bytes.fromhex(of["traceId"])) + chunk(2, bytes.fromhex(of["spanId"]))
    if "parentSpanId" in of:
        out += chunk(4, bytes.fromhex(of["parentSpanId"]))
    out += chunk(5, of["name"].encode()) + varint(6 << 3) + varint(of["kind"])
    out += varint(7 << 3 | 1) + struct.pack("<Q", int(of["startTimeUnixNano"]))
    out += varint(8 << 3 | 1) + struct.pack("<Q", int(of["endTimeUnixNano"]))
    out += _chunks(9, of["attributes"], _attribute) + _chunks(11, of["events"], _event)
    status = of["status"]
    if status:
        out += chunk(15, chunk(2, status["message"].encode()) + varint(3 << 3) + varint(status["code"]))
    return out + varint(16 << 3 | 5) + struct.pack("<I", of["flags"])


def _scope_spans(of: dict[str, Any]) -> bytes:
    scope = chunk(1, of["scope"]["name"].encode()) + chunk(2, of["scope"]["version"].encode())
    return chunk(1, scope) + _chunks(2, of["spans"], _span)


def _resource_spans(of: dict[str, Any]) -> bytes:
    return (chunk(1, _chunks(1, of["resource"]["attributes"], _attribute))
            + _chunks(2, of["scopeSpans"], _scope_spans))


def _log_record(of: dict[str, Any]) -> bytes:
    out = varint(1 << 3 | 1) + struct.pack("<Q", int(of.get("timeUnixNano", 0)))
    out += varint(2 << 3) + varint(of["severityNumber"]) + chunk(3, of["severityText"].encode())
    if "body" in of:
        out += chunk(5, _value(of["body"]))
    out += _chunks(6, of["attributes"], _attribute)
    if "traceId" in of:
        out += varint(8 << 3 | 5) + struct.pack("<I", of["flags"])
        out += chunk(9, bytes.fromhex(of["traceId"])) + chunk(10, bytes.fromhex(of["spanId"]))
    out += varint(11 << 3 | 1) + struct.pack("<Q", int(of["observedTimeUnixNano"]))
    return out + (chunk(12, of["eventName"].encode()) if "eventName" in of else b"")


def _scope_logs(of: dict[str, Any]) -> bytes:
    scope = chunk(1, of["scope"]["name"].encode()) + chunk(2, of["scope"]["version"].encode())
    return chunk(1, scope) + _chunks(2, of["logRecords"], _log_record)


def _resource_logs(of: dict[str, Any]) -> bytes:
    return chunk(1, _chunks(1, of["resource"]["attributes"], _attribute)) + _chunks(2, of["scopeLogs"], _scope_logs)


def protobuf(of: dict[str, Any]) -> bytes:
    if "resourceLogs" in of:
        return _chunks(1, of["resourceLogs"], _resource_logs)
    return _chunks(1, of["resourceSpans"], _resource_spans)


def fields(message: bytes) -> Iterator[tuple[int, Any]]:
    """The fields of a message: integers, and bytes."""
    def number(at: int) -> tuple[int, int]:
        out = shift = 0
        while True:
            byte = message[at]
            out |= (byte & 0x7F) << shift
            at, shift = at + 1, shift + 7
            if byte < 0x80:
                return out, at
    at = 0
    while at < len(message):
        tag, at = number(at)
        value, at = number(at)
        if tag & 7 == 2:
            yield tag >> 3, message[at:at + value]
            at += value
        else:
            assert tag & 7 == 0, message
            yield tag >> 3, value


def parts(body: bytes) -> Iterator[bytes]:
    """A request with spans or log records, as a request for each of them."""
    if body.startswith(b"{"):
        [(signal, groups)] = json.loads(body).items()
        for group in groups:
            [scoped] = [name for name in group if name.startswith("scope")]
            for inner in group[scoped]:
                [listed] = [name for name in inner if isinstance(inner[name], list)]
                for part in inner[listed]:
                    yield json.dumps({signal: [{**group, scoped: [{**inner, listed: [part]}]}]}).encode()
        return
    for _, resource in fields(body):
        around = b"".join(chunk(field, content) for field, content in fields(resource) if field != 2)
        for number, scope in fields(resource):
            if number == 2:
                within = b"".join(chunk(field, content) for field, content in fields(scope) if field != 2)
                yield from (chunk(1, around + chunk(2, within + chunk(2, one)))
                            for field, one in fields(scope) if field == 2)


def partial_success(reply) -> tuple[int, str]:
    """What was rejected and the message of a 200 in either encoding; (0, "") if all was taken."""
    assert reply.status == 200, reply
    if reply.media_type == "application/json":
        told = json.loads(reply.body).get("partialSuccess", {})
        counts = [int(told.get(name, 0)) for name in ("rejectedSpans", "rejectedLogRecords", "rejectedDataPoints")]
        return max(counts), told.get("errorMessage", "")
    assert reply.media_type == "application/x-protobuf", reply
    told = dict(fields(dict(fields(reply.body)).get(1, b"")))
    return told.get(1, 0), told.get(2, b"").decode()


def error(reply, status: int) -> tuple[int, str]:
    """Code and message of a google.rpc.Status in either encoding."""
    assert reply.status == status, reply
    if reply.media_type == "application/json":
        told = json.loads(reply.body)
        assert told.keys() == {"code", "message"} and told["message"], told
        return told["code"], told["message"]
    assert reply.media_type == "application/x-protobuf", reply
    told = dict(fields(reply.body))
    return told[1], told[2].decode()
