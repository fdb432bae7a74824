"""The call histograms in a real Prometheus that keeps native ones, and in one that keeps classic ones."""

import json
import math
import re
import statistics
import time

import pytest
import yaml

from exporter import ROOT, Exporter, call, eventually
from prometheus import RULES, Prometheus, free_port
from promql import CALL_HISTOGRAMS, histogram_kind, selectors, substituted

PANELS = json.loads((ROOT / "grafana" / "llm-exporter.json").read_text())["panels"]
TARGETS = [pytest.param(target, id=f"{panel['title']}, {target['refId']}")
           for panel in PANELS for target in panel.get("targets", [])
           if any(histogram_kind(selector) for selector in selectors(target["expr"]))]
FAMILIES = "|".join(sorted(CALL_HISTOGRAMS))
EVERYTHING = {"agent": ".*", "provider": ".*", "model": ".*"}
[LATENCY] = [group["rules"] for group in yaml.safe_load(RULES.read_text())["groups"] if group["name"] == "llm-latency"]
RECORDED = {rule["record"]: rule["expr"] for rule in LATENCY if "record" in rule}

#: The width of a bucket of schema 3: its upper bound is so many times its lower one.
BUCKET = 2 ** (1 / 8)
PERCENTILES = (0.5, 0.9, 0.95, 0.99)
CALLS = 2000


def log_normal(median, sigma):
    """Seconds at evenly spaced ranks, so that each run sees the same ones; none below 10 ms or above an hour."""
    normal = statistics.NormalDist(math.log(median), sigma)
    return [min(max(math.exp(normal.inv_cdf((n + 0.5) / CALLS)), 0.01), 3600) for n in range(CALLS)]


def bimodal(fast, slow):
    """Six calls in ten around the one, the others around the other."""
    return log_normal(fast, 0.2)[::10] * 6 + log_normal(slow, 0.2)[::10] * 4


SMOOTH = {"smooth-0.1": log_normal(0.1, 0.7), "smooth-2": log_normal(2, 0.7), "smooth-30": log_normal(30, 0.7),
          "smooth-300": log_normal(300, 0.7), "smooth-wide": log_normal(6, 2)}
BIMODAL = {"modes-0.02-0.4": (0.02, 0.4), "modes-0.5-60": (0.5, 60), "modes-20-1500": (20, 1500)}
CONSTANT = {"constant-0.01": 0.01, "constant-0.7": 0.7, "constant-42": 42, "constant-3600": 3600}
LATENCIES = {**SMOOTH, **{model: bimodal(*modes) for model, modes in BIMODAL.items()},
             **{model: [seconds] * CALLS for model, seconds in CONSTANT.items()}}


def true_quantile(q, values):
    return sorted(values)[math.ceil(q * len(values)) - 1]


def record(model, seconds):
    return call(agent_name=model.partition("-")[0].capitalize(), model=model, latency_ms=round(1000 * seconds, 3),
                api_latency_ms=round(800 * seconds, 3), ttft_ms=round(100 * seconds, 3))


def job(name, label, exporter, instance):
    """A scrape job of the call histograms alone, under the job and the instance of these names."""
    return f"""
  - job_name: {name}
    static_configs: [targets: ["{exporter.address[0]}:{exporter.port}"]]
    relabel_configs:
      - {{target_label: job, replacement: {label}}}
      - {{target_label: instance, replacement: {instance}}}
    metric_relabel_configs:
      - {{source_labels: [__name__], regex: "({FAMILIES}).*", action: keep}}
"""


