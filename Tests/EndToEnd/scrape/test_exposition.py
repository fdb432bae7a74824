"""What a scrape gets: formats, encodings, families, numbers and labels."""

import gzip
import re
import subprocess
import threading
import time
from decimal import Decimal
from pathlib import Path

import pytest
import zstandard
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_openmetrics
from prometheus_client.parser import text_string_to_metric_families as parse_text

from exporter import FIXTURES, OPENMETRICS, Raw, call, eventually
from exposition import Exposition
from families import FAMILIES, OF_CALLS

#: As Prometheus 2.42 and 3 send them.
PROMETHEUS_2 = ("application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,"
                "text/plain;version=0.0.4;q=0.5,*/*;q=0.1")
PROMETHEUS_3 = ("application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,"
                "application/openmetrics-text;version=0.0.1;q=0.5,text/plain;version=1.0.0;escaping=allow-utf-8;q=0.4,"
                "text/plain;version=0.0.4;q=0.3,*/*;q=0.2")

HOSTILE = [
    'quote " quote', 'back \\ slash', '\\"', '\\\\n', '\\n', 'a\\', '"', '{}', 'a="b",c', 'a,b', '# HELP x y', "a # b",
    "e\u0301 and \u00e9", "\u0301", "🐙", "\U0001f469\u200d\U0001f469\u200d\U0001f467", "\u202eright to left",
    "\u2028\u2029", "\ufeffbom", "\u200b", "漢字", "\u0640\u0640", "\U0010ffff", "\ufffd", "\uffff", "NaN", "+Inf",
    "1e5", "%s%n", "$(id)", "<b>&amp;</b>", "a\u00a0b", "z" * 256, "🐙" * 64,
]

MATRIX = [("text", None), ("openmetrics", OPENMETRICS)]


def full(**fields):
    return call(**{**dict(input_tokens=100, cache_read_tokens=10, cache_write_tokens=5, output_tokens=50,
                          reasoning_tokens=20, cost_usd=Decimal("0.25"), latency_ms=1234, api_latency_ms=1000,
                          memory_rss_mb=256.5, memory_available_mb=1024, trace_id="abc123"), **fields})


def states():
    """Bodies that lead an exporter into as many corners as there are."""
    return {
        "nothing": [],
        "one_call": [full()],
        "only_required_fields": [call()],
        "errors": [full(status="error"), full(status="timeout", error_type="a:b.c-d")],
        "starts": [{"event": "start", "agent_name": "S", "id": "1"}],
        "hostile_labels": [full(agent_name=a, provider=b, model=c) for a, b, c in
                           zip(HOSTILE, HOSTILE[1:] + HOSTILE[:1], HOSTILE[2:] + HOSTILE[:2], strict=True)],
        "large_numbers": 100 * [
            call(input_tokens=Raw("1e12"), output_tokens=Raw("1e12"), cost_usd=Raw("1e6"), latency_ms=Raw("864e5"),
                 memory_rss_mb=Raw("1e9"), memory_available_mb=Raw("999999999.9"))],
        "small_numbers": [call(cost_usd=Raw("1e-12"), latency_ms=Raw("0.001"), api_latency_ms=0, input_tokens=0,
                               memory_rss_mb=Raw("1e-7"), memory_available_mb=0)],
        "many_series": [full(agent_name=f"agent-{n % 50}", model=f"m-{n % 7}", trace_id=f"{n:x}") for n in range(1000)],
        "rejections": [call(latency_ms=-1), 5, call(model="")],
    }


# Formats

@pytest.mark.parametrize("accept", [
    None, "*/*", "text/plain", "text/*", "text/plain;version=0.0.4", "text/plain;version=0.0.4;q=0.5,*/*;q=0.1",
    "text/html,application/xhtml+xml,*/*;q=0.8", "text/plain;q=1, application/openmetrics-text;q=0.5",
    "application/openmetrics-text;q=0", "application/openmetrics-text;version=1.0.0;q=0, */*", "application/json",
    "", "nonsense", ";;;,,,q=", "text/plain; q=0.001",
])
def test_text_is_the_default(standing, accept):
    reply = standing.request("GET", "/metrics", headers={} if accept is None else {"Accept": accept})
    assert reply.status == 200
    assert reply.headers["Content-Type"].replace(" ", "").startswith("text/plain;version=0.0.4")
    assert not Exposition(reply.body).ended


