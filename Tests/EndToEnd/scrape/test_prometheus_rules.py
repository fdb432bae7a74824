"""The rules, alerts and configurations for Prometheus and Alertmanager, and the cookbook, by the real tools."""

import errno
import re
import subprocess

import pytest
import yaml

import interposer
from exporter import ROOT, call, eventually
from interposer import FOREVER, Fault, Kind
from prometheus import ALERTMANAGER, CONFIGURATION, RULES, Prometheus
from promql import histogram_kind, metric_names, selectors

UNIT_TESTS = RULES.with_name("rules.test.yml")
GROUPS = yaml.safe_load(RULES.read_text())["groups"]
RECORDED = {rule["record"]: rule["expr"] for group in GROUPS for rule in group["rules"] if "record" in rule}
ALERTS = {rule["alert"]: rule for group in GROUPS for rule in group["rules"] if "alert" in rule}
CASES = [(case, group) for group in yaml.safe_load(UNIT_TESTS.read_text())["tests"]
         for case in group["alert_rule_test"]]
COOKBOOK = re.findall(r"^```promql\n(.*?)^```", (ROOT / "docs" / "promql.md").read_text(), re.MULTILINE | re.DOTALL)
INHIBITIONS = yaml.safe_load(ALERTMANAGER.read_text())["inhibit_rules"]


def output_of(*command):
    done = subprocess.run(command, capture_output=True, text=True, timeout=170, cwd=ROOT)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


def read_by(promql):
    """The exporter's families behind a query, those behind recorded series included."""
    return {family for name in metric_names(promql)
            for family in (read_by(RECORDED[name]) if name in RECORDED else {name})}


def test_the_names_that_a_query_reads_are_found():
    promql = """sum by (le, a) (rate(x_bucket{le="1.0", b=~"c{2}|d"}[5m:])) / (sum(y:z offset 1d) > bool 1e-9)
                and on (job) max_over_time(up[1h]) >= 0 unless absent(w)"""
    assert selectors(promql) == ['x_bucket{le="1.0", b=~"c{2}|d"}', "y:z", "up", "w"]


def test_prometheus_takes_its_configuration_and_with_it_the_rules():
    told = output_of("promtool", "check", "config", CONFIGURATION)
    assert f"{len(RECORDED) + len(ALERTS)} rules found" in told


def test_prometheus_takes_the_rules():
    output_of("promtool", "check", "rules", "--lint-fatal", RULES)


def test_alerts_fire_when_they_should():
    output_of("promtool", "test", "rules", UNIT_TESTS)


def fired(folder, seconds, share, le, slow):
    """The latency alerts that fire after two hours with this objective, if so many of 100 calls a minute are slow."""
    [group] = (group for group in GROUPS if group["name"] == "llm-latency")
    rules = yaml.safe_dump({"groups": [group]})
    for pattern, value in (("vector(10)", f"vector({seconds})"), ("vector(0.95)", f"vector({share})")):
        assert rules.count(pattern) == 1, "the objective is set in one place"
        rules = rules.replace(pattern, value)
    (folder / "rules.yml").write_text(rules)
    names = [name for name in ALERTS if name.startswith("LLMLatency")]
    labels = 'job="j", instance="a", agent_name="a", provider="p", model="m"'
    test = {"rule_files": ["rules.yml"], "evaluation_interval": "1m", "tests": [{
        "interval": "1m",
        "input_series": [
            {"series": f"llm_latency_seconds_count{{{labels}}}", "values": "0+100x120"},
            {"series": f'llm_latency_seconds_bucket{{{labels}, le="{le}"}}', "values": f"0+{100 - slow}x120"},
            # Every call is within ten times the objective, and no call within a tenth of it.
            {"series": f'llm_latency_seconds_bucket{{{labels}, le="{10 * seconds:.1f}"}}', "values": "0+100x120"},
            {"series": f'llm_latency_seconds_bucket{{{labels}, le="{seconds / 10}"}}', "values": "0x120"}],
        "promql_expr_test": [{
            "expr": f'count by (alertname) (ALERTS{{alertname="{name}", alertstate="firing"}})', "eval_time": "2h",
            "exp_samples": []} for name in names]}]}
    (folder / "test.yml").write_text(yaml.safe_dump(test))
    done = subprocess.run(["promtool", "test", "rules", folder / "test.yml"], capture_output=True, text=True)
    firing = set(re.findall(r'got: \{alertname="LLMLatency(\w+)"\}', done.stdout + done.stderr))
    assert (done.returncode == 0) == (not firing), done.stdout + done.stderr
    return firing


