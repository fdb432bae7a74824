"""Starts and ends: the gauge of calls in flight."""

import gzip
import re
import threading

import pytest

from credentials import bearer, digest
from exporter import NDJSON, call, eventually, ndjson


def begin(id="call-1", agent="TestAgent", **fields):
    return {"event": "start", "agent_name": agent, "id": id, **fields}


def active(exporter, agent="TestAgent"):
    return exporter.scrape().get("llm_active_calls", agent_name=agent)


def expired(exporter, agent="TestAgent"):
    return exporter.scrape().get("llm_active_calls_expired_total", agent_name=agent)


def test_a_start_raises_the_gauge_and_its_end_lowers_it(exporter):
    assert exporter.post(begin()).outcome() == (1, 0, 0)
    assert exporter.post(begin("call-2")).outcome() == (1, 0, 0)
    assert active(exporter) == "2"
    assert exporter.calls() == 0, "a start is no call yet"
    assert exporter.post(call(id="call-1")).outcome() == (1, 0, 0)
    assert active(exporter) == "1"
    assert exporter.post(call(id="call-2", status="error")).outcome() == (1, 0, 0)
    # It stays at 0, it does not vanish.
    assert active(exporter) == "0"
    assert exporter.calls() == 2


def test_starts_are_counted_for_each_agent(exporter):
    exporter.post([begin(agent="A"), begin(agent="B"), begin("call-2", agent="B")]).outcome()
    exporter.post(call(agent_name="A", id="call-2")).outcome()
    assert (active(exporter, "A"), active(exporter, "B")) == ("1", "2")


@pytest.mark.parametrize("fields", [{}, {"model": "other"}, {"timestamp": 5}, {"note": 1}, {"provider": "p"}], ids=repr)
def test_a_repeated_start_is_a_duplicate_whatever_it_says(exporter, fields):
    assert exporter.post(begin(model="m")).outcome() == (1, 0, 0)
    assert exporter.post(begin(**fields)).outcome() == (0, 1, 0)
    assert active(exporter) == "1"


def test_a_repeated_start_after_the_end_is_a_duplicate_too(exporter):
    exporter.post(begin()).outcome()
    exporter.post(call(id="call-1")).outcome()
    assert exporter.post(begin()).outcome() == (0, 1, 0)
    assert active(exporter) == "0"


def test_a_start_whose_call_has_already_ended_changes_nothing(exporter):
    assert exporter.post(call(id="call-1")).outcome() == (1, 0, 0)
    accepted, duplicates, bad = exporter.post(begin()).outcome()
    assert (accepted + duplicates, bad) == (1, 0)
    assert active(exporter) in (None, "0")
    assert exporter.post(call(id="call-1")).outcome() == (0, 1, 0)
    assert exporter.calls() == 1


@pytest.mark.parametrize("order", [["start", "end"], ["end", "start"]], ids="_".join)
def test_start_and_end_may_share_a_body(exporter, order):
    records = {"start": begin(), "end": call(id="call-1")}
    accepted, _, bad = exporter.post([records[event] for event in order]).outcome()
    assert accepted >= 1 and bad == 0
    assert active(exporter) in (("0",) if order[0] == "start" else (None, "0"))
    assert exporter.calls() == 1


def test_an_end_without_a_start_lowers_nothing(exporter):
    exporter.post(begin()).outcome()
    exporter.post([call(id="call-9"), call()]).outcome()
    assert active(exporter) == "1"


def test_a_rejected_end_lowers_nothing(exporter):
    exporter.post(begin()).outcome()
    assert exporter.post(call(id="call-1", latency_ms=-1)).status == 422
    assert active(exporter) == "1"
    exporter.post(call(id="call-1", latency_ms=1)).outcome()
    assert active(exporter) == "0"


def test_a_duplicate_end_lowers_once(exporter):
    exporter.post([begin(), begin("call-2")]).outcome()
    for _ in range(3):
        exporter.post(call(id="call-1")).outcome()
    assert active(exporter) == "1"


def test_an_idempotency_key_joins_start_and_end(exporter):
    exporter.post(begin("K/0")).outcome()
    exporter.post(call(), {"Content-Type": "application/json", "Idempotency-Key": "K"}).outcome()
    assert active(exporter) == "0"


@pytest.mark.concurrency
def test_an_expired_lease_lowers_the_gauge_and_is_counted(start):
    exporter = start("--active-calls.lease", "2s")
    exporter.post([begin("call-1"), begin("call-2")]).outcome()
    assert active(exporter) == "2"
    exporter.post(call(id="call-2")).outcome()
    eventually(lambda: active(exporter) == "0", "the lease ends")
    assert expired(exporter) == "1"
    # An end after its lease counts the call and lowers nothing.
    exporter.post(begin("call-3")).outcome()
    assert exporter.post(call(id="call-1")).outcome() == (1, 0, 0)
    assert active(exporter) == "1"
    assert exporter.calls() == 2
    eventually(lambda: expired(exporter) == "2", "the other lease ends")
    assert active(exporter) == "0"


