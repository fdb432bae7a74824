"""Bodies as clients send them: shapes, types, encodings, lengths, and clients that leave before the answer."""

import gzip
import socket
import time
import zlib
from typing import Any

import pytest
import zstandard

from exporter import JSON, NDJSON, Raw, call, encode, eventually, ndjson
from pace import Stopwatch

LIMIT = 64 * 1024


def zstd(body):
    return zstandard.compress(body)


def zstd_stream(body):
    """A frame that does not tell its content's size."""
    packer = zstandard.ZstdCompressor().compressobj()
    return packer.compress(body) + packer.flush()


def raw_deflate(body):
    packer = zlib.compressobj(wbits=-15)
    return packer.compress(body) + packer.flush()


@pytest.fixture
def small(start):
    return start("--web.max-body-size", "64KiB")


def body_of(size):
    """A JSON object of exactly that many bytes."""
    frame = encode(call(note=""))
    return encode(call(note="x" * (size - len(frame)))).encode()


def head(length=None, **headers):
    lines = ["POST /record HTTP/1.1", "Host: localhost", "Content-Type: application/json"]
    if length is not None:
        lines.append(f"Content-Length: {length}")
    lines += [f"{k.replace('_', '-')}: {v}" for k, v in headers.items()]
    return "\r\n".join(lines) + "\r\n\r\n"


# Shapes

@pytest.mark.parametrize("body, headers", [
    (encode(call()), JSON),
    (f"  {encode(call())}\r\n\t ", JSON),
    (encode([call()]), JSON),
    (encode(call()), NDJSON), (encode(call()) + "\n", NDJSON), (encode(call()) + "\r\n", NDJSON),
    (encode(call()), {"Content-Type": "application/jsonl"}),
    ("{\n  " + encode(call())[1:].replace(",", ",\n  "), JSON),
], ids=repr)
def test_one_record_in_each_shape(exporter, body, headers):
    assert exporter.post(body, headers).outcome() == (1, 0, 0)
    assert exporter.calls() == 1


@pytest.mark.parametrize("headers", [NDJSON, {"Content-Type": "application/jsonl"}, JSON, {}], ids=repr)
@pytest.mark.parametrize("separator", ["\n", "\r\n", "\n\n", "\r\n\r\n", "\n \t \n"], ids=repr)
@pytest.mark.parametrize("end", ["", "\n"], ids=repr)
def test_lines_are_records_however_they_are_labelled_and_end(exporter, headers, separator, end):
    body = separator.join(encode(call(agent_name=name, input_tokens=5)) for name in "ABC") + end
    assert exporter.post(body, headers).outcome() == (3, 0, 0)
    assert exporter.scrape().agents("llm_calls_total") == {"A", "B", "C"}


def test_a_bad_line_is_one_rejected_record_and_the_others_are_taken(exporter):
    lines = [encode(call(agent_name="A")), '{"agent_name": "unclosed', encode(call(agent_name="B")), "", "[]", "5",
             "{}", encode(call(agent_name="C")) + " trailing", encode(call(agent_name="D"))]
    reply = exporter.post("\n".join(lines), NDJSON)
    assert reply.outcome() == (3, 0, 5)
    # Blank lines have no place.
    assert [(e["index"], e["code"]) for e in reply.json["errors"]] == [
        (1, "malformed_json"), (3, "not_an_object"), (4, "not_an_object"), (5, "missing"), (6, "malformed_json")]
    assert all("field" not in e for e in reply.json["errors"] if e["code"] != "missing")
    assert exporter.scrape().agents("llm_calls_total") == {"A", "B", "D"}


def test_a_bad_record_in_an_array_is_named_by_its_place(exporter):
    reply = exporter.post([call(agent_name="A"), 5, None, "text", [call()], call(latency_ms=-1), call(agent_name="B")])
    assert reply.outcome() == (2, 0, 5)
    assert [(e["index"], e["code"]) for e in reply.json["errors"]] == [
        (1, "not_an_object"), (2, "not_an_object"), (3, "not_an_object"), (4, "not_an_object"), (5, "out_of_range")]
    assert exporter.scrape().agents("llm_calls_total") == {"A", "B"}


def test_a_batch_of_nothing_but_bad_records_is_422_with_every_error(exporter):
    told = exporter.post([call(latency_ms=-1), 5]).problem(422)
    assert [(e["index"], e["code"]) for e in told["errors"]] == [(0, "out_of_range"), (1, "not_an_object")]
    assert exporter.calls() == 0


