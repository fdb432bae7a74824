"""docs/openapi.yaml describes what each route of the program does."""

import os
import re
import subprocess

import pytest
import yaml

from exporter import BINARY, JSON, ROOT, SUPPORT, call

DESCRIPTION = ROOT / "docs" / "openapi.yaml"
OPENAPI = yaml.safe_load(DESCRIPTION.read_text())
#: The environment that has schemathesis (scripts/python-environment openapi).
PROGRAMS = ROOT / ".build-venv-openapi" / "bin"

#: Test cases of an operation in each phase, and their seed: the same in each run, unless the environment sets others.
EXAMPLES = os.environ.get("LLM_EXPORTER_OPENAPI_EXAMPLES", "40")
SEED = os.environ.get("LLM_EXPORTER_OPENAPI_SEED", "10140")

BUDGETS = """
budgets:
  - {name: left, limit_usd: 1000000, period: month}
  - {name: spent, limit_usd: 0.000001, period: month}
"""
#: Parameters of paths.
NAMES = {"{name}": "left"}


def operations():
    for path, item in OPENAPI["paths"].items():
        for method in item:
            if method in ("get", "head", "post"):
                yield method.upper(), path


def filled(path):
    return re.sub(r"{\w+}", lambda name: NAMES[name[0]], path)


@pytest.fixture
def described(start, tmp_path):
    configuration = tmp_path / "config.yaml"
    configuration.write_text(BUDGETS)
    exporter = start("--web.enable-admin-api", "--config.file", str(configuration))
    assert exporter.post(call(agent_name="ReviewerGPT", cost_usd=1)).outcome() == (1, 0, 0)
    return exporter


def run(program, *arguments, within):
    # In the folder of schemathesis.toml and of the hooks that it names.
    done = subprocess.run([PROGRAMS / program, *arguments], cwd=SUPPORT, capture_output=True, text=True,
                          errors="backslashreplace", timeout=within)
    assert done.returncode == 0, (done.stdout + done.stderr)[-20_000:]
    return done.stdout


@pytest.mark.heavy
def test_the_description_is_openapi_3_1():
    assert OPENAPI["openapi"].startswith("3.1.")
    run("openapi-spec-validator", str(DESCRIPTION), within=60)


def test_the_description_has_the_version_of_the_program():
    version = subprocess.run([BINARY, "--version"], capture_output=True, text=True, check=True).stdout
    found = re.search(r"version (\S+) ", version)
    assert found and OPENAPI["info"]["version"] == found[1]


def test_the_description_has_each_route_of_the_program_and_no_other(described):
    source = (ROOT / "Sources" / "Service" / "Route.swift").read_text()
    table = source[source.index("static func table("):source.index("/// The place of the route that a path leads to.")]
    routes = set(re.findall(r'\.(?:get|post|intake|ignored)\("(/[^"]*)"(?!\s*\+)', table))
    routes |= {"/api/v1/budgets/{name}", "/metrics"}
    assert routes == OPENAPI["paths"].keys()
    for path in routes:
        allowed = described.request("DELETE", filled(path)).headers["Allow"]
        assert set(allowed.split(", ")) == {method for method, of in operations() if of == path}, path


def test_each_code_of_a_rejected_record_is_described(described):
    reasons = described.scrape().families["llm_exporter_records_rejected_total"].samples
    codes = OPENAPI["components"]["schemas"]["RecordError"]["properties"]["code"]["enum"]
    assert {sample.labels["reason"] for sample in reasons} == set(codes)


def is_described(method, path, reply):
    """Whether the answer has a status, headers and a media type that the description names."""
    responses = OPENAPI["paths"][path][method.lower()]["responses"]
    response = responses[str(reply.status)]
    if "$ref" in response:
        response = OPENAPI["components"]["responses"][response["$ref"].split("/")[-1]]
    types = [kind.split(";")[0] for kind in response.get("content", {})]
    return reply.headers.get_content_type() in types if types else not reply.body


@pytest.mark.parametrize("flags, status, said", [
    (["--web.max-body-size", "1KiB"], 413, {"data": b"[" + b" " * 2000 + b"]"}),
    ([], 403, {"data": b"{}"}),
], ids=["too large", "no admin"])
def test_answers_that_depend_on_flags_are_described(start, flags, status, said):
    exporter = start(*flags)
    seen = set()
    for method, path in operations():
        if method != "POST":
            continue
        reply = exporter.post(said["data"], JSON, path)
        assert is_described(method, path, reply), (method, path, reply)
        if reply.status == status:
            seen.add(path)
    everything = {path for method, path in operations() if method == "POST"}
    assert seen == (everything if status == 413 else {path for path in everything if "/admin/" in path})


@pytest.mark.heavy
@pytest.mark.timeout(1800)
def test_the_program_answers_generated_requests_as_described(described, figures):
    told = run("schemathesis", "run", str(DESCRIPTION), "--url", described.url, "--max-examples", EXAMPLES,
               "--seed", SEED, within=1700)
    cases = re.search(r"(\d+) generated, \1 passed", told)
    assert cases and int(cases[1]) > 1000, told[-5000:]
    assert described.get("/-/ready").status == 200
    figures(f"requests generated from docs/openapi.yaml: {cases[1]}")