@pytest.mark.parametrize("accept", [
    PROMETHEUS_2, PROMETHEUS_3, OPENMETRICS, "application/openmetrics-text",
    "application/openmetrics-text; version=1.0.0; charset=utf-8", "APPLICATION/OpenMetrics-Text",
    "text/plain;q=0.5, application/openmetrics-text;q=0.9", "application/openmetrics-text, text/plain",
    "text/plain;q=0.5,application/openmetrics-text",
    "application/openmetrics-text;q=0.2,*/*;q=0.1", "text/plain;q=0, application/openmetrics-text;q=0.001",
])
def test_openmetrics_is_given_to_those_who_prefer_it(standing, accept):
    reply = standing.get("/metrics", Accept=accept)
    assert reply.status == 200
    assert reply.headers["Content-Type"].replace(" ", "").startswith("application/openmetrics-text;version=1.0.0")
    assert "charset=utf-8" in reply.headers["Content-Type"]
    assert Exposition(reply.body).ended
    assert reply.body.endswith(b"\n# EOF\n")


@pytest.mark.parametrize("accepted, given", [
    (None, None), ("gzip", "gzip"), ("zstd", "zstd"), ("identity", None), ("br", None), ("gzip;q=0", None),
    ("gzip;q=0, zstd;q=0", None), ("gzip;q=0, zstd", "zstd"), ("zstd;q=0, gzip;q=0.1", "gzip"), ("GZIP", "gzip"),
    ("gzip;q=0.5, br", "gzip"), ("deflate, br", None), ("*;q=0", None), ("gzip, *;q=0", "gzip"), ("", None),
    ("gzip;q=0.000", None),
])
@pytest.mark.parametrize("accept", [None, OPENMETRICS])
def test_compression_is_used_only_when_accepted(standing, accepted, given, accept):
    standing.post(full())
    headers = {} if accepted is None else {"Accept-Encoding": accepted}
    headers |= {"Accept": accept} if accept else {}
    # http.client sends "Accept-Encoding: identity" of its own, so the bare request goes over the wire.
    with standing.wire() as wire:
        fields = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        wire.send(f"GET /metrics HTTP/1.1\r\nHost: a\r\n{fields}\r\n")
        reply = wire.reply("GET")
    assert reply.status == 200
    assert reply.headers.get("Content-Encoding") == given
    body = {None: bytes, "gzip": gzip.decompress,
            "zstd": lambda b: zstandard.ZstdDecompressor().decompressobj().decompress(b)}[given](reply.body)
    shown = Exposition(body)
    assert shown.ended == bool(accept)
    assert shown.families.keys() == standing.scrape(accept).families.keys()
    assert "accept-encoding" in reply.headers.get("Vary", "accept-encoding").lower()


def test_gzip_and_zstd_are_both_fine_when_both_are_accepted(standing):
    assert standing.get("/metrics", Accept_Encoding="gzip, zstd").headers["Content-Encoding"] in ("gzip", "zstd")
    assert standing.get("/metrics", Accept_Encoding="zstd;q=0.1, gzip;q=0.9").headers["Content-Encoding"] == "gzip"
    assert standing.get("/metrics", Accept_Encoding="zstd;q=0.9, gzip;q=0.1").headers["Content-Encoding"] == "zstd"


@pytest.mark.parametrize("format, accept", MATRIX)
def test_head_tells_the_type_of_its_get(standing, format, accept):
    headers = {"Accept": accept} if accept else {}
    reply = standing.request("HEAD", "/metrics", headers=headers)
    assert (reply.status, reply.body) == (200, b"")
    assert reply.headers["Content-Type"] == standing.request("GET", "/metrics", headers=headers).headers["Content-Type"]
    assert int(reply.headers["Content-Length"]) > 1000


# Families

@pytest.mark.parametrize("format, accept", MATRIX)
def test_every_family_has_help_and_type_before_any_record(exporter, format, accept):
    shown = exporter.scrape(accept)
    for name, documented in FAMILIES.items():
        described = shown.families.get(name) or shown.families.get(name.removesuffix("_total"))
        assert described, name
        assert described.type == documented.type, described
        assert described.help, name
    for name in OF_CALLS:
        assert not shown.find(name), f"{name} has no series yet"