class Compared:
    """An exporter under two Prometheus, one of which keeps native histograms, and one without native histograms.

    The first Prometheus has two jobs more. `both` has native and classic histograms of the same calls, as later
    versions keep them on request. `mixed` has an exporter with native histograms and one without.
    """

    def __init__(self):
        self.started = []
        try:
            self.fill()
        except BaseException:
            self.close()
            raise

    def begin(self, thing, end):
        self.started.append(end(thing))
        return thing

    def fill(self):
        self.exporter, self.plain = (self.begin(Exporter(*flags), lambda exporter: exporter.kill)
                                     for flags in ((), ("--no-native-histograms",)))
        jobs = (job("both-native", "both", self.exporter, "x") + job("both-classic", "both", self.plain, "x")
                + job("mixed-native", "mixed", self.exporter, "a") + job("mixed-classic", "mixed", self.plain, "b"))
        self.native = self.begin(Prometheus(self.exporter, native=True, jobs=jobs), lambda server: server.stop)
        self.classic = self.begin(Prometheus(self.exporter), lambda server: server.stop)
        # A rate sees only what grows between two scrapes: the first calls make the series.
        self.post([record(model, values[0]) for model, values in LATENCIES.items()])
        for n in range(4):
            self.post([record(model, seconds) for model, values in LATENCIES.items() for seconds in values[n::4]])
        # The rules of a group are evaluated after a scrape, from what they have recorded before.
        self.await_scrapes(4)
        self.moment = eventually(self.good_moment, "a second of scrapes without a failure")

    def good_moment(self):
        moment = round(time.time() - 1, 3)
        return moment if self.native.is_steady(moment) and self.classic.is_steady(moment) else None

    def post(self, records):
        for exporter in (self.exporter, self.plain):
            assert exporter.post_lines(records).outcome() == (len(records), 0, 0)
        self.await_scrapes(2)

    def await_scrapes(self, count):
        for server in (self.native, self.classic):
            server.await_scrapes(count)

    def close(self):
        for end in reversed(self.started):
            end()

    def values(self, server, promql):
        """The numbers that a query returns, by their labels but the name."""
        return {tuple(sorted((name, value) for name, value in s["metric"].items() if name != "__name__")):
                float(s["value"][1]) for s in server.query(promql, self.moment) if not math.isnan(float(s["value"][1]))}


@pytest.fixture(scope="module")
def compared():
    everything = Compared()
    yield everything
    everything.exporter.stop()
    everything.plain.stop()
    everything.close()


def measured(compared, model, q, family="llm_latency_seconds"):
    query = f'histogram_quantile({q}, sum by (model) (rate({family}{{job="llm-exporter", model="{model}"}}[1m])))'
    [value] = compared.values(compared.native, query).values()
    return value


@pytest.mark.heavy
@pytest.mark.parametrize("q", PERCENTILES)
@pytest.mark.parametrize("model", [*SMOOTH, *BIMODAL])
def test_a_percentile_is_within_5_percent_of_the_true_one(compared, figures, model, q):
    expected = true_quantile(q, LATENCIES[model])
    error = measured(compared, model, q) / expected - 1
    figures(f"native histograms, {model}, p{100 * q:g}: {error:+.2%} of {expected:.4g} s")
    assert abs(error) < 0.05
    assert abs(measured(compared, model, q, "llm_time_to_first_token_seconds") / (expected / 10) - 1) < 0.05


@pytest.mark.heavy
@pytest.mark.parametrize("q", PERCENTILES)
@pytest.mark.parametrize("model", BIMODAL)
def test_no_percentile_is_between_two_modes(compared, model, q):
    fast, slow = (log_normal(mode, 0.2) for mode in BIMODAL[model])
    assert not max(fast) * BUCKET < measured(compared, model, q) < min(slow) / BUCKET


@pytest.mark.heavy
@pytest.mark.parametrize("q", PERCENTILES)
@pytest.mark.parametrize("model", CONSTANT)
def test_a_percentile_of_equal_latencies_is_in_their_bucket(compared, figures, model, q):
    error = measured(compared, model, q) / CONSTANT[model] - 1
    figures(f"native histograms, {model}, p{100 * q:g}: {error:+.2%}")
    assert 1 / BUCKET <= error + 1 <= BUCKET