@pytest.mark.parametrize("seconds, share, le, slow, expected", [
    (10, 0.95, "10.0", 73, {"BurnFast", "BurnSlow", "BurnLong"}),
    (10, 0.95, "10.0", 71, {"BurnSlow", "BurnLong"}),
    # Other thresholds: of many seconds, and of a part of one.
    (300, 0.95, "300.0", 73, {"BurnFast", "BurnSlow", "BurnLong"}),
    (300, 0.95, "300.0", 4, set()),
    (2.5, 0.95, "2.5", 31, {"BurnSlow", "BurnLong"}),
    (0.5, 0.99, "0.5", 15, {"BurnFast", "BurnSlow", "BurnLong"}),
    # Lax objectives, whose 14.4 times would be more than all calls.
    (10, 0.9, "10.0", 92, {"BurnFast", "BurnSlow", "BurnLong"}),
    (10, 0.5, "10.0", 96, {"BurnFast", "BurnSlow", "BurnLong"}),
    (10, 0.5, "10.0", 94, {"BurnLong"}),
    (10, 0.5, "10.0", 49, set()),
    # No bucket has the bound.
    (10, 0.95, "30.0", 73, {"BoundMissing"}),
])
def test_the_alerts_follow_the_objective(tmp_path, seconds, share, le, slow, expected):
    assert fired(tmp_path, seconds, share, le, slow) == expected


@pytest.mark.parametrize("name", ALERTS)
def test_each_alert_has_a_case_in_which_it_fires(name):
    assert any(case["alertname"] == name and case["exp_alerts"] for case, _ in CASES)


@pytest.mark.parametrize("name", ALERTS)
def test_each_alert_has_a_case_in_which_it_does_not_fire_though_it_could(name):
    """With all series that the alert looks at: silence for want of them would prove nothing.

    promtool cannot make native histograms.
    """
    read = {family for family in read_by(ALERTS[name]["expr"]) if histogram_kind(family) != "native"}
    assert any(case["alertname"] == name and not case["exp_alerts"] and read <= {
        series for given in group["input_series"] for series in metric_names(given["series"])} for case, group in CASES)


@pytest.mark.parametrize("name", ALERTS)
def test_each_alert_says_how_grave_it_is_and_what_to_do(name):
    assert ALERTS[name]["labels"]["severity"] in ("critical", "warning")
    assert ALERTS[name]["annotations"].keys() == {"summary", "description"}


def test_alertmanager_takes_its_configuration():
    output_of("amtool", "check-config", ALERTMANAGER)


@pytest.mark.parametrize("severity, receiver", [("critical", "page"), ("warning", "ticket")])
def test_alertmanager_sends_the_grave_ones_apart(severity, receiver):
    output_of("amtool", "config", "routes", "test", f"--config.file={ALERTMANAGER}", f"--verify.receivers={receiver}",
              f"severity={severity}")


@pytest.mark.parametrize("inhibition", INHIBITIONS, ids=str)
def test_alerts_that_silence_others_are_there_and_share_the_labels(inhibition):
    for side in ("source_matchers", "target_matchers"):
        [(operator, value)] = re.findall(r'^alertname(=~?)"(.*)"$', "\n".join(inhibition[side]))
        meant = [name for name in ALERTS if re.fullmatch(value if "~" in operator else re.escape(value), name)]
        assert meant
        for name in meant:
            shown = [alert["exp_labels"] for case, _ in CASES if case["alertname"] == name
                     for alert in case["exp_alerts"]]
            assert all(set(inhibition["equal"]) <= labels.keys() for labels in shown)


