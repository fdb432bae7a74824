"""The Grafana dashboard: that it is what its script makes, is laid out well, and finds something to show."""

import json
import re
import subprocess

import pytest
import yaml

from exporter import ROOT
from prometheus import CONFIGURATION
from promql import histogram_kind, metric_names, selectors, substituted

FILE = ROOT / "grafana" / "llm-exporter.json"
PROVISIONING = FILE.parent / "provisioning"
DASHBOARD = json.loads(FILE.read_text())
PANELS = [panel for panel in DASHBOARD["panels"] if panel["type"] != "row"]
TARGETS = [pytest.param(target, id=f"{panel['title']}, {target['refId']}")
           for panel in PANELS for target in panel["targets"]]
VARIABLES = {variable["name"]: variable for variable in DASHBOARD["templating"]["list"]}
CHOSEN = [name for name, variable in VARIABLES.items() if variable["type"] == "query"]

ALL = {name: VARIABLES[name]["allValue"] for name in CHOSEN}
#: Grafana joins what is chosen like this (docs: Prometheus template variables).
SOME = {"agent": "(ReviewerGPT|CodesmithAgent)", "provider": "(openai|anthropic)",
        "model": "(gpt-4o-mini|claude-sonnet-4)"}
NOTHING = dict.fromkeys(CHOSEN, "nothing")


def shown(watched, target, chosen=ALL):
    """The labels of the series that the panel gets."""
    query = substituted(target["expr"], chosen)
    return watched.instant(query) if target["instant"] else watched.over_time(query)


def test_the_file_is_what_the_script_prints():
    done = subprocess.run([ROOT / "scripts" / "dashboard"], capture_output=True, text=True, check=True)
    assert done.stdout == FILE.read_text(), "scripts/dashboard > grafana/llm-exporter.json"


def test_rows_and_variables_are_those_promised():
    assert [panel["title"] for panel in DASHBOARD["panels"] if panel["type"] == "row"] == [
        "Overview", "Cost and budgets", "Latency", "Errors", "Agents", "Exporter health"]
    assert list(VARIABLES) == ["datasource", "agent", "provider", "model"]
    assert all(VARIABLES[name]["multi"] and VARIABLES[name]["includeAll"] for name in CHOSEN)


def test_no_two_panels_share_a_place_or_a_number():
    numbers = [panel["id"] for panel in DASHBOARD["panels"]]
    assert len(set(numbers)) == len(numbers)
    taken: set[tuple[int, int]] = set()
    for place in (panel["gridPos"] for panel in DASHBOARD["panels"]):
        cells = {(x, y) for x in range(place["x"], place["x"] + place["w"])
                 for y in range(place["y"], place["y"] + place["h"])}
        assert place["x"] + place["w"] <= 24 and not cells & taken, place
        taken |= cells


@pytest.mark.parametrize("panel", PANELS, ids=lambda panel: panel["title"])
def test_each_panel_can_be_read(panel):
    """It has a unit, says something when there is nothing to show, and asks the data source that was chosen."""
    defaults = panel["fieldConfig"]["defaults"]
    assert defaults["unit"]
    assert defaults["noValue"] or panel["type"] == "table"
    references = [target["refId"] for target in panel["targets"]]
    assert len(set(references)) == len(references) > 0
    for part in (panel, *panel["targets"]):
        assert part["datasource"] == {"type": "prometheus", "uid": "${datasource}"}
    # What would hide that a query finds nothing is left to noValue.
    assert not any("vector(" in target["expr"] for target in panel["targets"])
    if len(panel["targets"]) > 1 and panel["type"] != "table":
        assert all(target["legendFormat"] for target in panel["targets"])


@pytest.mark.heavy
@pytest.mark.parametrize("target", TARGETS)
def test_each_query_returns_something_and_its_legend_is_filled(watched, target):
    series = shown(watched, target)
    assert series
    for label in re.findall(r"\{\{(\w+)\}\}", target["legendFormat"]):
        # A native histogram is one series with all its buckets.
        if label != "le" or watched.kind == "classic":
            assert all(label in labels for labels in series), (label, series)
    assert watched.missing(selectors(substituted(target["expr"], ALL))) == []


@pytest.mark.parametrize("target", TARGETS)
def test_a_query_of_a_call_histogram_reads_native_and_classic_ones(target):
    kinds = {histogram_kind(selector) for selector in selectors(target["expr"])} - {None}
    assert kinds in (set(), {"native", "classic"})


@pytest.mark.heavy
@pytest.mark.parametrize("target", TARGETS)
def test_variables_choose(watched, target):
    """Each of them narrows the families that have its label, and no other."""
    for selector in selectors(target["expr"]):
        asked = re.findall(r'(\w+)=~"\$(\w+)"', selector)
        labels = {"agent": "agent_name", "provider": "provider", "model": "model"}
        assert all(labels[variable] == label for label, variable in asked)
        if histogram_kind(selector) not in (None, watched.kind):
            continue
        # With `.*` a label that a family does not have would match, and with a choice nothing would.
        has = set().union(*watched.instant(substituted(selector.partition("{")[0], ALL)))
        of_calls = any(family.startswith("llm_") and not family.startswith(("llm_exporter_", "llm_budget_"))
                       for family in metric_names(selector))
        assert {label for label, _ in asked} == (has & set(labels.values()) if of_calls else set())
        if asked:
            assert watched.instant(substituted(selector, SOME)) or "unpriced" in selector
            assert not watched.instant(substituted(selector, NOTHING))


@pytest.mark.heavy
@pytest.mark.parametrize("name", CHOSEN)
def test_variables_offer_what_there_is(monitored, name):
    variable = VARIABLES[name]
    assert variable["query"]["query"] == variable["definition"]
    [(selector, label)] = re.findall(r"^label_values\((.*), (\w+)\)$", variable["definition"])
    offered = monitored.prometheus.get(f"/api/v1/label/{label}/values", **{"match[]": substituted(selector, ALL)})
    assert set(offered) >= {"agent": {"ReviewerGPT", "CodesmithAgent", "Auditor", "_other"},
                            "provider": {"openai", "anthropic", "acme", "_other"},
                            "model": {"gpt-4o-mini", "claude-sonnet-4", "parrot-1", "_other"}}[name]
    narrowed = monitored.prometheus.get(f"/api/v1/label/{label}/values", **{"match[]": substituted(selector, SOME)})
    assert name == "agent" or set(narrowed) < set(offered)


def test_grafana_is_provisioned_with_a_prometheus_and_the_folder():
    [source] = yaml.safe_load((PROVISIONING / "datasources" / "prometheus.yml").read_text())["datasources"]
    assert source["type"] == "prometheus"
    # $__rate_interval is made of it.
    interval = yaml.safe_load(CONFIGURATION.read_text())["global"]["scrape_interval"]
    assert source["jsonData"]["timeInterval"] == interval
    [provider] = yaml.safe_load((PROVISIONING / "dashboards" / "llm-exporter.yml").read_text())["providers"]
    assert provider["type"] == "file" and provider["options"]["path"].startswith("/")
