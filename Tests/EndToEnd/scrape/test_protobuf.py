"""Scrapes in protobuf: the same samples as in text, native histograms, exemplars and created timestamps."""

import gzip
import math
import random
import sqlite3
import time
from collections import Counter
from decimal import Decimal
from typing import Any

import pytest

from exporter import FIXTURES, OPENMETRICS, Exporter, Raw, call
from exposition import Exposition
from protobuf_exposition import (
    ACCEPT,
    BOUNDS,
    COUNTER,
    FIRST_INDEX,
    HISTOGRAM,
    ZERO,
    created,
    families,
    labels,
    native_bucket,
    native_counts,
    samples,
)

HISTOGRAMS = {"llm_latency_seconds": "latency_ms", "llm_api_latency_seconds": "api_latency_ms",
              "llm_time_to_first_token_seconds": "ttft_ms"}
CONTENT_TYPE = "application/vnd.google.protobuf; proto=io.prometheus.client.MetricFamily; encoding=delimited"


def scraped(exporter):
    reply = exporter.get("/metrics", Accept=ACCEPT)
    assert reply.status == 200 and reply.headers["Content-Type"] == CONTENT_TYPE
    return families(reply.body)


def durable(name):
    """Whether a family does not change from scrape to scrape by itself."""
    return name.startswith("llm_") and not name.startswith("llm_exporter_")


def milliseconds(microseconds):
    return Raw(str(Decimal(microseconds).scaleb(-3)))


def some_records(dice, count):
    """Calls of a few sets, with times around the edges of buckets and everywhere between them."""
    for number in range(count):
        latency = dice.choice([0, 1, 86_400_000_000, dice.choice(BOUNDS[:-1]) + dice.randrange(-1, 2),
                               int(10 ** dice.uniform(0, 10.9))])
        record = call(agent_name=f"agent-{dice.randrange(3)}", model=f"m-{dice.randrange(2)} \"é\\\"",
                      cost_usd=Raw(f"{dice.randrange(10 ** 6)}.{dice.randrange(10 ** 12):012}"),
                      input_tokens=dice.randrange(10 ** 12), latency_ms=milliseconds(max(0, latency)),
                      trace_id=f"{number:x}", timestamp=time.time() - dice.randrange(500))
        if dice.random() < 0.5:
            record["ttft_ms"] = milliseconds(dice.randrange(max(0, latency) + 1))
        if dice.random() < 0.5:
            record["api_latency_ms"] = milliseconds(dice.randrange(10 ** 9))
        yield record


@pytest.mark.parametrize("seed", range(5))
def test_protobuf_openmetrics_and_text_agree_sample_by_sample(exporter, seed):
    dice = random.Random(seed)
    assert exporter.post([*some_records(dice, 300), call(status="timeout", error_type="t"),
                          {"event": "start", "agent_name": "a", "id": "1"}]).status == 200
    text = exporter.scrape()
    found = scraped(exporter)
    ours = [(name, values, number) for name, values, number in samples(found) if durable(name)]
    theirs = [(s.name, tuple(s.labels.items()), float(s.value)) for s in text.samples if durable(s.name)]
    assert ours == theirs and len(ours) > 100
    assert [(f.name, f.help) for f in found.values()] == [(f.name, f.help) for f in text.families.values()]
    kinds = {0: "counter", 1: "gauge", 4: "histogram"}
    assert [kinds[f.type] for f in found.values()] == [f.type for f in text.families.values()]

    def exemplars_of_text():
        for sample in Exposition(exporter.get("/metrics", Accept=OPENMETRICS).body).samples:
            if sample.exemplar:
                yield (sample.name, tuple(sample.labels.items()), sample.exemplar.labels["trace_id"],
                       float(sample.exemplar.value), float(sample.exemplar.timestamp or 0))

    def exemplars():
        for name in HISTOGRAMS:
            for metric in found[name].metric:
                for bucket in metric.histogram.bucket:
                    if bucket.HasField("exemplar"):
                        e = bucket.exemplar
                        le = "+Inf" if math.isinf(bucket.upper_bound) else repr(bucket.upper_bound)
                        yield (name + "_bucket", (*labels(metric), ("le", le)), e.label[0].value, e.value,
                               e.timestamp.seconds + e.timestamp.nanos / 1e9)

    shown = list(exemplars())
    expected = list(exemplars_of_text())
    assert [e[:4] for e in shown] == [e[:4] for e in expected] and len(shown) > 20
    assert all(abs(a[4] - b[4]) < 1e-6 for a, b in zip(shown, expected, strict=True))