def test_the_families_of_calls_come_first_in_the_order_of_the_reference(exporter):
    assert list(exporter.scrape().families)[:len(OF_CALLS)] == list(OF_CALLS)


@pytest.mark.parametrize("family, labels", [
    ("llm_calls_total", {"agent_name", "provider", "model", "status"}),
    ("llm_tokens_total", {"agent_name", "provider", "model"}),
    ("llm_cost_usd_total", {"agent_name", "provider", "model"}),
    ("llm_memory_rss_mb", {"agent_name"}), ("llm_memory_available_mb", set()), ("llm_active_calls", {"agent_name"}),
    ("llm_latency_seconds_bucket", {"agent_name", "provider", "model", "le"}),
    ("llm_latency_seconds_sum", {"agent_name", "provider", "model"}),
    ("llm_latency_seconds_count", {"agent_name", "provider", "model"}),
    ("llm_api_latency_seconds_bucket", {"agent_name", "provider", "le"}),
    ("llm_api_latency_seconds_sum", {"agent_name", "provider"}),
    ("llm_api_latency_seconds_count", {"agent_name", "provider"}),
    ("llm_input_tokens_last_call", {"agent_name", "provider", "model"}),
    ("llm_output_tokens_last_call", {"agent_name", "provider", "model"}),
    ("llm_token_usage_total", {"agent_name", "provider", "model", "token_type"}),
    ("llm_calls_unpriced_total", {"provider", "model"}),
    ("llm_calls_usage_missing_total", {"agent_name", "provider", "model"}),
    ("llm_errors_total", {"agent_name", "provider", "model", "error_type"}),
])
def test_families_have_exactly_their_labels(exporter, family, labels):
    exporter.post([full(), full(status="error"), {"event": "start", "agent_name": "TestAgent", "id": "1"}]).outcome()
    found = exporter.scrape().find(family)
    assert found
    assert {frozenset(s.labels) for s in found} == {frozenset(labels)}


def test_a_new_set_shows_success_and_error_from_its_first_scrape(exporter):
    exporter.post(call(status="timeout")).outcome()
    found = {s.labels["status"]: s.value for s in exporter.scrape().find("llm_calls_total")}
    assert found == {"success": "0", "error": "0", "timeout": "1"}


def test_series_that_exist_from_a_sets_first_record(exporter):
    exporter.post(full()).outcome()
    shown = exporter.scrape()
    of_set = {"agent_name": "TestAgent", "provider": "acme", "model": "parrot-1"}
    assert shown.value("llm_calls_usage_missing_total", **of_set) == "0"
    assert shown.value("llm_calls_unpriced_total", provider="acme", model="parrot-1") == "0"
    exporter.post(call(model="bare")).outcome()
    shown = exporter.scrape()
    of_bare = {**of_set, "model": "bare"}
    assert shown.value("llm_tokens_total", **of_bare) == "0"
    for family in ("llm_cost_usd_total", "llm_latency_seconds_count", "llm_input_tokens_last_call",
                   "llm_output_tokens_last_call", "llm_token_usage_total", "llm_errors_total"):
        assert not shown.find(family, model="bare"), family


@pytest.mark.parametrize("format, accept", MATRIX)
def test_the_order_is_stable(exporter, format, accept):
    exporter.post([full(agent_name=f"agent-{n * 7 % 20}", model=f"m-{n % 3}",
                        status=("error", "success", "timeout")[n % 3]) for n in range(100)]).outcome()

    def order():
        return [(s.name, *s.labels.items()) for s in exporter.scrape(accept).samples if s.name.startswith("llm_")
                and not s.name.startswith("llm_exporter_")]

    first = order()
    exporter.post([full(agent_name="agent-3", model="m-1", latency_ms=9000, trace_id="fff")]).outcome()
    assert order() == first
    exporter.post(full(agent_name="a new one", model="m-1")).outcome()
    assert [line for line in order() if ("agent_name", "a new one") not in line] == first


# Numbers