def test_a_duplicate_keeps_a_batch_from_being_422(exporter):
    exporter.post(call(id="1")).outcome()
    assert exporter.post([call(id="1"), call(latency_ms=-1)]).outcome() == (0, 1, 1)


@pytest.mark.parametrize("body, headers", [
    ("[]", JSON), (" [ ] ", JSON), ("\n", NDJSON), ("\r\n\r\n", NDJSON), ("  \n\t\n", NDJSON),
], ids=repr)
def test_a_body_of_no_records_is_200_with_zeros(exporter, body, headers):
    assert exporter.post(body, headers).outcome() == (0, 0, 0)
    assert exporter.calls() == 0


@pytest.mark.parametrize("headers", [JSON, NDJSON, {}], ids=repr)
def test_an_empty_body_is_400(standing, headers):
    standing.post(b"", headers).problem(400)


@pytest.mark.parametrize("body", [
    "{", "[", '{"agent_name"', "[" + encode(call()), "[" + encode(call()) + ",]", "[" + encode(call()) + "]]",
    encode(call())[:-1] + ",}", "{'agent_name':'A'}", "nonsense", "// a comment\n{}", encode(call())[:-1],
    '{"agent_name":"a\nb","provider":"p","model":"m"}', '{"a" "b"}', "[" + encode(call()) + " " + encode(call()) + "]",
    encode(call(note=Raw("[1,}"))), encode(call(note=Raw("nul"))), encode(call(note=Raw('{"a":}'))),
    encode([call(), call(note=Raw("[1 2]"))]),
    '{"agent_name":"A","provider":"p","model":"m","note":"' + r"\x41" + '"}',
], ids=repr)
def test_what_is_not_json_is_400_and_nothing_is_applied(exporter, body):
    exporter.post(body).problem(400)
    assert exporter.calls() == 0


@pytest.mark.parametrize("body", [
    encode(call()) + "}", encode(call()) + "trailing", "5", '"text"', "null", "true", encode(call()) + encode(call())],
    ids=repr)
def test_what_is_neither_object_nor_array_is_refused_whole(exporter, body):
    assert exporter.post(body).status in (400, 422)
    assert exporter.calls() == 0


@pytest.mark.parametrize("bad", [b"\xff", b"\xc3", b"\xc0\x80", b"\xed\xa0\x80", b"\xf4\x90\x80\x80", b"\xe2\x28\xa1"])
@pytest.mark.parametrize("field", ["agent_name", "note"])
def test_what_is_not_utf_8_is_400(exporter, bad, field):
    body = encode(call(**{field: "MARK"})).encode().replace(b"MARK", b"a" + bad + b"z")
    exporter.post(body).problem(400)
    assert exporter.calls() == 0


@pytest.mark.parametrize("body", [encode(call()), encode([call()]), f"{encode(call())}\n{encode(call())}\n"])
@pytest.mark.parametrize("headers", [JSON, NDJSON], ids=["json", "ndjson"])
def test_a_byte_order_mark_is_400(exporter, body, headers):
    exporter.post("\ufeff" + body, headers).problem(400)
    assert exporter.calls() == 0


def test_a_line_that_is_not_utf_8_spoils_only_itself(exporter):
    body = ndjson([call(agent_name="A")]) + b'{"agent_name":"\xff","provider":"p","model":"m"}\n' + ndjson(
        [call(agent_name="B")])
    reply = exporter.post(body, NDJSON)
    assert reply.outcome() == (2, 0, 1)
    assert (reply.json["errors"][0]["index"], reply.json["errors"][0]["code"]) == (1, "malformed_json")


@pytest.mark.parametrize("nested", ["[" * 100_000, "[" * 100_000 + "]" * 100_000, '{"a":' * 100_000,
                                    '{"a":' * 50_000 + "1" + "}" * 50_000], ids=["[", "[]", "{", "{}"])