def held_by(server, family, compared, job="llm-exporter"):
    return {s["metric"]["__name__"] for s in server.query(f'{{__name__=~"{family}(_.*)?", job="{job}"}}',
                                                          compared.moment)}


@pytest.mark.heavy
@pytest.mark.parametrize("family", sorted(CALL_HISTOGRAMS))
def test_each_prometheus_keeps_the_histograms_it_was_asked_to_keep(compared, family):
    classic = {f"{family}_{suffix}" for suffix in ("bucket", "sum", "count")}
    assert held_by(compared.native, family, compared) == {family}
    assert held_by(compared.classic, family, compared) == classic
    assert held_by(compared.native, family, compared, "both") == {family} | classic
    # One that the exporter's own histograms do not have.
    assert held_by(compared.native, "llm_exporter_commit_records", compared) == {
        f"llm_exporter_commit_records_{suffix}" for suffix in ("bucket", "sum", "count")}


def samples(compared, server, selector, job):
    """The values of the series of a job, by their labels but job and instance."""
    return {tuple(sorted((name, value) for name, value in s["metric"].items() if name not in ("job", "instance"))):
            s["value"][1] for s in server.query(f'{{{selector}, job="{job}"}}', compared.moment)}


@pytest.mark.heavy
def test_protobuf_and_text_give_the_same_series_and_values(compared):
    counters = f'__name__=~"llm_.*", __name__!~"llm_exporter_.*|({FAMILIES}).*"'
    from_protobuf = samples(compared, compared.native, counters, "llm-exporter")
    assert len(from_protobuf) >= 5 * len(LATENCIES)
    assert from_protobuf == samples(compared, compared.classic, counters, "llm-exporter")
    # Those of the exporter without native histograms, which has had the same calls.
    histograms = f'__name__=~"({FAMILIES})_.*"'
    from_protobuf = samples(compared, compared.native, histograms, "both")
    assert len(from_protobuf) > 18 * len(LATENCIES)
    assert from_protobuf == samples(compared, compared.classic, histograms, "llm-exporter")


@pytest.mark.heavy
def test_a_native_histogram_counts_and_sums_what_was_posted(compared):
    for model, values in LATENCIES.items():
        posted = [values[0], *values]
        for function, expected in (("histogram_count", len(posted)), ("histogram_sum", sum(posted))):
            query = f'{function}(llm_latency_seconds{{job="llm-exporter", model="{model}"}})'
            assert list(compared.values(compared.native, query).values()) == [pytest.approx(expected, rel=1e-5)]


def agree(native, classic, near):
    """Whether both have the same labels, and values near each other."""
    assert native and native.keys() == classic.keys()
    for labels, value in native.items():
        assert near(value, classic[labels]), (labels, value, classic[labels])


def in_classic_bucket(native, classic):
    """The percentile of the native histogram is in that bucket in which the other is, or in one next to its bounds."""
    bounds = [0, 0.1, 0.5, 1, 2.5, 5, 10, math.inf]
    above = min(n for n, bound in enumerate(bounds) if classic <= bound)
    # No percentile of a classic histogram exceeds its largest bound, though the calls may.
    upper = math.inf if classic == 10 else bounds[above]
    return bounds[above - 1] / BUCKET <= native <= upper * BUCKET


def near(native, classic):
    """Equal but for the ends of the range, to which rates are stretched."""
    return native == pytest.approx(classic, rel=0.15)


def both_or_neither(native, classic):
    # A difference of two rates may leave a rounding error.
    return (native > 1e-6) == (classic > 1e-6)


def near_share(native, classic):
    """The share of one bucket of a smooth distribution may be on either side of the threshold."""
    return abs(native - classic) < 0.03