def test_counters_are_plain_decimals_however_large_or_small(exporter):
    exporter.post([call(input_tokens=Raw("1e12"), cost_usd=Raw("1e6"), latency_ms=Raw("864e5"))] * 1000).outcome()
    shown = exporter.scrape()
    of_set = {"agent_name": "TestAgent", "provider": "acme", "model": "parrot-1"}
    assert shown.value("llm_tokens_total", **of_set) == "1000000000000000"
    assert shown.value("llm_cost_usd_total", **of_set) == "1000000000"
    assert shown.value("llm_latency_seconds_sum", **of_set) == "86400000"
    assert shown.value("llm_latency_seconds_count", **of_set) == "1000"
    assert shown.value("llm_token_usage_total", **of_set, token_type="input") == "1000000000000000"
    exporter.post(call(model="small", cost_usd=Raw("1e-12"), latency_ms=Raw("1e-3"))).outcome()
    shown = exporter.scrape()
    assert shown.value("llm_cost_usd_total", **{**of_set, "model": "small"}) == "0.000000000001"
    assert shown.value("llm_latency_seconds_sum", **{**of_set, "model": "small"}) == "0.000001"


@pytest.mark.parametrize("format, accept", MATRIX)
@pytest.mark.parametrize("state", states())
def test_counters_sums_and_counts_never_have_an_exponent_or_trailing_zeros(exporter, format, accept, state):
    exporter.post(states()[state])
    for family in exporter.scrape(accept).families.values():
        for sample in family.samples:
            if family.type == "counter" or sample.name.endswith(("_bucket", "_sum", "_count")):
                if sample.name.startswith(("process_", "llm_exporter_http_request_duration",
                                           "llm_exporter_commit_duration")):
                    assert "e" not in sample.value.lower(), sample
                    continue
                assert sample.value == format_plain(Decimal(sample.value)), sample


def format_plain(value):
    text = f"{value:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


@pytest.mark.parametrize("format, accept", MATRIX)
def test_buckets_are_cumulative_and_end_in_the_count(exporter, format, accept):
    latencies = [0, 50, 100, 101, 500, 700, 1000, 2500, 2501, 5000, 9999, 10000, 10001, 86_400_000]
    exporter.post([call(latency_ms=ms, api_latency_ms=ms) for ms in latencies]).outcome()
    shown = exporter.scrape(accept)
    for family in ("llm_latency_seconds", "llm_api_latency_seconds"):
        buckets = [(s.labels["le"], int(s.value)) for s in shown.find(f"{family}_bucket")]
        assert buckets == [(le, sum(ms <= float(le) * 1000 for ms in latencies))
                           for le in ("0.1", "0.5", "1.0", "2.5", "5.0", "10.0", "+Inf")]
        assert shown.total(f"{family}_count") == len(latencies)
        assert shown.total(f"{family}_sum") == Decimal(sum(latencies)) / 1000


@pytest.mark.parametrize("flag, shown", [
    ("0.1,0.5,1,2.5,5,10", ["0.1", "0.5", "1.0", "2.5", "5.0", "10.0", "+Inf"]),
    ("1", ["1.0", "+Inf"]), ("0.001,1,60,3600", ["0.001", "1.0", "60.0", "3600.0", "+Inf"]),
    ("1.0,2.50", ["1.0", "2.5", "+Inf"]),
])
@pytest.mark.parametrize("format, accept", MATRIX)
def test_bounds_are_those_of_the_flag_and_always_have_a_point(start, flag, shown, format, accept):
    exporter = start("--histogram.buckets", flag)
    exporter.post(call(latency_ms=1000, api_latency_ms=1000)).outcome()
    for family in ("llm_latency_seconds_bucket", "llm_api_latency_seconds_bucket"):
        assert [s.labels["le"] for s in exporter.scrape(accept).find(family)] == shown


@pytest.mark.parametrize("sent", ["0", "300", "300.0", "0.1", "1e-7", "256.5", "1e9", "123456789.125", "1e-300",
                                  "0.30000000000000004", "5e-324"])
def test_gauges_read_back_as_what_was_sent(exporter, sent):
    exporter.post(call(memory_rss_mb=Raw(sent))).outcome()
    text = exporter.scrape().value("llm_memory_rss_mb", agent_name="TestAgent")
    assert float(text) == float(sent)
    # As short as can be: no other text of fewer digits reads back the same.
    digits = text.lower().partition("e")[0].replace(".", "").strip("0")
    assert len(digits) <= len(repr(float(sent)).partition("e")[0].replace(".", "").strip("0"))


# Labels