@pytest.mark.parametrize("place", ["body", "field", "line"])
def test_the_program_lives_through_deep_nesting_and_takes_what_is_json(standing, nested, place):
    before = standing.calls()
    if place == "line":
        reply = standing.post(encode(call(agent_name="Deep", note=Raw(nested))) + "\n", NDJSON)
    else:
        reply = standing.post(nested if place == "body" else encode(call(note=Raw(nested))))
    is_record = place != "body" and nested.endswith(("]", "}"))
    if is_record:
        assert reply.outcome() == (1, 0, 0)
    else:
        assert reply.status in (400, 422), reply
    assert standing.calls() == before + is_record
    assert standing.get("/-/healthy").status == 200


def test_a_batch_of_many_records_is_taken_whole(exporter):
    records = [call(agent_name=f"agent-{n % 7}", input_tokens=n) for n in range(20_000)]
    assert exporter.post(records).outcome() == (20_000, 0, 0)
    assert exporter.post_lines(records).outcome() == (20_000, 0, 0)
    assert exporter.scrape().total("llm_tokens_total") == 2 * sum(range(20_000))


@pytest.mark.alone
@pytest.mark.heavy
@pytest.mark.parametrize("path", ["/record", "/litellm"])
def test_millions_of_faults_hold_up_nobody_for_long(exporter, path):
    count = 11_000_000
    body = gzip.compress(b"{}\n" * count, 9)
    assert len(body) < 64 << 10
    watch = Stopwatch()
    reply = exporter.post(body, {**NDJSON, "Content-Encoding": "gzip"}, path=path)
    assert reply.json["rejected"] == count and len(reply.json["errors"]) == 100
    # Messages for all of them, where a hundred are told, take ten seconds and more.
    watch.assert_within(6)


# Content types

@pytest.mark.parametrize("content_type", [
    None, "application/json", "application/json; charset=utf-8", "application/json;charset=UTF-8",
    'application/json ; profile="a;b"', "APPLICATION/JSON", "application/vnd.acme.call+json",
    "application/cloudevents+json; charset=utf-8", "application/x-ndjson", "application/x-ndjson; charset=utf-8",
    "application/jsonl", "Application/JSONL",
])
def test_content_types_that_are_taken(standing, content_type):
    assert standing.post(call(), {"Content-Type": content_type} if content_type else {}).outcome() == (1, 0, 0)


@pytest.mark.parametrize("content_type", [
    "application/x-www-form-urlencoded", "text/plain", "text/json", "multipart/form-data; boundary=x",
    "application/xml", "application/jsonp", "application/json-seq", "application/octet-stream", "json", "text/x+json",
])
def test_other_content_types_are_415_and_say_what_curl_lacks(standing, content_type):
    before = standing.calls()
    told = standing.post(call(), {"Content-Type": content_type}).problem(415)
    assert "add -H 'Content-Type: application/json'" in told["detail"]
    assert standing.calls() == before


# Encodings

@pytest.mark.concurrency
@pytest.mark.parametrize("name, pack", [
    ("gzip", gzip.compress), ("GZIP", gzip.compress), ("x-gzip", gzip.compress), ("deflate", zlib.compress),
    ("zstd", zstd), ("zstd", zstd_stream), ("identity", bytes),
], ids=["gzip", "GZIP", "x-gzip", "deflate", "zstd", "zstd_stream", "identity"])
@pytest.mark.parametrize("count", [1, 5000])
def test_bodies_come_compressed(exporter, name, pack, count):
    records = [call(input_tokens=n) for n in range(count)]
    for shape, headers in ((encode(records).encode(), JSON), (ndjson(records), NDJSON)):
        reply = exporter.post(pack(shape), {**headers, "Content-Encoding": name})
        assert reply.outcome() == (count, 0, 0)
    assert exporter.calls() == 2 * count


def test_several_gzip_members_or_zstd_frames_are_one_body(exporter):
    first, second = ndjson([call(agent_name="A")]), ndjson([call(agent_name="B")])
    assert exporter.post(gzip.compress(first) + gzip.compress(second), {**NDJSON, "Content-Encoding": "gzip"}
                         ).outcome() == (2, 0, 0)
    assert exporter.post(zstd(first) + zstd(second), {**NDJSON, "Content-Encoding": "zstd"}).outcome() == (2, 0, 0)