@pytest.mark.heavy
@pytest.mark.parametrize("target", TARGETS)
def test_a_panel_shows_the_same_with_both_kinds(compared, target):
    # Without the jobs that are there to be compared: the dashboard shows all exporters.
    query = re.sub(rf"((?:{FAMILIES})\w*)\{{", r'\1{job="llm-exporter", ', substituted(target["expr"], EVERYTHING))
    if target["format"] == "heatmap":
        [histogram] = compared.native.query(query, compared.moment)
        [classic] = [count for labels, count in compared.values(compared.classic, query).items()
                     if ("le", "+Inf") in labels]
        assert near(float(histogram["histogram"][1]["count"]), classic)
        return
    near_enough = in_classic_bucket if query.startswith("histogram_quantile") else near_share
    agree(compared.values(compared.native, query), compared.values(compared.classic, query), near_enough)


@pytest.mark.heavy
@pytest.mark.parametrize("name", RECORDED)
def test_a_rule_records_the_same_with_both_kinds(compared, name):
    near_enough = near_share if "ratio" in name else near
    if "increase" in name:
        # It adds up one rate for each evaluation, and two servers evaluate unequally often within seconds.
        near_enough = both_or_neither
    selector = name if "objective" in name else f'{name}{{job="llm-exporter"}}'
    agree(compared.values(compared.native, selector), compared.values(compared.classic, selector), near_enough)


@pytest.mark.heavy
@pytest.mark.parametrize("name", ["provider_model:llm_latency:rate5m", "provider_model:llm_latency_slow:rate5m"])
def test_a_call_counts_once_though_both_kinds_are_kept_or_some_exporters_have_one(compared, name):
    def by_model(job):
        return {dict(labels)["model"]: value for labels, value in
                compared.values(compared.native, f'{name}{{job="{job}"}}').items()}

    agree(by_model("both"), by_model("llm-exporter"), near)
    # Each of the two exporters has had all calls.
    agree(by_model("mixed"), {model: 2 * value for model, value in by_model("llm-exporter").items()}, near)


def with_objective(promql, seconds):
    """The query with the expressions of the objective's rules for so many seconds, instead of what they recorded."""
    for name in ("bucket", "native_bound"):
        promql = promql.replace(f"llm_latency_objective:{name}", f"({RECORDED[f'llm_latency_objective:{name}']})")
    return promql.replace("llm_latency_objective:seconds", f"vector({seconds})")


@pytest.mark.heavy
@pytest.mark.parametrize("seconds", [0.05, 1.7, 33, 900])
def test_a_native_histogram_takes_any_objective_and_rounds_it_up_to_a_bound(compared, seconds):
    [bound] = compared.values(compared.native, with_objective("llm_latency_objective:native_bound", seconds)).values()
    assert seconds <= bound < seconds * BUCKET
    rule = with_objective(RECORDED["instance_provider_model:llm_latency_slow:rate5m"], seconds)
    share = f'({rule}) / instance_provider_model:llm_latency:rate5m{{job="llm-exporter"}}'
    slow = {dict(labels)["model"]: value for labels, value in compared.values(compared.native, share).items()}
    assert slow.keys() == LATENCIES.keys()
    for model, values in LATENCIES.items():
        assert slow[model] == pytest.approx(sum(value > bound for value in values) / CALLS, abs=0.002), model


@pytest.mark.heavy
def test_an_objective_that_is_a_bound_stays_as_it_is(compared):
    for n in range(-40, 121):
        bound = 2 ** (n / 8)
        [found] = compared.values(compared.native, with_objective("llm_latency_objective:native_bound", bound)).values()
        assert found == (bound if n % 8 == 0 else pytest.approx(bound, rel=1e-12))


@pytest.mark.heavy
def test_the_same_alerts_begin_with_both_kinds(compared):
    def alerts(server):
        return {(alert["labels"]["alertname"], alert["labels"]["model"], alert["labels"]["le"])
                for alert in server.get("/api/v1/alerts")["alerts"]
                if "Latency" in alert["labels"]["alertname"] and alert["labels"]["job"] == "llm-exporter"}

    found = alerts(compared.native)
    assert found == alerts(compared.classic)
    slow = {model for model, values in LATENCIES.items() if sum(value > 10 for value in values) > 0.72 * CALLS}
    assert {model for name, model, _ in found if name == "LLMLatencyBurnFast"} == slow
    assert {le for *_, le in found} == {"10.0"}


