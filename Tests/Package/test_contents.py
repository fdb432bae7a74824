"""What is in the package, by the judgement of Debian's tools and of the program itself."""

import json
import re
import subprocess

import pytest

from machine import ROOT


def output(*words, text=None):
    return subprocess.run(words, capture_output=True, text=True, check=True, input=text).stdout


@pytest.fixture(scope="module")
def unpacked(package, tmp_path_factory):
    folder = tmp_path_factory.mktemp("package")
    subprocess.run(["dpkg-deb", "--extract", package, folder], check=True)
    return folder


@pytest.fixture(scope="module")
def program(unpacked):
    return unpacked / "usr/bin/llm-exporter"


def test_lintian_finds_no_fault(package):
    done = subprocess.run(["lintian", "--allow-root", "--fail-on", "error,warning", package], capture_output=True,
                          text=True)
    assert (done.returncode, done.stdout) == (0, ""), done.stdout


def test_it_holds_what_it_should(unpacked):
    for path in ["lib/systemd/system/llm-exporter.service", "lib/systemd/system/llm-exporter.socket",
                 "etc/default/llm-exporter", "etc/llm-exporter/config.yaml",
                 "usr/share/llm-exporter/prices.json", "usr/share/llm-exporter/prometheus.yml",
                 "usr/share/llm-exporter/prometheus/rules.yml", "usr/share/llm-exporter/prometheus/alertmanager.yml",
                 "usr/share/llm-exporter/grafana/llm-exporter.json",
                 "usr/share/llm-exporter/grafana/provisioning/datasources/prometheus.yml",
                 "usr/share/doc/llm-exporter/changelog.Debian.gz", "usr/share/doc/llm-exporter/changelog.gz",
                 "usr/share/doc/llm-exporter/copyright", "usr/share/doc/llm-exporter/README.md.gz"]:
        assert (unpacked / path).is_file(), path
    units = {name: (unpacked / "lib/systemd/system" / name).read_text()
             for name in ("llm-exporter.service", "llm-exporter.socket")}
    assert units == {name: (ROOT / "systemd" / name).read_text() for name in units}


def test_conffiles_are_the_administrator_s(package):
    control = output("dpkg-deb", "--info", package, "conffiles").split()
    assert control == ["/etc/default/llm-exporter", "/etc/llm-exporter/config.yaml"]


def test_the_files_beside_the_program_are_sound(program, unpacked):
    shared = unpacked / "usr/share/llm-exporter"
    output("promtool", "check", "config", shared / "prometheus.yml")
    output("promtool", "test", "rules", shared / "prometheus/rules.test.yml")
    said = output(program, "--config.check", "--prices.no-builtin", "--prices.file", shared / "prices.json",
                  "--config.file", unpacked / "etc/llm-exporter/config.yaml")
    assert "sound" in said
    # The table that is shipped is the one that is built in.
    built_in = output(program, "--config.check", "--config.file", unpacked / "etc/llm-exporter/config.yaml")
    prices = re.findall(r"(\d+) prices", said)
    assert len(prices) == 1 and prices == re.findall(r"(\d+) prices", built_in)


def flags_of(help_text):
    return set(re.findall(r"^  (?:-\w, )?(--[a-z][a-z.-]*[a-z])", help_text, re.MULTILINE))


def commands(program):
    listed = json.loads(output(program, "--experimental-dump-help"))["command"]["subcommands"]
    names = [command["commandName"] for command in listed if command["commandName"] != "help"]
    assert "serve" in names and "backup" in names
    return names


def test_the_man_page_and_the_completions_have_every_flag_of_the_help(program, unpacked):
    page = output("man", "--local-file", "--encoding=UTF-8", "--warnings=w",
                  unpacked / "usr/share/man/man1/llm-exporter.1.gz")
    completions = [
        (unpacked / path).read_text() for path in (
            "usr/share/bash-completion/completions/llm-exporter", "usr/share/zsh/vendor-completions/_llm-exporter")]
    fish = (unpacked / "usr/share/fish/vendor_completions.d/llm-exporter.fish").read_text()
    told = set()
    for command in commands(program):
        flags = flags_of(output(program, "help", command)) - {"--version"}
        assert len(flags) > 1 or command == "check-storage", command
        told |= flags
        for flag in flags:
            assert re.search(rf"(?<![\w-]){re.escape(flag)}(?![\w-])", page), (command, flag)
            assert all(flag in completion for completion in completions), (command, flag)
            assert flag in fish or f"-l '{flag[2:]}'" in fish or f"-l {flag[2:]}" in fish, (command, flag)
        assert re.search(rf"^ +{command}\b", page, re.MULTILINE)
    assert set(re.findall(r"^ +(?:-\w, )?(--[a-z][a-z.-]*[a-z])", page, re.MULTILINE)) <= told | {"--version", "--help"}
    assert "--web.listen-address" in told


def test_the_completions_load(unpacked):
    script = unpacked / "usr/share/bash-completion/completions/llm-exporter"
    assert "llm-exporter" in output("bash", "-c", f"source {script}; complete -p llm-exporter")