def test_a_repeated_start_after_its_lease_changes_nothing(start):
    exporter = start("--active-calls.lease", "2s")
    exporter.post(begin()).outcome()
    eventually(lambda: expired(exporter) == "1", "the lease ends")
    assert exporter.post(begin()).outcome() == (0, 1, 0)
    assert active(exporter) == "0"


def test_an_agent_known_by_starts_only_has_no_other_series(exporter):
    exporter.post(begin()).outcome()
    names = {s.name for s in exporter.scrape().samples if "TestAgent" in s.labels.values()}
    assert names <= {"llm_active_calls", "llm_active_calls_expired_total"}
    assert "TestAgent" not in exporter.summary()["agents"] or exporter.summary()["agents"]["TestAgent"]["calls"] == 0


@pytest.mark.concurrency
def test_starts_and_ends_from_many_threads_balance(exporter):
    def working(agent):
        for n in range(40):
            exporter.post(begin(f"{n}", agent)).outcome()
            exporter.post(call(agent_name=agent, id=f"{n}")).outcome()

    threads = [threading.Thread(target=working, args=(f"agent-{n}",)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert {s.value for s in exporter.scrape().find("llm_active_calls")} == {"0"}
    assert exporter.calls() == 320


def test_a_start_whose_call_has_ended_changes_nothing_of_an_agent_without_starts(exporter):
    exporter.post(call(agent_name="A", id="1")).outcome()
    assert exporter.post({"event": "start", "agent_name": "A", "id": "1"}).outcome() == (1, 0, 0)
    assert not exporter.scrape().find("llm_active_calls")


LIMIT = 100_000


def flood(exporter, agent, first, count):
    starts = b"".join(b'{"agent_name":"%s","event":"start","id":"%d"}\n' % (agent, first + n) for n in range(count))
    return exporter.post(gzip.compress(starts, 1), {**NDJSON, "Content-Encoding": "gzip"})


def post_from(exporter, address, records):
    return exporter.request("POST", "/record", ndjson(records), NDJSON, source=address)


@pytest.mark.heavy
def test_a_flood_of_starts_keeps_nobody_out_and_expires_its_own(exporter):
    assert post_from(exporter, "127.0.0.9", [begin("early", "victim")]).outcome() == (1, 0, 0)
    assert flood(exporter, b"evil", 0, LIMIT).outcome() == (LIMIT, 0, 0)
    both = [begin("late", "victim"), *(call(agent_name="victim", id=f"e{n}") for n in range(10))]
    assert post_from(exporter, "127.0.0.9", both).outcome() == (11, 0, 0)
    assert flood(exporter, b"evil", LIMIT, 500).outcome() == (500, 0, 0)
    assert active(exporter, "victim") == "2"
    assert expired(exporter, "victim") in (None, "0")
    assert active(exporter, "evil") == str(LIMIT - 2)
    assert expired(exporter, "evil") == "502"
    # Calls that have expired count all the same.
    ends = [call(agent_name="victim", id="early"), call(agent_name="evil", id="0")]
    assert exporter.post(ends).outcome() == (2, 0, 0)
    assert (active(exporter, "victim"), active(exporter, "evil")) == ("1", str(LIMIT - 2))


@pytest.mark.heavy
def test_senders_of_one_address_are_told_apart_by_user_and_token(start, tmp_path):
    file = tmp_path / "web.yml"
    file.write_text("bearer_tokens:\n" + "".join(
        f"  - {{name: {name}, scopes: [record, scrape], sha256: {digest(name)}}}\n" for name in ("evil", "victim")))
    exporter = start("--web.config.file", str(file))

    def post(sender, records):
        return exporter.post(ndjson(records), {**NDJSON, **bearer(sender)}).outcome()

    def gauge(agent):
        text = exporter.request("GET", "/metrics", headers=bearer("victim")).body.decode()
        return re.findall(rf'^llm_active_calls{{agent_name="{agent}"}} (\d+)$', text, re.MULTILINE)

    assert post("victim", [begin("early", "victim")]) == (1, 0, 0)
    assert post("evil", [begin(str(n), "evil") for n in range(LIMIT)]) == (LIMIT, 0, 0)
    assert (gauge("victim"), gauge("evil")) == (["1"], [str(LIMIT - 1)])
    # The same agent name does not hide behind another's starts.
    assert post("evil", [begin(f"v{n}", "victim") for n in range(3)]) == (3, 0, 0)
    assert (gauge("victim"), gauge("evil")) == (["4"], [str(LIMIT - 4)])


@pytest.mark.heavy
def test_the_sender_of_a_start_outlives_a_restart(start, tmp_path):
    exporter = start(storage=tmp_path / "state")
    assert post_from(exporter, "127.0.0.9", [begin("early", "victim")]).outcome() == (1, 0, 0)
    assert flood(exporter, b"evil", 0, LIMIT - 1).outcome() == (LIMIT - 1, 0, 0)
    exporter.kill()
    exporter = start(storage=tmp_path / "state")
    assert active(exporter, "victim") == "1"
    assert flood(exporter, b"evil", LIMIT, 5).outcome() == (5, 0, 0)
    assert (active(exporter, "victim"), active(exporter, "evil")) == ("1", str(LIMIT - 1))
    assert expired(exporter, "evil") == "5"