@pytest.mark.parametrize("name, pack", [("gzip", gzip.compress), ("deflate", zlib.compress), ("zstd", zstd)])
@pytest.mark.parametrize("damage", ["truncated", "half", "trailing", "bitflip", "plain", "empty", "other"])
def test_badly_compressed_bodies_are_400_and_nothing_is_applied(exporter, name, pack, damage):
    plain = encode([call(agent_name=f"agent-{n}", input_tokens=n) for n in range(200)]).encode()
    packed = pack(plain)
    middle = len(packed) // 2
    body = {
        "truncated": packed[:-1], "half": packed[:middle], "trailing": packed + b"trailing",
        "bitflip": packed[:middle] + bytes([packed[middle] ^ 0x55]) + packed[middle + 1:],
        "plain": plain, "empty": b"", "other": zstd(plain) if name != "zstd" else gzip.compress(plain),
    }[damage]
    exporter.post(body, {**JSON, "Content-Encoding": name}).problem(400)
    assert exporter.calls() == 0


@pytest.mark.parametrize("encoding", ["br", "compress", "gzip, gzip", "zstd, gzip", "rot13", "gzip;q=1"])
def test_other_encodings_are_415(standing, encoding):
    before = standing.calls()
    standing.post(gzip.compress(encode(call()).encode()), {**JSON, "Content-Encoding": encoding}).problem(415)
    assert standing.calls() == before


# Lengths

def test_the_limit_itself_fits_and_one_byte_more_does_not(small):
    assert small.post(body_of(LIMIT)).outcome() == (1, 0, 0)
    small.post(body_of(LIMIT + 1)).problem(413)
    assert small.calls() == 1


@pytest.mark.heavy
def test_the_limit_is_32_mib_by_default(exporter):
    assert exporter.post(body_of(32 << 20)).outcome() == (1, 0, 0)
    exporter.post(body_of((32 << 20) + 1)).problem(413)
    assert exporter.calls() == 1


@pytest.mark.parametrize("name, pack", [("gzip", gzip.compress), ("deflate", zlib.compress), ("zstd", zstd),
                                        ("zstd", zstd_stream)], ids=["gzip", "deflate", "zstd", "zstd_stream"])
def test_the_limit_counts_what_was_compressed(small, name, pack):
    headers = {**JSON, "Content-Encoding": name}
    assert small.post(pack(body_of(LIMIT)), headers).outcome() == (1, 0, 0)
    small.post(pack(body_of(LIMIT + 1)), headers).problem(413)
    assert small.calls() == 1


def test_up_to_four_times_the_limit_is_read_before_the_413_and_the_connection_lives(small):
    with small.wire() as wire:
        wire.send(head(4 * LIMIT)).send(b"x" * (4 * LIMIT))
        wire.reply().problem(413)
        wire.send(head(len(body_of(100)))).send(body_of(100))
        assert wire.reply().outcome() == (1, 0, 0)


def test_a_declared_length_past_four_times_the_limit_is_413_at_once_and_closes(small):
    with small.wire() as wire:
        wire.send(head(4 * LIMIT + 1))
        wire.reply().problem(413)
        assert wire.is_closed_by_peer()


@pytest.mark.concurrency
def test_a_chunked_body_past_four_times_the_limit_is_cut_off(small):
    with small.wire() as wire:
        started = time.monotonic()
        try:
            wire.send(head(Transfer_Encoding="chunked"))
            for _ in range(400):
                wire.send(f"{LIMIT:x}\r\n".encode() + b"x" * LIMIT + b"\r\n")
        except ConnectionError:
            pass
        assert wire.is_closed_by_peer()
        assert time.monotonic() - started < 9, "closed by the length, not by the clock"
    assert small.calls() == 0


@pytest.mark.concurrency
def test_past_four_times_the_limit_the_connection_closes(small):
    with small.wire() as wire:
        started = time.monotonic()
        try:
            wire.send(head(400 * LIMIT))
            for _ in range(400):
                wire.send(b"x" * LIMIT)
        except ConnectionError:
            pass
        assert wire.is_closed_by_peer()
        assert time.monotonic() - started < 9, "closed by the length, not by the clock"
    assert small.calls() == 0
    assert small.get("/-/healthy").status == 200


@pytest.mark.heavy
def test_a_body_over_the_limit_that_stalls_is_closed_after_ten_seconds(small):
    with small.wire() as wire:
        started = time.monotonic()
        wire.send(head(2 * LIMIT)).send(b"x" * (LIMIT + 1000))
        assert wire.is_closed_by_peer(within=20)
        assert 5 <= time.monotonic() - started <= 15