@pytest.mark.parametrize("format, accept", MATRIX)
def test_hostile_label_values_come_out_byte_for_byte(exporter, format, accept):
    exporter.post([call(agent_name=a, provider=a, model=a, latency_ms=1, trace_id="ab") for a in HOSTILE]).outcome()
    shown = exporter.scrape(accept)
    for family in ("llm_calls_total", "llm_latency_seconds_bucket"):
        for label in ("agent_name", "provider", "model"):
            assert {s.labels[label].encode() for s in shown.find(family)} == {value.encode() for value in HOSTILE}
    told = exporter.summary()
    assert told["agents"].keys() == set(HOSTILE)
    assert told["models"].keys() == {f"{value}/{value}" for value in HOSTILE}


@pytest.mark.parametrize("state", states())
def test_the_strict_openmetrics_parser_reads_every_state(exporter, state):
    exporter.post(states()[state])
    ours = exporter.openmetrics()
    theirs = {(s.name, frozenset(s.labels.items())): s.value
              for family in parse_openmetrics(ours.text) for s in family.samples}
    assert theirs.keys() == {(s.name, frozenset(s.labels.items())) for s in ours.samples}
    for sample in ours.samples:
        assert theirs[sample.name, frozenset(sample.labels.items())] == float(sample.value)


@pytest.mark.parametrize("state", states())
def test_the_text_parser_reads_every_state(exporter, state):
    exporter.post(states()[state])
    ours = exporter.scrape()
    theirs = {(s.name, frozenset(s.labels.items())) for family in parse_text(ours.text) for s in family.samples}
    assert theirs == {(s.name, frozenset(s.labels.items())) for s in ours.samples}


@pytest.mark.parametrize("state", states())
def test_both_formats_tell_the_same(exporter, state):
    exporter.post(states()[state])

    def told(accept):
        return [(s.name, s.labels, s.value) for s in exporter.scrape(accept).samples
                if s.name.startswith("llm_") and not s.name.startswith("llm_exporter_")]

    assert told(None) == told(OPENMETRICS)


@pytest.mark.parametrize("state", states())
def test_promtool_complains_of_the_two_given_names_only(exporter, state):
    exporter.post(states()[state])
    done = subprocess.run(["promtool", "check", "metrics"], input=exporter.scrape().text, capture_output=True,
                          text=True, timeout=30)
    said = [line for line in (done.stdout + done.stderr).splitlines() if line.strip()]
    others = [line for line in said if not (line.startswith(("llm_memory_rss_mb ", "llm_memory_available_mb "))
                                            and "abbreviated unit" in line)]
    assert not others, others
    assert done.returncode in (0, 3)


# The whole

GOLDEN_RECORDS = [
    {"event": "start", "agent_name": "CodesmithAgent", "id": "open"},
    dict(agent_name="CodesmithAgent", provider="anthropic", model="claude \"x\"", status="success", input_tokens=1000,
         cache_read_tokens=300, cache_write_tokens=200, output_tokens=400, reasoning_tokens=150,
         cost_usd=Raw("0.0105"), latency_ms=Raw("2500"), api_latency_ms=Raw("2400.5"), memory_rss_mb=Raw("256.5"),
         memory_available_mb=Raw("2048.25"), trace_id="4bf92f3577b34da6a3ce929d0e0e4736", id="open"),
    dict(agent_name="CodesmithAgent", provider="anthropic", model="claude \"x\"", status="timeout", input_tokens=1200,
         latency_ms=10_001),
    dict(agent_name="ReviewerGPT", provider="openai", model="gpt\\4o", input_tokens=100, cache_read_tokens=0,
         cache_write_tokens=0, output_tokens=436, reasoning_tokens=0,
         cost_usd=Raw("0.0002766"), latency_ms=150, api_latency_ms=140, memory_rss_mb=Raw("300.75")),
    dict(agent_name="ReviewerGPT", provider="openai", model="gpt\\4o", status="error", error_type="http:500",
         memory_available_mb=Raw("1024.5")),
    {"event": "start", "agent_name": "ReviewerGPT", "id": "r-1"},
]


def test_the_golden_exposition(exporter):
    """The `llm_` families of one day, whole; `llm_exporter_*` and `process_*` differ from run to run.

    Those of budgets come after them, and are empty here.
    """
    for one in GOLDEN_RECORDS:
        assert exporter.post(one).outcome() == (1, 0, 0)
    lines = exporter.scrape().text.splitlines(keepends=True)
    ours = [line for line in lines
            if re.match(r"(# HELP |# TYPE )?llm_(?!exporter_|budget_)", line)]
    assert "".join(ours) == (FIXTURES / "exposition.golden.txt").read_text()