@pytest.mark.parametrize("seed", range(5))
def test_native_buckets_hold_what_was_observed_in_any_order_and_partition(exporter, seed):
    dice = random.Random(seed)
    records = list(some_records(dice, 400))
    expected: dict[Any, Counter[int]] = {}
    for record in records:
        for family, field in HISTOGRAMS.items():
            if field in record:
                names = (record["agent_name"], record["provider"]) + (
                    () if family == "llm_api_latency_seconds" else (record["model"],))
                buckets = expected.setdefault((family, names), Counter())
                buckets[native_bucket(int(Decimal(str(record[field])).scaleb(3)))] += 1
    dice.shuffle(records)
    while records:
        size = dice.choice([1, 7, 150])
        assert exporter.post(records[:size]).status == 200
        records = records[size:]
    found = scraped(exporter)
    shown = {(family, tuple(value for _, value in labels(metric))): native_counts(metric.histogram)
             for family in HISTOGRAMS for metric in found[family].metric}
    assert shown == expected


def test_all_histograms_of_a_family_carry_the_native_part_and_others_none(exporter):
    """Prometheus up to 3.0 decides by the first histogram of a family whether it is native."""
    exporter.post([call(latency_ms=0), call(model="b", latency_ms=5)])
    found = scraped(exporter)
    for name, family in found.items():
        if family.type == HISTOGRAM:
            natives = {metric.histogram.HasField("schema") for metric in family.metric}
            assert natives <= {name in HISTOGRAMS}, name
    [zero, other] = [native_counts(metric.histogram) for metric in found["llm_latency_seconds"].metric]
    assert zero == {ZERO: 1} and other == {native_bucket(5000): 1}


def test_without_native_histograms_classic_buckets_stay():
    with Exporter("--no-native-histograms") as exporter:
        exporter.post(call(latency_ms=7, ttft_ms=3))
        found = scraped(exporter)
        for name in HISTOGRAMS:
            for metric in found[name].metric:
                filled = {field.name for field, _ in metric.histogram.ListFields()}
                assert filled == {"sample_count", "sample_sum", "bucket", "created_timestamp"}
                assert len(metric.histogram.bucket) == 7


def test_created_timestamps_are_the_arrival_of_the_record_that_created_the_series(tmp_path):
    with Exporter("--openmetrics.created-samples", "--web.enable-admin-api", storage=tmp_path / "data") as exporter:
        def times(exporter):
            found = scraped(exporter)
            return {(name, labels(metric)): created(metric.counter if family.type == COUNTER else metric.histogram)
                    for name, family in found.items() if durable(name) and family.type in (COUNTER, HISTOGRAM)
                    for metric in family.metric}

        bounds = []
        for record in (call(input_tokens=1), call(status="timeout", latency_ms=3, ttft_ms=1, api_latency_ms=2)):
            before = time.time()
            exporter.post(record)
            bounds.append((before - 0.001, time.time()))
            time.sleep(0.02)
        seen = times(exporter)
        assert all(seen.values())

        def lies_in(name, number, **further):
            of = [t for (n, values), t in seen.items() if n == name and further.items() <= dict(values).items()]
            assert len(of) == 1 and bounds[number][0] <= of[0] <= bounds[number][1], (name, of, bounds)

        for name in ("llm_tokens_total", "llm_calls_usage_missing_total", "llm_calls_unpriced_total"):
            lies_in(name, 0)
        for status, number in (("success", 0), ("error", 0), ("timeout", 1)):
            lies_in("llm_calls_total", number, status=status)
        lies_in("llm_token_usage_total", 0, token_type="input")
        for name in ("llm_errors_total", *HISTOGRAMS):
            lies_in(name, 1)

        # The same in OpenMetrics text, and after a restart.
        shown = Exposition(exporter.get("/metrics", Accept=OPENMETRICS).body)
        for (name, values), time_ in seen.items():
            text = shown.value(f"{name.removesuffix('_total')}_created", **dict(values))
            assert abs(float(text) - time_) < 1e-6
        assert not exporter.scrape().find("llm_calls_created")
        exporter.stop()
    with Exporter("--web.enable-admin-api", storage=tmp_path / "data") as exporter:
        assert times(exporter) == seen
        assert not Exposition(exporter.get("/metrics", Accept=OPENMETRICS).body).find("llm_calls_created")
        reset = time.time()
        assert exporter.request("POST", "/api/v1/admin/reset").status == 204
        exporter.post(call(input_tokens=1))
        assert all(again and again >= reset - 0.001 for again in times(exporter).values())


