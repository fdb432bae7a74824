"""docs/metrics.md has the families of a fully exercised exporter, and no other."""

from exporter import OPENMETRICS
from exposition import Exposition
from families import FAMILIES


def base(family, openmetrics=False):
    """The name by which the reference knows it: OpenMetrics leaves `_total` to the samples of counters."""
    return f"{family.name}_total" if openmetrics and family.type == "counter" else family.name


def test_each_family_is_in_the_reference_with_its_type_and_no_other(monitored):
    families = monitored.exporter.scrape().families.values()
    assert {family.name: family.type for family in families} == {name: kind for name, (kind, _) in FAMILIES.items()}
    assert [family.name for family in families if family.name.startswith("llm_")] == [
        name for name in FAMILIES if name.startswith("llm_")], "not in the order of a scrape"


def test_openmetrics_has_the_same_families(monitored):
    families = Exposition(monitored.exporter.get("/metrics", Accept=OPENMETRICS).body).families.values()
    assert {base(family, openmetrics=True) for family in families} == FAMILIES.keys()


def test_each_family_has_the_labels_of_the_reference(monitored):
    for family in monitored.exporter.scrape().families.values():
        assert family.samples, f"{family.name} was not exercised"
        for sample in family.samples:
            labels = [name for name in sample.labels if name != "le"]
            assert tuple(labels) == FAMILIES[family.name].labels, sample