# The exporter's own

@pytest.mark.concurrency
def test_the_exporters_own_metrics(exporter):
    exporter.post([call(id="1"), call(id="1"), call(latency_ms=-1), call(a=1, b=2)]).outcome()
    exporter.scrape()
    # The count of a request may follow its answer.
    shown = eventually(lambda: (now := exporter.scrape()).find("llm_exporter_http_requests_total", route="/metrics")
                       and now, "the scrape is counted")
    [build] = shown.find("llm_exporter_build_info")
    assert float(build.value) == 1 and build.labels["version"] and "revision" in build.labels
    assert shown.value("llm_exporter_http_requests_total", route="/record", code="200") == "1"
    assert shown.value("llm_exporter_records_accepted_total") == "2"
    assert shown.value("llm_exporter_records_duplicate_total") == "1"
    assert shown.total("llm_exporter_records_rejected_total", reason="out_of_range") == 1
    assert shown.total("llm_exporter_records_rejected_total") == 1
    assert shown.value("llm_exporter_overflow_records_total") == "0"
    assert shown.total("llm_exporter_unknown_fields_total") == 2
    assert shown.value("llm_exporter_series") == "1"
    assert shown.value("llm_exporter_series_limit") == "10000"
    assert shown.value("llm_exporter_storage_durable") == "0"
    assert shown.value("llm_exporter_dedup_window_seconds") == "86400"
    assert shown.total("llm_exporter_commit_duration_seconds_count") >= 1
    assert shown.total("llm_exporter_http_request_duration_seconds_count") >= 2


def test_process_metrics_tell_the_truth(exporter):
    wires = [exporter.wire() for _ in range(10)]
    for wire in wires:
        wire.send("GET /-/healthy HTTP/1.1\r\nHost: a\r\n\r\n").reply("GET")
    shown = exporter.scrape()

    def number(name):
        return float(shown.value(name))

    assert abs(number("process_resident_memory_bytes") / 1024 - exporter.memory_kib("VmRSS")) < 20 * 1024
    assert abs(number("process_virtual_memory_bytes") / 1024 - exporter.memory_kib("VmSize")) < 300 * 1024
    assert abs(number("process_open_fds") - exporter.open_files()) <= 3
    limits = Path(f"/proc/{exporter.pid}/limits").read_text()
    soft = next(line for line in limits.splitlines() if line.startswith("Max open files")).split()[3]
    assert number("process_max_fds") == float(soft)
    assert time.time() - 60 < number("process_start_time_seconds") <= time.time() + 1
    assert 0 <= number("process_cpu_seconds_total") < 60
    for wire in wires:
        wire.socket.close()


def test_series_are_counted(exporter):
    exporter.post([full(agent_name=f"agent-{n}") for n in range(5)]).outcome()
    assert exporter.scrape().value("llm_exporter_series") == "5"


@pytest.mark.concurrency
def test_scrapes_at_once_see_what_was_acknowledged_before_each_in_its_own_form(exporter):
    """Those that come while one is rendered share the next."""
    forms = [{}, {"Accept": OPENMETRICS}, {"Accept-Encoding": "gzip"}, {"Accept-Encoding": "zstd"}]
    faults = []

    def post_and_scrape(number):
        form = forms[number % len(forms)]
        for posted in range(1, 21):
            assert exporter.post(call(agent_name=f"Agent{number}")).outcome() == (1, 0, 0)
            reply = exporter.request("GET", "/metrics", headers=form)
            decoders = {"gzip": gzip.decompress,
                        "zstd": lambda body: zstandard.ZstdDecompressor().decompressobj().decompress(body)}
            body = decoders.get(reply.headers["Content-Encoding"], bytes)(reply.body)
            seen = Exposition(body).total("llm_calls_total", agent_name=f"Agent{number}")
            is_openmetrics = reply.media_type == "application/openmetrics-text"
            if seen != posted or is_openmetrics != ("Accept" in form) or (
                    reply.headers["Content-Encoding"] != form.get("Accept-Encoding")):
                faults.append((number, posted, seen, reply.headers.items()))

    threads = [threading.Thread(target=post_and_scrape, args=[number]) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not faults
    assert exporter.calls() == 8 * 20