def test_new_bounds_renew_the_created_timestamps_of_histograms_alone(tmp_path):
    def times(exporter):
        found = scraped(exporter)
        return ({name: created(found[name].metric[0].histogram) for name in HISTOGRAMS},
                created(found["llm_tokens_total"].metric[0].counter))

    with Exporter(storage=tmp_path / "data") as exporter:
        exporter.post(call(latency_ms=3000, ttft_ms=1, api_latency_ms=2))
        histograms, tokens = times(exporter)
        exporter.stop()
    with Exporter("--histogram.buckets", "2,4", "--histogram.reset-on-change", storage=tmp_path / "data") as exporter:
        later, same = times(exporter)
        assert same == tokens and all((later[name] or 0) > (histograms[name] or 0) for name in HISTOGRAMS)
        found = scraped(exporter)
        assert all(native_counts(found[name].metric[0].histogram) == {} for name in HISTOGRAMS)


def test_the_exporters_own_counters_began_with_the_process(exporter):
    found = scraped(exporter)
    start = found["process_start_time_seconds"].metric[0].gauge.value
    own = [created(metric.counter if family.type == COUNTER else metric.histogram)
           for name, family in found.items() if not durable(name) and family.type in (COUNTER, HISTOGRAM)
           for metric in family.metric]
    assert len(own) > 30 and len(set(own)) == 1 and start - 1 <= (own[0] or 0) <= time.time()


@pytest.mark.parametrize("version", [1, 2, 3, 4])
def test_an_upgraded_database_is_scraped(tmp_path, version):
    """Its observations stand at their classic bounds, and its series have no created timestamp."""
    folder = tmp_path / "data"
    folder.mkdir()
    file = folder / "llm-exporter.db"
    file.write_bytes((FIXTURES / f"llm-exporter-schema-{version}.db").read_bytes())
    with sqlite3.connect(file) as database:
        [[classic]] = database.execute("SELECT latency_buckets FROM call_series WHERE latency_buckets IS NOT NULL")
    with Exporter("--limits.max-series", "3", storage=folder) as exporter:
        for _ in range(2):
            found = scraped(exporter)
            [metric] = found["llm_latency_seconds"].metric
            expected: Counter[int] = Counter()
            for count, bound in zip(map(int, classic.split(",")),
                                    [100_000, 500_000, 1_000_000, 2_500_000, 5_000_000, 10_000_000, None], strict=True):
                expected[native_bucket(bound) if bound else native_bucket(10_000_000) + 1] += count
            assert native_counts(metric.histogram) == {k: n for k, n in expected.items() if n}
            assert not metric.histogram.HasField("created_timestamp")
            exporter.post(call(agent_name="another"))


def test_an_empty_exporter_has_all_families_and_compresses(exporter):
    found = scraped(exporter)
    assert list(found) == list(exporter.scrape().families)
    assert all(not found[name].metric for name in found if durable(name))
    packed = exporter.get("/metrics", **{"Accept": ACCEPT, "Accept-Encoding": "gzip"})
    assert packed.headers["Content-Encoding"] == "gzip" and packed.headers["Content-Type"] == CONTENT_TYPE
    assert list(families(gzip.decompress(packed.body))) == list(found)


def test_bounds_in_the_middle_of_the_table(exporter):
    """The classic bound 1 s is a native bound too: both hold a latency of exactly 1 s."""
    exporter.post([call(latency_ms=1000), call(latency_ms=Raw("1000.001"))])
    [metric] = scraped(exporter)["llm_latency_seconds"].metric
    assert native_counts(metric.histogram) == {0: 1, 1: 1} and BOUNDS[-FIRST_INDEX] == 1_000_000
    assert [bucket.cumulative_count for bucket in metric.histogram.bucket] == [0, 0, 1, 2, 2, 2, 2]