def test_expect_100_continue_over_the_limit_is_answered_413_at_once(small):
    with small.wire() as wire:
        wire.send(head(LIMIT + 1, Expect="100-continue"))
        wire.reply().problem(413)


def test_expect_100_continue_within_the_limit_is_invited(small):
    body = encode(call()).encode()
    with small.wire() as wire:
        wire.send(head(len(body), Expect="100-continue"))
        invitation = b""
        while not invitation.endswith(b"\r\n\r\n"):
            more = wire.socket.recv(1)
            assert more, invitation
            invitation += more
        assert invitation.startswith(b"HTTP/1.1 100 ")
        wire.send(body)
        assert wire.reply().outcome() == (1, 0, 0)


def chunks(body, size):
    parts = [body[i:i + size] for i in range(0, len(body), size)]
    return b"".join(f"{len(p):x}\r\n".encode() + p + b"\r\n" for p in parts) + b"0\r\n\r\n"


@pytest.mark.parametrize("size", [1, 7, 1000, 100_000])
def test_chunked_bodies_are_put_together(small, size):
    body = encode([call(input_tokens=n) for n in range(50)]).encode()
    with small.wire() as wire:
        wire.send(head(Transfer_Encoding="chunked")).send(chunks(body, size))
        assert wire.reply().outcome() == (50, 0, 0)
    assert small.calls() == 50


def test_a_chunked_body_over_the_limit_is_413(small):
    with small.wire() as wire:
        wire.send(head(Transfer_Encoding="chunked")).send(chunks(body_of(LIMIT + 1), 5000))
        wire.reply().problem(413)
        wire.send(head(Transfer_Encoding="chunked")).send(chunks(body_of(LIMIT), 5000))
        assert wire.reply().outcome() == (1, 0, 0)


@pytest.mark.heavy
@pytest.mark.parametrize("name", ["gzip", "deflate", "zstd", "zstd_stream"])
def test_a_bomb_is_413_without_the_memory_growing_by_more_than_the_limit(start, name):
    limit_mib, bomb_mib = 8, 256
    exporter = start("--web.max-body-size", f"{limit_mib}MiB")
    packer: Any = {"gzip": lambda: zlib.compressobj(9, wbits=31), "deflate": lambda: zlib.compressobj(9),
                   "zstd": lambda: zstandard.ZstdCompressor().compressobj(size=bomb_mib << 20),
                   "zstd_stream": lambda: zstandard.ZstdCompressor().compressobj()}[name]()
    spaces = b" " * (1 << 20)
    bomb = b"".join(packer.compress(spaces) for _ in range(bomb_mib)) + packer.flush()
    assert len(bomb) < 1 << 20
    # Once through the whole path, so that what is set up only once is there.
    headers = {**JSON, "Content-Encoding": name.partition("_")[0]}
    exporter.post(call()).outcome()
    exporter.forget_memory_peak()
    before = exporter.memory_kib("VmRSS")
    for _ in range(3):
        exporter.post(bomb, headers).problem(413)
    assert exporter.memory_kib("VmHWM") - before <= (limit_mib + 4) * 1024
    assert exporter.calls() == 1


# Clients that leave

PARTS = {
    "nothing": b"",
    "request_line": b"POST /record HT",
    "headers": head(500).encode()[:-10],
    "before_body": head(500).encode(),
    "mid_body": head(500).encode() + b'{"agent_name":"Gone","provider":"p",',
    "mid_chunk": head(Transfer_Encoding="chunked").encode() + b'20\r\n{"agent_name":"Gone",',
    "between_chunks": head(Transfer_Encoding="chunked").encode() + b"1\r\n{\r\n",
    "before_invitation": head(500, Expect="100-continue").encode(),
}


def leave(wire, leaving):
    if leaving == "reset":
        wire.reset()
    elif leaving == "half_close":
        wire.socket.shutdown(socket.SHUT_WR)
    else:
        wire.socket.close()


def assert_no_trace_of_them(exporter):
    shown = exporter.scrape()
    assert not shown.find("llm_calls_total")
    assert shown.value("llm_exporter_records_accepted_total") == "0"


