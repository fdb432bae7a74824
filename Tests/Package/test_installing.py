"""The package from installation to purge, on a fresh Debian 12 with its own systemd, in the service's sandbox."""

SERVICE = "llm-exporter.service"
CONFIGURATION = "etc/llm-exporter/config.yaml"


def test_from_installation_to_purge(machine, package, next_package):
    machine.install(package)
    shown = machine.show(SERVICE, "ActiveState", "UnitFileState", "StatusText", "DynamicUser", "MainPID")
    assert shown["StatusText"] == "Listening on 127.0.0.1:10140", shown
    assert (shown["ActiveState"], shown["UnitFileState"], shown["DynamicUser"]) == ("active", "enabled", "yes")
    assert machine.show("llm-exporter.socket", "UnitFileState")["UnitFileState"] == "disabled"
    owner = int(machine.run("stat", "--format=%u", f"/proc/{shown['MainPID']}").stdout)
    assert 61184 <= owner <= 65519, "a user that exists while the service runs"
    assert machine.get("/-/ready") == "ready\n"
    assert machine.post(id="1")["accepted"] == 1
    assert machine.calls() == 1

    # The journal knows how grave a line is, and nothing else is written beside the log.
    lines = machine.journal()
    own = [line for line in lines if line.get("_COMM") == "llm-exporter"]
    assert own
    assert [line["MESSAGE"] for line in own if not line["MESSAGE"].startswith("level=")] == []
    assert {line["PRIORITY"] for line in own} == {"6"}

    # An administrator's configuration: in force by a reload, and kept by an upgrade.
    file = machine.root / CONFIGURATION
    file.write_text("budgets:\n  - {name: everything, limit_usd: 5, period: day}\n")
    machine.run("systemctl", "reload", SERVICE)
    machine.eventually(lambda: 'budget="everything"' in machine.get("/metrics"), "the budget is in force")
    mine = file.read_text()

    machine.install(next_package)
    assert machine.run("dpkg-query", "--show", "--showformat=${Version}", "llm-exporter").stdout.endswith("+next")
    upgraded = machine.show(SERVICE, "ActiveState", "MainPID")
    assert upgraded["ActiveState"] == "active" and upgraded["MainPID"] != shown["MainPID"]
    assert file.read_text() == mine
    assert machine.post(id="1")["duplicates"] == 1
    assert machine.post(id="2")["accepted"] == 1
    assert machine.calls() == 2
    assert 'llm_budget_limit_usd{budget="everything",period="day"} 5\n' in machine.get("/metrics")

    machine.apt("remove", "llm-exporter")
    assert machine.show(SERVICE, "ActiveState")["ActiveState"] == "inactive"
    assert not (machine.root / "usr/bin/llm-exporter").exists()
    assert file.read_text() == mine
    data = machine.root / "var/lib/private/llm-exporter"
    assert (data / "llm-exporter.db").exists()

    machine.install(next_package)
    assert machine.calls() == 2

    machine.apt("purge", "llm-exporter")
    left = machine.run("find", "/etc", "/lib", "/usr", "/var", "-xdev", "-name", "*llm-exporter*",
                       "-not", "-path", "/var/log/*", "-not", "-path", "/var/cache/*", "-not", "-path", "/var/tmp/*")
    assert left.stdout == ""
    assert machine.run("systemctl", "list-units", "--all", "--plain", "--no-legend", "llm-exporter*").stdout == ""


def test_the_socket_of_the_package(machine, package, next_package):
    machine.install(package)
    machine.run("systemctl", "disable", "--now", SERVICE)
    machine.run("systemctl", "enable", "--now", "llm-exporter.socket")
    assert machine.show(SERVICE, "ActiveState")["ActiveState"] == "inactive"
    assert machine.post(id="1")["accepted"] == 1
    assert machine.show(SERVICE, "ActiveState")["ActiveState"] == "active"
    machine.run("systemctl", "restart", SERVICE)
    assert machine.calls() == 1

    machine.install(next_package)
    assert machine.show("llm-exporter.socket", "ActiveState")["ActiveState"] == "active"
    assert machine.calls() == 1

    machine.apt("purge", "llm-exporter")
    assert machine.show("llm-exporter.socket", "ActiveState")["ActiveState"] == "inactive"
    machine.run("curl", "--silent", "http://127.0.0.1:10140/", expected=7)
