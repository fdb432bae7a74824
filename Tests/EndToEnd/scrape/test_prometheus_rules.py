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
from promql import metric_names, selectors

UNIT_TESTS = RULES.with_name("rules.test.yml")
GROUPS = yaml.safe_load(RULES.read_text())["groups"]
RECORDED = {rule["record"]: rule["expr"] for group in GROUPS for rule in group["rules"] if "record" in rule}
ALERTS = {rule["alert"]: rule for group in GROUPS for rule in group["rules"] if "alert" in rule}
CASES = [(case, group) for group in yaml.safe_load(UNIT_TESTS.read_text())["tests"]
         for case in group["alert_rule_test"]]
COOKBOOK = re.findall(r"^```promql\n(.*?)^```", (ROOT / "docs" / "promql.md").read_text(), re.MULTILINE | re.DOTALL)
INHIBITIONS = yaml.safe_load(ALERTMANAGER.read_text())["inhibit_rules"]


def output_of(*command):
    done = subprocess.run(command, capture_output=True, text=True, timeout=30, cwd=ROOT)
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


@pytest.mark.parametrize("name", ALERTS)
def test_each_alert_has_a_case_in_which_it_fires(name):
    assert any(case["alertname"] == name and case["exp_alerts"] for case, _ in CASES)


@pytest.mark.parametrize("name", ALERTS)
def test_each_alert_has_a_case_in_which_it_does_not_fire_though_it_could(name):
    """With all series that the alert looks at: silence for want of them would prove nothing."""
    assert any(case["alertname"] == name and not case["exp_alerts"] and read_by(ALERTS[name]["expr"]) <= {
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


@pytest.mark.heavy
@pytest.mark.parametrize("name", RECORDED)
def test_each_recording_rule_records(monitored, name):
    assert monitored.instant(name)
    assert monitored.instant(RECORDED[name])


@pytest.mark.heavy
@pytest.mark.parametrize("name", ALERTS)
def test_each_series_that_an_alert_looks_at_is_there(monitored, name):
    found = selectors(ALERTS[name]["expr"])
    assert found
    assert [s for s in found if not monitored.instant(s)] == []


@pytest.mark.heavy
@pytest.mark.parametrize("query", COOKBOOK)
def test_each_query_of_the_cookbook_returns_something(monitored, query):
    assert monitored.instant(query)
    assert [s for s in selectors(query) if not monitored.instant(s)] == []


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