@pytest.mark.concurrency
@pytest.mark.parametrize("part", PARTS)
@pytest.mark.parametrize("leaving", ["close", "reset", "half_close"])
def test_a_client_that_disconnects_halfway_leaves_nothing_behind(exporter, part, leaving):
    exporter.get("/-/healthy")
    time.sleep(0.05)
    before = exporter.open_sockets()
    wires = [exporter.wire() for _ in range(20)]
    for wire in wires:
        wire.send(PARTS[part])
    eventually(lambda: exporter.open_sockets() >= before + 20, "the connections are open")
    time.sleep(0.1)
    for wire in wires:
        leave(wire, leaving)
    if leaving == "half_close" and part != "nothing":
        for wire in wires:
            assert wire.is_closed_by_peer()
    for wire in wires:
        wire.socket.close()
    eventually(lambda: exporter.open_sockets() <= before, "the connections are gone")
    assert_no_trace_of_them(exporter)


@pytest.mark.heavy
def test_all_bodies_on_their_way_together_are_bounded_and_more_is_told_to_come_later(start):
    size = 8 << 20
    exporter = start("--web.max-body-size", "8MiB")
    wires = [exporter.wire() for _ in range(8)]
    for wire in wires:
        wire.send(head(size)).send(b" " * (size - 1))
    time.sleep(0.5)
    refused = exporter.post(encode(call()) + " " * (1 << 20))
    assert refused.problem(503) and int(refused.headers["Retry-After"]) > 0
    assert exporter.calls() == 0
    for wire in wires:
        wire.reset()
    eventually(lambda: exporter.post(encode(call(id="1")) + " " * (1 << 20)).status == 200, "there is room again")
    assert exporter.calls() == 1


@pytest.mark.heavy
@pytest.mark.parametrize("separator, opening, closing, content_type", [
    (b",", b"[", b"]", "application/json"), (b"\n", b"", b"", "application/x-ndjson")], ids=["array", "ndjson"])
def test_a_body_of_nothing_but_bad_records_is_counted_in_bounded_memory(
        start, separator, opening, closing, content_type):
    limit_mib = 8
    exporter = start("--web.max-body-size", f"{limit_mib}MiB")
    exporter.post(call()).outcome()
    exporter.forget_memory_peak()
    before = exporter.memory_kib("VmRSS")
    count = (limit_mib << 20) // 3 - 1
    told = exporter.post(opening + separator.join([b"{}"] * count) + closing,
                         {"Content-Type": content_type}).problem(422)
    assert told["rejected"] == count and len(told["errors"]) == 100
    # An array is indexed before it is read, at six bytes a byte; messages of millions of records would be gigabytes.
    assert exporter.memory_kib("VmHWM") - before <= limit_mib * 10 * 1024


@pytest.mark.heavy
def test_clients_that_disconnect_as_they_send_leave_nothing_behind_for_long(exporter):
    """libmicrohttpd may read the last bytes without seeing that the stream ends there: a look once a second does."""
    exporter.get("/-/healthy")
    time.sleep(0.05)
    before = exporter.open_sockets()
    half_closed = []
    for part in PARTS.values():
        for leaving in ("close", "reset", "half_close"):
            for _ in range(10):
                wire = exporter.wire().send(part)
                leave(wire, leaving)
                if leaving == "half_close":
                    half_closed.append(wire)
    eventually(lambda: exporter.open_sockets() <= before, "the connections are gone")
    for wire in half_closed:
        assert wire.is_closed_by_peer()
        wire.socket.close()
    assert_no_trace_of_them(exporter)


@pytest.mark.concurrency
@pytest.mark.parametrize("leaving", ["close", "reset"])
def test_a_client_that_does_not_wait_for_its_answer_leaves_no_connection_behind(exporter, leaving):
    exporter.get("/-/healthy")
    time.sleep(0.05)
    before = exporter.open_sockets()
    body = encode(call(id="once")).encode()
    for _ in range(50):
        wire = exporter.wire().send(head(len(body))).send(body)
        wire.reset() if leaving == "reset" else wire.socket.close()
    eventually(lambda: exporter.open_sockets() <= before, "the connections are gone")
    # The outcome is unknown to the client; its id settles it.
    assert sum(exporter.post(call(id="once")).outcome()[:2]) == 1
    assert exporter.calls() == 1


