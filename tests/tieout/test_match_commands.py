"""`tieout match`: rules of a project, from the file to what is said of a record."""

from __future__ import annotations

import re
import subprocess
import sys
from decimal import Decimal
from pathlib import Path
from time import sleep

import pytest
from processes import ROOT, tieout
from typer.testing import CliRunner

from reconcile.matching.verbs import MatchVerb
from reconcile.run import SETTLE
from reconcile.service import AcceptBody, MatchBody
from tieout.cli import app

RULE = """\
rule: paid
title: Invoices and payments
workflow: procure_to_payment
owner: accounts payable
legs:
  invoice: {type: invoice, fields: {number: number, amount: "@amount"}}
  payment: {type: payment, fields: {number: invoice, amount: "@amount"}, within: 2bd}
normalise: {number: [upper, strip_punctuation, strip_leading_zeros]}
keys: [{fields: [number], method: pair, window: {business_days: [0, 1]}}]
numbers: {amount: {}}
compare: {amount: {field: amount, means: amount, expected: invoice, actual: payment}}
calendar: week
"""
TESTS = """\
rule: paid
tests:
  - name: Paid in full
    as_of: 2026-03-31
    given:
      invoice: [{key: I, at: 2026-03-01, number: 00-1, amount: 10}]
      payment: [{key: P, at: 2026-03-02, number: "1", amount: 10}]
    expect: [{records: [I, P], state: MATCHED}]
  - name: On Monday nobody calls it missing that was there on Saturday
    as_of: 2026-03-03
    given:
      invoice: [{key: I, at: 2026-02-28, number: 00-1, amount: 10}]
    expect: [{records: [I], state: NOT_DUE}]
"""
# The states of two systems, put where probes would put them.
STATES = """\
import sys
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from tieout.opening import store_of
from tieout.project import open_project

at = datetime(2026, 3, 1, tzinfo=UTC)
with store_of(open_project(Path(sys.argv[1])), at, "test", write=True) as store:
    store.insert("snapshots", [
        {"system": "erp", "object_type": kind, "object_key": key, "fields": fields, "amount": Decimal(amount), "currency": "EUR",
         "deleted": False, "valid_from": at, "captured_at": at, "known_at": at, "row_hash": key, "source": "s", "run_id": ""}
        for kind, key, fields, amount in (
            ("invoice", "INV-1", {"number": "00-7"}, "100"), ("payment", "PAY-1", {"invoice": "7"}, "100"),
            ("invoice", "INV-2", {"number": "8"}, "50"), ("payment", "PAY-2", {"invoice": "8"}, "48"),
        )
    ])
"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    folder = tmp_path / "site"
    (folder / "matching").mkdir(parents=True)
    (folder / "tieout.yaml").write_text("shipped_workflows: [procure_to_payment]\n")
    (folder / "calendars").mkdir()
    (folder / "calendars" / "week.yaml").write_text("{calendar: week, title: Week, zone: UTC}\n")
    (folder / "matching" / "paid.yaml").write_text(RULE)
    (folder / "matching" / "paid_test.yaml").write_text(TESTS)
    return folder


def _period(at: tuple[str, ...]) -> None:
    """Both are due two business days after Sunday 1 March: in March, as K07 and the bridge say alike."""
    march = ("--period", "2026-P03", "--calendar", "week")
    (bridge,) = tieout("match", "bridge", *at, "--period", "2026-P03").json["bridge"]
    shown = tieout("kpi", "show", "K07", *at, *march).json["figures"]
    (net,) = (row for row in shown if row["measure"] == "net")
    assert (bridge["period"], float(bridge["net"]), net["period"], net["value"]) == (
        "2026-P03",
        -2,
        "2026-P03",
        -2,
    )
    parts = tieout("kpi", "show", "K07", *at, *march, "--by", "cause").json["figures"]
    assert [(row["segment"], row["value"]) for row in parts if row["measure"] == "net"] == [
        ("unexplained", -2)
    ]
    # The workflow of the rule names no calendar.
    refused = tieout("kpi", "show", "K07", *at, "--period", "2026-P03")
    assert refused.code == 2
    assert "name one with --calendar: week" in " ".join(refused.err.split())


@pytest.mark.slow
def test_a_rule_goes_from_its_file_to_what_is_said_of_a_record(project: Path) -> None:
    at = ("--project", str(project), "--json")
    tests = tieout("test", *at)
    assert (tests.code, [one["passed"] for one in tests.json["tests"]]) == (0, [True, True]), tests.err
    subprocess.run([sys.executable, "-c", STATES, str(project)], cwd=ROOT, check=True)
    (done,) = tieout("match", "run", *at).json["rules"]
    assert (done["rule"], done["decisions"], done["judged"]) == ("paid", 2, 1)
    said = tieout("match", "list", *at, "--as-of", "2026-03-31").json["matches"]
    assert [(row["records"], row["state"], float(row["residual"])) for row in said] == [
        (["INV-1", "PAY-1"], "MATCHED", 0),
        (["INV-2", "PAY-2"], "MISMATCH", -2),
    ]
    (worked_on,) = tieout("exceptions", "list", *at, "--as-of", "2026-03-31").json["exceptions"]
    assert [row["age_days"] for row in said] == [None, worked_on["age_days"]]
    (story,) = tieout("match", "explain", "PAY-2", *at, "--as-of", "2026-03-31").json["stories"]
    assert story["would_match"] == ["amount differs by 2, 0 is allowed"]
    _period(at)
    tried = project / "tried.yaml"
    tried.write_text(RULE.replace("actual: payment}", "actual: payment, under: {pct: 5}}"))
    found = tieout("match", "backtest", str(tried), *at, "--as-of", "2026-03-31").json
    assert [
        (row["leg"], row["state_before"], row["state_after"], row["amount"]) for row in found["changes"]
    ] == [
        ("invoice", "MISMATCH", "MATCHED_TOL", "50"),
        ("payment", "MISMATCH", "MATCHED_TOL", "48"),
    ]
    wanted = ("INV-2", "PAY-2", "--reason", "FEE", "--note", "bank charge", "--seen", "-2.00")
    asked = tieout("match", "join", *wanted, "--by", "ana", *at).json["outcome"]
    assert (asked["action"], asked["accepted"]) == ("requested", ["amount: 48, expected 50"])
    assert tieout("match", "approve", asked["decision_id"], "--by", "cy", *at).json["done"]
    # The job does not yet take in what became known a moment ago.
    sleep(SETTLE.total_seconds())
    tieout("match", "run", *at)
    (story,) = tieout("match", "explain", "PAY-2", *at).json["stories"]
    assert (story["verdict"], story["rule_alone"]) == (
        "matched_tol",
        "PAY-2 does not agree together with 1 other record, by number: AMOUNT: amount 48, expected 50.",
    )
    assert [(act["action"], act["actor"], act["note"]) for act in story["by_hand"]] == [
        ("requested", "ana", "bank charge"), ("approved", "cy", ""),
    ]  # fmt: skip
    assert story["by_hand"][0]["said"] == "invoice:INV-2 + payment:PAY-2 MISMATCH AMOUNT"
    (one,) = tieout("match", "decisions", *at).json["decisions"]
    assert (one["state"], one["last"]["actor"]) == ("together", "cy")


def test_commands_and_bodies_of_the_page_are_there() -> None:
    page = (ROOT / "docs" / "how-to" / "matching.md").read_text()
    commands = set(re.findall(r"^tieout match ([\w-]+)", page, re.MULTILINE))
    assert set(MatchVerb) <= commands
    for command in sorted(commands):
        assert CliRunner().invoke(app, ["match", command, "--help"]).exit_code == 0, command
    bodies = re.findall(r'^{"action".*}$', page, re.MULTILINE)
    assert [MatchBody.model_validate_json(body).request().seen for body in bodies] == [Decimal("-3.00")]
    (several,) = re.findall(r'^{"rule".*}$', page, re.MULTILINE)
    assert len(AcceptBody.model_validate_json(several).request().suggestions) == 2


@pytest.mark.slow
def test_a_mistake_in_a_rule_or_a_name_is_told_with_its_cure(project: Path) -> None:
    file = project / "matching" / "paid.yaml"
    file.write_text(RULE.replace("expected: invoice", "expected: invoices"))
    checked = tieout("check", "--project", str(project))
    assert checked.code == 1
    assert (
        f"{file}:11:50: unknown leg 'invoices'; allowed: invoice, payment; did you mean 'invoice'?"
        in checked.out
    )
    file.write_text(RULE)
    asked = tieout("match", "list", "--project", str(project), "--rule", "piad")
    assert (asked.code, "did you mean 'paid'?" in asked.err) == (2, True)