class Beside:
    """An exporter with native histograms and one without, under one Prometheus.

    Its job `both` has the two as if they were one exporter, of which both forms are kept.
    """

    def __init__(self, start):
        self.native, self.classic = start(), start("--no-native-histograms")
        self.prometheus = Prometheus(self.native, native=True, jobs=job("both-native", "both", self.native, "x")
                                     + job("both-classic", "both", self.classic, "x"))

    def post(self, records, *exporters):
        for exporter in exporters or (self.native, self.classic):
            assert exporter.post_lines(records).outcome() == (len(records), 0, 0)
        self.prometheus.await_scrapes(2)


#: Seconds that all calls of a model take, around an objective of 10 s and its native bound of 10.375 s, and around 8 s.
AROUND = (7.9, 8, 8.1, 9.6, 9.999, 10, 10.001, 10.2, 10.3, 10.5)


@pytest.mark.heavy
def test_equal_latencies_are_all_slow_or_all_within_the_objective(start):
    beside = Beside(start)
    [panel] = (target["expr"] for panel in PANELS if panel["title"].startswith("Calls slower than")
               for target in panel["targets"])
    rule = (f"({RECORDED['instance_provider_model:llm_latency_slow:rate5m']})"
            " / (instance_provider_model:llm_latency:rate5m > 0)")

    def slow(query, job, objective):
        """The models with slow calls, of which no call may be within the objective."""
        query = re.sub(r"(llm_latency_seconds\w*)(\{?)",
                       lambda m: f'{m[1]}{{job="{job}"' + (", " if m[2] else "}"), with_objective(query, objective))
        shares = {float(s["metric"]["model"]): float(s["value"][1]) for s in beside.prometheus.query(query)}
        assert shares.keys() == set(AROUND), query
        for share in shares.values():
            assert min(share, 1 - share) == pytest.approx(0, abs=1e-9), shares
        return {seconds for seconds, share in shares.items() if share > 0.5}

    try:
        for count in (1, 20):
            beside.post([call(model=str(seconds), latency_ms=1000 * seconds) for seconds in AROUND] * count)
        # The rules of a group are evaluated after a scrape.
        beside.prometheus.await_scrapes(4)
        for query in (rule, substituted(panel, EVERYTHING)):
            assert slow(query, "llm-exporter", 10) == {10.5}
            assert slow(query, "llm-exporter", 8) == {seconds for seconds in AROUND if seconds > 8}
            # Beside native histograms, a classic bucket of 10 s is exact. No classic bucket has the bound 8 s.
            assert slow(query, "both", 10) == {10.001, 10.2, 10.3, 10.5}
            assert slow(query, "both", 8) == {seconds for seconds in AROUND if seconds > 8}
        # A call counts once, though both kinds are kept.
        calls, slow_calls = ({(s["metric"]["job"], s["metric"]["model"]): 300 * float(s["value"][1])
                              for s in beside.prometheus.query(f"provider_model:llm_latency{part}:rate5m")}
                             for part in ("", "_slow"))
        assert calls.keys() == {(job, str(seconds)) for job in ("llm-exporter", "both") for seconds in AROUND}
        assert all(19 < count < 40 for count in calls.values())
        assert slow_calls == {key: pytest.approx(count if float(key[1]) > (10.4 if key[0] == "llm-exporter" else 10)
                                                 else 0, abs=0.01) for key, count in calls.items()}
    finally:
        beside.prometheus.stop()


