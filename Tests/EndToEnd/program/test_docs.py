"""The documents are right: links lead to files, commands answer as printed, and lists are complete."""

import os
import re
import shutil
import subprocess

import pytest
import yaml

from documents import BLOCK, DOCUMENTS, anchors, examples, run
from exporter import BINARY, JSON, ROOT, call
from prometheus import Prometheus

DOCS = ROOT / "docs"


def name_of(path):
    return str(path.relative_to(ROOT))


def at(exporter):
    return {"127.0.0.1:10140": f"127.0.0.1:{exporter.port}"}


@pytest.mark.parametrize("path", DOCUMENTS, ids=name_of)
def test_links_lead_to_files_and_headings_that_are_there(path):
    text = BLOCK.sub("", path.read_text())
    for link in re.findall(r"\]\(([^)\s]+)\)", text):
        if re.match(r"[a-z]+:", link):
            continue
        file, _, heading = link.partition("#")
        target = (path.parent / file).resolve() if file else path
        assert target.exists(), f"{link} leads nowhere"
        assert not heading or heading in anchors(target), f"{link}: there is no such heading"


def test_each_document_is_linked_from_the_readme():
    readme = (ROOT / "README.md").read_text()
    for path in DOCS.iterdir():
        assert f"(docs/{path.name})" in readme, path.name


def test_the_flags_are_those_of_the_program():
    reference = (DOCS / "flags.md").read_text()
    documented = set(re.findall(r"`(--[a-z.-]+)`", reference[reference.index("## serve"):]))
    said = subprocess.run([BINARY, "serve", "--help"], capture_output=True, text=True, check=True).stdout
    options = re.findall(r"^  (?:-\w, )?(--[a-z.-]+)", said, re.MULTILINE)
    assert documented == set(options)


def test_the_commands_are_those_of_the_program():
    reference = (DOCS / "flags.md").read_text()
    documented = set(re.findall(r"^\| `llm-exporter \[?([a-z-]+)", reference, re.MULTILINE))
    said = subprocess.run([BINARY, "--help"], capture_output=True, text=True, check=True).stdout
    assert documented == set(re.findall(r"^  ([a-z-]+) ", said[said.index("SUBCOMMANDS:"):], re.MULTILINE))


def test_each_alert_has_a_word_for_the_night():
    groups = yaml.safe_load((ROOT / "prometheus" / "rules.yml").read_text())["groups"]
    alerts = [rule["alert"] for group in groups for rule in group["rules"] if "alert" in rule]
    assert sorted(re.findall(r"^### (LLM\w+)$", (DOCS / "operations.md").read_text(), re.MULTILINE)) == sorted(alerts)


def test_the_architecture_names_the_targets_that_are_there():
    table = (DOCS / "architecture.md").read_text().partition("## Targets")[2]
    named = {name for row in re.findall(r"^\| (`.*?) \|", table, re.MULTILINE) for name in re.findall(r"`([\w-]+)`",
                                                                                                      row)}
    assert named == {path.name for path in (ROOT / "Sources").iterdir()}


@pytest.mark.parametrize("document", ["README.md", "docs/http.md"])
def test_requests_are_answered_as_the_document_says(document, exporter, tmp_path):
    tried = [run(example, at(exporter), tmp_path) for example in examples(ROOT / document)
             if "curl" in example.command]
    assert tried


def test_the_quick_start_leads_to_a_graph(start, tmp_path):
    exporter = start(shipped_prices=True)
    prometheus = Prometheus(exporter)
    try:
        addresses = {**at(exporter), "127.0.0.1:9091": prometheus.address, "sleep 1": "sleep 0.02"}
        steps = [example for example in examples(DOCS / "quickstart.md") if "curl" in example.command]
        assert len(steps) == 4
        for step in steps[:2]:
            run(step, addresses, tmp_path)
        prometheus.await_scrapes(2)
        run(steps[2], addresses, tmp_path)
        prometheus.await_scrapes(2)
        run(steps[3], addresses, tmp_path)
    finally:
        prometheus.stop()


def test_a_backup_is_made_and_restored_as_operations_says(start, tmp_path):
    backup, restore = examples(DOCS / "operations.md", "Backup and restore")
    exporter = start(storage=tmp_path / "data")
    assert exporter.post(call(agent_name="Kept", cost_usd=1)).outcome() == (1, 0, 0)
    before = exporter.summary()
    assert "holds a copy" in run(backup, {}, tmp_path)
    assert exporter.post(call(agent_name="Later", cost_usd=1)).outcome() == (1, 0, 0)
    exporter.stop()
    assert "is sound" in run(restore, {}, tmp_path)
    restored = start(storage=tmp_path / "data")
    assert restored.summary() == before


@pytest.mark.skipif(os.geteuid() != 0, reason="only root has files of others")
def test_commands_of_root_leave_files_with_their_owner(start, tmp_path):
    folder = tmp_path / "data"
    exporter = start(storage=folder)
    assert exporter.post([call(), call(agent_name="Typo")]).outcome() == (2, 0, 0)
    exporter.kill()
    for path in [folder, *folder.iterdir()]:
        shutil.chown(path, "nobody", "nogroup")
    for command in (["forget", "--agent-name", "Typo"], ["check-storage"], ["reset"]):
        subprocess.run([BINARY, *command, "--storage.path", folder], check=True, capture_output=True)
    assert {path.owner() for path in [folder, *folder.iterdir()]} == {"nobody"}


def test_a_typo_is_forgotten_as_operations_says(start, tmp_path):
    exporter = start("--web.enable-admin-api")
    assert exporter.post(call(agent_name="Typo", input_tokens=7), JSON).outcome() == (1, 0, 0)
    forget, = examples(DOCS / "operations.md", "Cardinality")
    run(forget, at(exporter), tmp_path)