@pytest.mark.parametrize("query", [*RECORDED.values(), *(rule["expr"] for rule in ALERTS.values()), *COOKBOOK])
def test_a_query_of_a_call_histogram_reads_native_and_classic_ones(query):
    kinds = {histogram_kind(selector) for selector in selectors(query)} - {None}
    assert kinds in (set(), {"native", "classic"})


@pytest.mark.heavy
@pytest.mark.parametrize("name", RECORDED)
def test_each_recording_rule_records_numbers(watched, name):
    recorded = watched.prometheus.query(name, watched.moment)
    assert recorded and all("value" in sample for sample in recorded)
    assert watched.instant(name)
    assert watched.instant(RECORDED[name])


@pytest.mark.heavy
@pytest.mark.parametrize("name", ALERTS)
def test_each_series_that_an_alert_looks_at_is_there(watched, name):
    found = selectors(ALERTS[name]["expr"])
    assert found
    assert watched.missing(found) == []


@pytest.mark.heavy
@pytest.mark.parametrize("query", COOKBOOK)
def test_each_query_of_the_cookbook_returns_something(watched, query):
    assert watched.instant(query)
    assert watched.missing(selectors(query)) == []


def test_the_cookbook_has_queries():
    assert len(COOKBOOK) >= 15


@pytest.mark.heavy
def test_alerts_reach_alertmanager_and_the_graver_one_speaks_alone(monitored):
    expected = {"LLMBudgetSpent", "LLMBudgetNearlySpent", "LLMCallsUnpriced", "LLMErrorRateHigh",
                "LLMExporterRecordsRejected", "LLMExporterReloadFailed", "LLMExporterSeriesLimitReached"}

    def received():
        alerts = monitored.alertmanager.alerts()
        return alerts if {alert["labels"]["alertname"] for alert in alerts} >= expected else None

    alerts = eventually(received, "Alertmanager knows the alerts that need no patience")
    of_reviewers = {alert["labels"]["alertname"]: alert for alert in alerts
                    if alert["labels"].get("budget") == "reviewers"}
    assert of_reviewers.keys() == {"LLMBudgetSpent", "LLMBudgetNearlySpent"}
    eventually(lambda: [alert["status"]["state"] for alert in monitored.alertmanager.alerts()
                        if alert["labels"]["alertname"] == "LLMBudgetNearlySpent"] == ["suppressed"], "it is silenced")
    assert [receiver["name"] for receiver in of_reviewers["LLMBudgetSpent"]["receivers"]] == ["page"]
    # A budget of 0 from which nothing was spent, and one that is far from its limit.
    assert {alert["labels"].get("budget") for alert in alerts} == {None, "reviewers"}


@pytest.mark.heavy
def test_a_disk_that_fails_and_an_exporter_that_is_gone_are_told(start, tmp_path):
    """As long as they last: nobody posts any more, and the exporter's own retries keep the alert alive."""
    folder, fault = tmp_path / "data", tmp_path / "fault"
    folder.mkdir()
    exporter = start(storage=folder, environment=interposer.environment(folder, fault=fault))
    prometheus = Prometheus(exporter)
    try:
        def states(name):
            alerts = prometheus.get("/api/v1/alerts")["alerts"]
            return {(alert["labels"].get("reason"), alert["state"]) for alert in alerts
                    if alert["labels"]["alertname"] == name}

        assert exporter.post(call()).outcome() == (1, 0, 0)
        prometheus.await_scrapes(2)
        assert states("LLMExporterStorageFailing") == states("LLMExporterDown") == set()
        Fault(Kind.WRITE, 1, errno.ENOSPC, lasts=FOREVER).arm(fault)
        assert exporter.post(call()).status == 507
        eventually(lambda: states("LLMExporterStorageFailing") == {("disk_full", "firing")}, "the alert fires")
        failures = exporter.scrape().total("llm_exporter_commit_failures_total")
        eventually(lambda: exporter.scrape().total("llm_exporter_commit_failures_total") > failures, "a retry counts")
        exporter.kill()
        # It has two minutes to come back.
        eventually(lambda: states("LLMExporterDown") == {(None, "pending")}, "the alert is pending")
    finally:
        prometheus.stop()