@pytest.mark.heavy
def test_native_histograms_without_new_calls_do_not_hide_classic_ones_in_the_heatmap(start):
    beside = Beside(start)
    [heatmap] = (target["expr"] for panel in PANELS if panel["type"] == "heatmap" for target in panel["targets"])
    query = substituted(heatmap, EVERYTHING)
    try:
        beside.post([record("model", 3)])
        beside.post([record("model", 3)] * 10, beside.classic)
        calls = {s["metric"]["le"]: float(s["value"][1]) for s in beside.prometheus.query(query)}
        assert calls["2.5"] == 0 and 9 < calls["5.0"] == calls["+Inf"]
        # Native ones that counted calls are shown alone.
        beside.post([record("model", 3)] * 20, beside.native)
        [shown] = beside.prometheus.query(query)
        # Two jobs have them.
        assert float(shown["histogram"][1]["count"]) > 38
    finally:
        beside.prometheus.stop()


@pytest.mark.heavy
def test_exemplars_arrive_with_both_kinds(compared):
    trace = "4bf92f3577b34da6a3ce929d0e0e4736"
    traced = call(agent_name="Traced", latency_ms=3000, trace_id=trace)
    assert compared.exporter.post(traced).outcome() == (1, 0, 0)
    now = time.time()

    def stored(server, name):
        [series] = eventually(lambda: server.get(
            "/api/v1/query_exemplars", query=f'{name}{{agent_name="Traced", job="llm-exporter"}}', start=now - 60,
            end=now + 60), "the exemplar is stored")
        return [(exemplar["labels"], float(exemplar["value"])) for exemplar in series["exemplars"]]

    assert stored(compared.native, "llm_latency_seconds") == [({"trace_id": trace}, 3)]
    assert stored(compared.classic, "llm_latency_seconds_bucket") == [({"trace_id": trace}, 3)]


@pytest.mark.heavy
def test_no_scrape_fails(compared):
    """A scrape may last too long on a busy machine, as the time limit is 250 ms here."""
    for server in (compared.native, compared.classic):
        assert min(float(s["value"][1]) for s in server.query("avg_over_time(up[1h])", compared.moment)) > 0.5
        errors = {target["lastError"] for target in server.get("/api/v1/targets")["activeTargets"]}
        assert {error for error in errors if "context deadline exceeded" not in error} <= {""}
        logged = [line for line in server.log.splitlines() if "level=error" in line
                  or ("level=warn" in line and "scrape_pool=llm-exporter" in line)]
        assert logged == []


@pytest.mark.heavy
def test_calls_are_seen_while_an_exporter_changes_to_native_histograms(start, tmp_path):
    """The range then holds classic samples, and native ones after them."""
    port = free_port()
    options = {"listen": (f"127.0.0.1:{port}",), "storage": tmp_path / "data"}
    (tmp_path / "data").mkdir()
    exporter = start("--no-native-histograms", **options)
    prometheus = Prometheus(exporter, native=True)

    def seen():
        """Calls in the last five minutes, and slow ones among them; a rate may stretch them to less than double."""
        # The rules are evaluated after a scrape.
        prometheus.await_scrapes(4)
        return [300 * float(prometheus.query(f"provider_model:llm_latency{part}:rate5m")[0]["value"][1])
                for part in ("", "_slow")]

    def post(count):
        batch = [record("model", seconds) for seconds in [1, 30] * (count // 2)]
        assert exporter.post_lines(batch).outcome() == (count, 0, 0)
        prometheus.await_scrapes(2)

    try:
        post(2)
        post(100)
        calls, slow_calls = seen()
        assert 99 < calls < 200 and slow_calls == pytest.approx(calls / 2, rel=0.1)
        exporter.stop()
        exporter = start(**options)
        eventually(lambda: prometheus.query("count_over_time(llm_latency_seconds[1m]) > 1"), "two native samples")
        # No call is between them, so the classic ones count.
        calls, slow_calls = seen()
        assert 99 < calls < 200 and slow_calls == pytest.approx(calls / 2, rel=0.1)
        post(200)
        calls, slow_calls = seen()
        assert 199 < calls < 400 and slow_calls == pytest.approx(calls / 2, rel=0.1)
    finally:
        prometheus.stop()
