"""`tieout probe …` as people use it, and how probes are scheduled."""

from __future__ import annotations

import sqlite3
from datetime import timedelta
from pathlib import Path

import pytest
from processes import ROOT, tieout

from core.errors import ConfigurationError
from probes import presets
from tieout.commands.probe import probe_preset
from tieout.commands.probe_init import probe_init
from tieout.jobs import jobs_of
from tieout.project import load_project, open_project
from tieout.scaffold import create

PROBE = """name: erp_orders
kind: sql
title: Orders of the ERP
workflow: procure_to_payment
system: erp
every: 10m
url: sqlite:///{folder}/orders.db
query: SELECT order_no, changed_at FROM orders
object: {{type: order, key: order_no, fields: [order_no], valid_from: changed_at}}
"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    folder = tmp_path / "site"
    create(folder, ROOT / "examples" / "demo")
    (folder / "probes" / "erp_orders.yaml").write_text(PROBE.format(folder=tmp_path))
    return folder


def _add(project: Path, text: str) -> None:
    file = project / "tieout.yaml"
    file.write_text(file.read_text() + text)


def test_probes_start_a_little_apart_and_hold_up_no_other_job(project: Path) -> None:
    jobs = {job.name: job for job in jobs_of(open_project(project))}
    probe = jobs.pop("probe/erp_orders")
    assert (probe.every, probe.jitter, probe.executor) == (
        timedelta(minutes=10),
        timedelta(minutes=1),
        "probes",
    )
    assert {(job.jitter, job.executor) for job in jobs.values()} == {(timedelta(0), "default")}


def test_a_rule_for_a_system_no_probe_reads_is_a_mistake_with_a_place(project: Path) -> None:
    _add(project, "systems:\n  epr: {concurrency: 1}\n")
    _, [finding] = load_project(project)
    assert ("system (no probe has it) 'epr'" in finding.message, finding.nearest) == (True, "erp")
    assert finding.line == len((project / "tieout.yaml").read_text().splitlines())


def test_a_host_that_is_not_on_the_list_of_its_system_is_a_mistake_in_the_probe_file(project: Path) -> None:
    _add(project, 'systems:\n  erp: {hosts: ["*.erp.example", db.example]}\n')
    probe = project / "probes" / "erp_orders.yaml"
    text = probe.read_text()
    for host, allowed in (("DB.example", True), ("a.erp.example", True), ("erp.example.evil", False)):
        probe.write_text(text.replace("sqlite:///", f"postgresql+psycopg://me@{host}/"))
        _, findings = load_project(project)
        assert [host in finding.message for finding in findings] == ([] if allowed else [True])


def test_a_resource_of_dlt_in_a_system_with_a_list_of_hosts_has_to_say_that_it_is_not_held_to_it(
    project: Path,
) -> None:
    probe = project / "probes" / "erp_orders.yaml"
    (project / "ours.py").write_text("def orders():\n    return []\n")
    text = (
        probe.read_text()
        .replace("kind: sql", "kind: dlt\nresource: ours:orders")
        .replace("query:", "# query:")
    )
    text = "\n".join(line for line in text.splitlines() if not line.startswith("url:"))
    probe.write_text(text)
    assert load_project(project)[1] == []
    _add(project, "systems:\n  erp: {hosts: [db.example]}\n")
    [finding] = load_project(project)[1]
    assert "dlt resource ours:orders makes its own requests" in finding.message
    assert (finding.line, "unguarded: true" in finding.message) == (6, True)
    probe.write_text(text + "\nunguarded: true\n")
    assert load_project(project)[1] == []


def test_the_rule_of_a_system_is_read_with_its_units(project: Path) -> None:
    _add(
        project,
        "systems:\n  erp: {requests_per_s: 2.5, breaker: {failures: 2, pause: 1h}, networks: [10.0.0.0/8]}\n",
    )
    rule = open_project(project).settings.systems["erp"]
    assert (rule.requests_per_s, rule.breaker.pause, str(rule.networks[0])) == (
        2.5,
        timedelta(hours=1),
        "10.0.0.0/8",
    )


def _orders(folder: Path) -> None:
    with sqlite3.connect(folder / "orders.db") as db:
        db.execute("CREATE TABLE orders (order_no TEXT, status TEXT, changed_at TEXT)")
        db.execute("INSERT INTO orders VALUES ('A1', 'open', '2026-11-20 10:00:00')")


@pytest.mark.slow
def test_a_probe_is_begun_looked_over_run_and_listed_from_the_command_line(
    project: Path, tmp_path: Path
) -> None:
    """One after the other, as a person would; the flags say what the prompts would ask."""
    _orders(tmp_path)
    (project / "probes" / "erp_orders.yaml").unlink()
    answers = {
        "url": "sqlite:///${ORDERS_DB}", "query": "SELECT order_no, status, changed_at FROM orders",
        "workflow": "procure_to_payment", "system": "erp", "object.type": "order", "object.key": "order_no",
        "object.fields": "status", "object.valid_from": "changed_at",
    }  # fmt: skip
    flags = [part for key, value in answers.items() for part in ("--set", f"{key}={value}")]
    at, environment = ["--project", str(project)], {"ORDERS_DB": str(tmp_path / "orders.db")}
    begun = tieout("probe", "init", "sql", "erp_orders", *flags, *at, **environment)
    assert (begun.code, "✓ mapping: 1 records are understood" in begun.out) == (0, True), begun
    assert "url: sqlite:///${ORDERS_DB}" in (project / "probes" / "erp_orders.yaml").read_text()

    wrong = tieout("probe", "doctor", "erp_orders", "--json", *at)
    assert wrong.code == 1
    assert [(c["name"], c["ok"]) for c in wrong.json["checks"]] == [("credentials", False)]
    assert "ORDERS_DB is not set" in wrong.json["checks"][0]["found"]

    ran = tieout("probe", "run", "erp_orders", "--json", *at, **environment)
    assert (ran.code, ran.json["changed"], ran.json["system"]) == (0, 1, "erp")
    listed = tieout("probe", "list", "--json", *at, **environment).json["probes"][0]
    assert (listed["status"], listed["system_state"], listed["tries_24h"]) == ("ok", "closed", 1)


@pytest.mark.parametrize(
    ("flags", "says"),
    [
        ([], "say the rest by flags"),
        (["url"], "write --set KEY=VALUE"),
        (["url=postgresql://me:s3cret@db/x"], "holds a password in clear"),
        (["url=x", "client=a", "client.base_url=b"], "client is said as a whole and in part"),
    ],
)
def test_what_cannot_begin_a_probe_is_said_and_nothing_is_written(
    project: Path, flags: list[str], says: str
) -> None:
    given = ["query=SELECT 1", "workflow=procure_to_payment", "system=x"]
    given += ["object.type=order", "object.key=a"] if flags else []
    with pytest.raises(ConfigurationError) as caught:
        probe_init("sql", "new_one", [*given, *flags], project=project)
    assert says in str(caught.value)
    assert "s3cret" not in str(caught.value)
    assert not list((project / "probes").glob("new_one*"))


def test_a_preset_is_printed_to_begin_from_and_a_wrong_name_gets_the_nearest(
    capsys: pytest.CaptureFixture[str],
) -> None:
    probe_preset()
    name = capsys.readouterr().out.splitlines()[0]
    probe_preset(name)
    assert "\nkind: " in capsys.readouterr().out
    with pytest.raises(ConfigurationError, match=f"did you mean '{name}'"):
        probe_preset(name[:-1])


GIVEN = ["MIRTH_URL=https://mirth.example:8443/api", "MIRTH_USER=007"]


def test_a_preset_that_cannot_be_begun_is_said_and_nothing_is_written(project: Path) -> None:
    in_clear = ["MIRTH_URL=https://me:s3cret@mirth.example", "MIRTH_USER=x"]
    cases: list[tuple[str, str, list[str], str]] = [
        ("mirth/chanels", "", [], "did you mean 'mirth/channels'?"),
        (
            "mirth",
            "",
            GIVEN[:1],
            "--set MIRTH_USER=…   client.auth.username\n  set MIRTH_PASSWORD where tieout runs",
        ),
        ("mirth", "adt", GIVEN, "leave out 'adt'"),
        ("mirth", "", [*GIVEN, "MIRTH_PASSWORD=s3cret"], "MIRTH_PASSWORD is a secret"),
        ("mirth", "", [*GIVEN, "client.auth.password=s3cret"], "MIRTH_PASSWORD is a secret"),
        ("mirth", "", in_clear, "holds a password in clear"),
        ("mirth", "", [*GIVEN, "name.first=x"], "'name' holds a value"),
        ("mirth", "", GIVEN, "environment variable MIRTH_PASSWORD is not set"),
        ("", "", [], "say KIND and NAME of the probe, or --preset"),
    ]
    for preset, name, flags, says in cases:
        with pytest.raises(ConfigurationError) as caught:
            probe_init(name, "", flags, preset, project=project)
        assert says in str(caught.value)
        assert "s3cret" not in str(caught.value)
    assert [file.stem for file in (project / "probes").glob("*.yaml")] == ["erp_orders"]


def test_a_preset_is_begun_with_what_is_known_and_keeps_its_secrets_as_references(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    probe_init(
        "adt", "", [*GIVEN, "system=mirth_a", "every=2m"], "mirth/channels", test=False, project=project
    )
    written = (project / "probes" / "adt.yaml").read_text()
    assert written.startswith(presets.text("mirth/channels").split("\nname:")[0])
    for line in (
        "name: adt",
        "system: mirth_a",
        "every: 2m",
        "username: '007'",
        "password: ${MIRTH_PASSWORD}",
    ):
        assert line in written
    monkeypatch.setenv("MIRTH_PASSWORD", "pw")
    assert str(open_project(project).probes["adt"].place).startswith(
        "https://mirth.example:8443/api/channels"
    )
    with pytest.raises(ConfigurationError, match="there is a probe 'adt' already"):
        probe_init("adt", "", GIVEN, "mirth/channels", test=False, project=project)


def test_a_preset_is_written_as_it_is_where_nothing_is_said() -> None:
    for name in presets.names():
        text = presets.text(name)
        assert presets.filled(text, {}).split() == text.split()
        assert presets.own_name(presets.filled(text, {"name": "mine"})) == "mine"
        found = presets.variables(text)
        assert all(variable.at for variable in found)
        assert all(variable.comment.startswith("https://") for variable in found if variable.comment)
        assert not any(variable.comment for variable in found if "_ID" in variable.name)
        assert {variable.secret for variable in found} == {True, False}