def test_nothing_that_clients_send_is_in_the_log(exporter):
    mark = "SECRETMARK"
    exporter.post(call(agent_name=mark, id=mark, note=mark, **{mark: mark}, error_type=mark), {**JSON, "X-Mark": mark})
    exporter.post(call(agent_name=f"_{mark}"))
    exporter.post(call(status=mark, latency_ms=-1))
    exporter.post(f'{{"{mark}"')
    exporter.post(f"{mark}\n{mark}\n", NDJSON)
    exporter.post(mark, {"Content-Type": f"text/{mark}"})
    exporter.post(mark, {**JSON, "Content-Encoding": mark})
    exporter.post(call(), {**JSON, "Idempotency-Key": mark * 30})
    exporter.get(f"/{mark}?{mark}={mark}", X_Mark=mark, User_Agent=mark)
    exporter.request(mark, "/record")
    exporter.get("/metrics", Accept=mark, Accept_Encoding=mark)
    for junk in (f"{mark}\r\n\r\n", f"GET /{mark} HTTP/9.9\r\n\r\n", f"POST /{mark} HTTP/1.1\r\n{mark}\r\n\r\n",
                 f"POST /record HTTP/1.1\r\nHost: {mark}\r\nContent-Length: {mark}\r\n\r\n"):
        with exporter.wire() as wire:
            wire.send(junk).socket.shutdown(1)
            wire.is_closed_by_peer(within=0.5)
    assert exporter.get("/-/healthy").status == 200
    assert mark.lower() not in exporter.log.lower()


@pytest.mark.concurrency
@pytest.mark.parametrize("noise", [b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(range(256)),
                                   b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", b"\0" * 10_000, b"\r\n" * 1000,
                                   b"GET / HTTP/1.1\r\n" + b"X: " + b"y" * 200_000,
                                   b"GET /" + b"a" * 200_000 + b" HTTP/1.1\r\nHost: a\r\n\r\n",
                                   b"GET / HTTP/1.1\r\nHost: a\r\n" + b"A: b\r\n" * 20_000 + b"\r\n"],
                         ids=["tls", "http2", "zeros", "blank", "header", "target", "headers"])
def test_noise_does_not_stop_the_program(standing, noise):
    for _ in range(5):
        with standing.wire() as wire:
            try:
                wire.send(noise)
                wire.socket.shutdown(1)
            except OSError:
                pass
            # Some noise is the start of a request that may yet come: not closed at once.
            wire.is_closed_by_peer(within=0.2)
    assert standing.get("/-/healthy").status == 200


@pytest.mark.parametrize("member", [r'"error_message":"cut \ud83d"', r'"prompt":{"parts":["\ude00 x"]}', r'"\ud83d":1',
                                    f'"raw":{"[" * 70}{"]" * 70}', f'"raw":{"[" * 50_000}{"]" * 50_000}',
                                    '"raw":' + '{"a":' * 3000 + "1" + "}" * 3000], ids=lambda m: m[:20])
@pytest.mark.parametrize("lines", [False, True], ids=["array", "lines"])
def test_a_value_that_nobody_reads_costs_no_record(exporter, member, lines):
    """JavaScript writes half of a surrogate pair for a text that was cut at a number of UTF-16 units."""
    good = encode(call(id="q1"))
    odd = encode(call(id="q2"))[:-1] + "," + member + "}"
    body = f"{good}\n{odd}\n" if lines else f"[{good},{odd}]"
    reply = exporter.post(body, NDJSON if lines else JSON)
    assert reply.outcome() == (2, 0, 0)
    assert len(reply.json["warnings"]) == 1 and "unknown field" in reply.json["warnings"][0]


def test_half_of_a_surrogate_pair_in_a_field_costs_its_record_alone(exporter):
    reply = exporter.post('[' + encode(call(id="q1")) + r',{"agent_name":"cut \ud83d","provider":"p","model":"m"}]')
    assert reply.outcome() == (1, 0, 1)
    error = reply.first_error()
    assert (error["index"], error["field"], error["code"]) == (1, "agent_name", "invalid_format")


@pytest.mark.parametrize("body", ['{"agent_name":"t","provider":"p","model":"m"} x', "null x", '{"agent_name":"t"}]',
                                  '[{"agent_name":"t"}] []', '"a" "b"'])
def test_text_behind_the_value_is_named_as_such(exporter, body):
    assert "something follows the end of the value at byte" in exporter.post(body).problem(400)["detail"]


def test_an_unclosed_array_is_still_named_as_such(exporter):
    assert "an array or object is not closed" in exporter.post('[{"agent_name":"t"}').problem(400)["detail"]
