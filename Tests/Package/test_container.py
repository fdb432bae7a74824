"""The container image and its compose file, as far as they can be checked without pulling images.

The commands of the image's last stage are run in a fresh Debian, and the program in it as the image would run it.
"""

import json
import os
import re
import shlex
import shutil
import signal
import subprocess
from pathlib import Path

import pytest
import yaml

from machine import ROOT, Machine, base

CONTAINERFILE = ROOT / "Containerfile"
COMPOSE = yaml.safe_load((ROOT / "compose.yaml").read_text())


def last_stage():
    """The instructions of the stage that is kept, with continued lines joined."""
    text = re.sub(r"^#.*\n", "", CONTAINERFILE.read_text(), flags=re.MULTILINE).replace("\\\n", " ")
    stage = text[text.rindex("FROM "):].splitlines()
    return [tuple(line.split(maxsplit=1)) for line in stage if line.strip()]


def instruction(name):
    [value] = [value for word, value in last_stage() if word == name]
    return value


def test_the_image_has_the_libraries_that_the_program_needs(package):
    depends = subprocess.run(["dpkg-deb", "--field", package, "Depends"], capture_output=True, text=True,
                             check=True).stdout
    needed = {alternative.split()[0] for alternative in depends.split(",")}
    words = shlex.split(instruction("RUN"))
    start = words.index("--no-install-recommends") + 1
    installed = set(words[start:words.index("&&", start)])
    assert installed == needed | {"ca-certificates", "curl"}


def test_the_build_stage_installs_what_the_program_is_built_with():
    script = (ROOT / "scripts/install-packages").read_text()
    script = script[script.index("build=("):script.index("demo=(")]
    wanted = set(re.findall(r"lib[a-z0-9-]+-dev|zlib1g-dev", script))
    build = CONTAINERFILE.read_text().split("FROM ")[1]
    assert set(re.findall(r"lib[a-z0-9-]+-dev|zlib1g-dev", build)) == wanted


def test_both_ignore_files_are_one():
    assert (ROOT / ".containerignore").read_text() == (ROOT / ".dockerignore").read_text()


def test_compose_mounts_what_is_there():
    for service in COMPOSE["services"].values():
        for volume in service["volumes"]:
            source = volume.split(":")[0]
            assert (ROOT / source).exists() if source.startswith(".") else source in COMPOSE["volumes"], volume


def test_everything_is_published_on_loopback_alone():
    published = [port for service in COMPOSE["services"].values() for port in service["ports"]]
    assert len(published) == 3 and all(port.startswith("127.0.0.1:") for port in published)


def test_prometheus_in_a_container_is_that_of_the_repository(tmp_path):
    shutil.copy(ROOT / "packaging/container/prometheus.yml", tmp_path)
    shutil.copy(ROOT / "prometheus/rules.yml", tmp_path)
    done = subprocess.run(["promtool", "check", "config", tmp_path / "prometheus.yml"], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    here, there = (yaml.safe_load((ROOT / path).read_text())
                   for path in ("prometheus.yml", "packaging/container/prometheus.yml"))
    assert here["global"] == there["global"]
    assert [job["job_name"] for job in here["scrape_configs"]] == [job["job_name"] for job in there["scrape_configs"]]
    assert there["scrape_configs"][0]["static_configs"] == [{"targets": ["exporter:10140"]}]


def test_the_data_source_is_that_of_the_dashboard():
    here, there = (yaml.safe_load((ROOT / path).read_text())["datasources"][0] for path in (
        "grafana/provisioning/datasources/prometheus.yml", "packaging/container/datasource.yml"))
    assert {**here, "url": "http://prometheus:9090"} == there


@pytest.fixture
def image(package, tmp_path):
    """A root as the image's last stage makes it."""
    if os.geteuid() != 0:
        pytest.exit("a Debian root is made by root only: sudo make test-package", returncode=4)
    root, unpacked = tmp_path / "root", tmp_path / "package"
    root.mkdir()
    subprocess.run(["tar", "--extract", "--file", base(), "--directory", root], check=True)
    subprocess.run(["chroot", root, "sh", "-c", instruction("RUN")], check=True, stdin=subprocess.DEVNULL,
                   env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "DEBIAN_FRONTEND": "noninteractive"})
    subprocess.run(["dpkg-deb", "--extract", package, unpacked], check=True)
    source, target = instruction("COPY").split()[1:]
    assert source == "/source/.build/release/llm-exporter"
    shutil.copy(unpacked / "usr/bin/llm-exporter", root / target.lstrip("/"))
    yield root
    shutil.rmtree(root)


def test_the_program_runs_in_the_image_as_nobody_in_particular(image):
    command = json.loads(instruction("ENTRYPOINT")) + json.loads(instruction("CMD"))
    check = json.loads(instruction("HEALTHCHECK").partition("CMD ")[2])
    # Its own network, as its port is fixed.
    script = 'mount -t proc proc "$1/proc"; shift; python3 -c "$1"; shift; exec "$@"'
    loopback = ("import fcntl, socket, struct; "
                "fcntl.ioctl(socket.socket(), 0x8914, struct.pack('16sh', b'lo', 0x49))")
    process = subprocess.Popen(
        ["unshare", "--mount", "--net", "--", "sh", "-euc", script, "sh", image, loopback, "chroot",
         f"--userspec={instruction('USER')}", image, *command],
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)

    def inside(*words):
        return subprocess.run(["nsenter", f"--target={process.pid}", "--mount", "--net", "chroot", image, *words],
                              capture_output=True, text=True)

    try:
        Machine.eventually(lambda: inside(*check).returncode == 0, "healthy")
        record = '{"agent_name": "a", "provider": "p", "model": "m", "input_tokens": 1}'
        told = inside("curl", "--silent", "http://127.0.0.1:10140/record", "--json", record).stdout
        assert json.loads(told)["accepted"] == 1
        assert Path(f"/proc/{process.pid}/status").read_text().split("Uid:\t")[1].split()[0] == "10140"
        assert (image / "data" / "llm-exporter.db").stat().st_uid == 10140
        process.send_signal(getattr(signal, instruction("STOPSIGNAL")))
        assert process.wait(10) == 0
        assert process.stdout and "Listening on" in process.stdout.read()
    finally:
        process.kill()
        process.wait()
