"""Exceptions worked on as people do it: commands against a running system, which keeps the log of all of it."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from processes import ROOT, Ran, Up, wait_until
from typer.testing import CliRunner

from core.errors import TieoutError
from store.client import Store
from store.folder import running
from tieout.cli import app
from tieout.scaffold import create

# It waits for several runs of the jobs.
pytestmark = pytest.mark.slow

END = datetime(2026, 6, 1, tzinfo=UTC)
SETTINGS = """
title: live
jobs: {reconcile: 1s, exceptions: 1s, alerts: 1h, kpis: 1h}
access:
  people:
    ana: {role: worker}
    cy: {role: approver, token: {env: CY_TOKEN}}
"""
RULES = """
service_levels: [{name: any, severity: high, acknowledge: 4h, resolve: 5d}]
assign: [{name: all, owner: treasury, to: ana}]
"""
CY = {"TIEOUT_TOKEN": "the-token-of-cy-is-long"}


def tieout(*words: str, **environment: str) -> Ran:
    """A command in this process: what it does is done by the running system."""
    done = CliRunner().invoke(app, words, env={"USER": "nobody", "COLUMNS": "200", **environment})
    if isinstance(done.exception, TieoutError):
        return Ran(done.exception.exit_code, done.stdout, str(done.exception))
    return Ran(done.exit_code, done.stdout, done.stderr)


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A site that watches orders, with one worker and one approver."""
    monkeypatch.setenv("CY_TOKEN", CY["TIEOUT_TOKEN"])
    folder = tmp_path / "site"
    create(folder, ROOT / "examples" / "demo")
    shutil.rmtree(folder / "alerts")
    shutil.rmtree(folder / "mappings")
    (folder / "tieout.yaml").write_text(SETTINGS)
    (folder / "exceptions.yaml").write_text(RULES)
    flow = (ROOT / "tests" / "dashboard" / "orders.yaml").read_text()
    (folder / "workflows" / "orders.yaml").write_text(
        flow.replace("[erp, bank]", "[otlp/erp]").replace("[bank]", "[otlp/erp]")
    )
    return folder


def orders_never_paid(project: Path, count: int) -> None:
    """Orders of January, acknowledged in time and never paid; the source is complete through June."""
    live = running(project / "data")
    assert live
    when = datetime(2026, 1, 5, tzinfo=UTC)
    rows = [
        {
            "event_id": f"e{number}{step}", "workflow": "orders", "step": step, "occurred_at": when, "known_at": when,
            "objects.type": ["order"], "objects.key": [f"O{number}"], "objects.role": [""], "amount": 100,
            "currency": "EUR", "outcome": "ok", "attempt": 1, "actor": "", "dims": {}, "trace_id": "", "source": "otlp/erp",
        }
        for number in range(count) for step in ("order.sent", "order.acked")
    ]  # fmt: skip
    mark = {
        "source": "otlp/erp",
        "complete_through": END,
        "heartbeat_at": END,
        "known_at": when,
        "run_id": "r",
    }
    with Store(live.store_url, token=live.writer_token.get_secret_value()) as store:
        store.insert("events", rows)
        store.insert("watermarks", [mark])


def test_a_running_system_takes_acts_of_people_and_keeps_the_log(
    project: Path, up: Callable[..., Up]
) -> None:
    up(project, "jobs")
    orders_never_paid(project, 3)

    def ask(*words: str, **environment: str) -> Ran:
        return tieout("exceptions", *words, "--project", str(project), **environment)

    def listed(*words: str) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = ask("list", "--json", *words).json["exceptions"]
        return found

    # Found, given to ana by the rule, with a clock that has run out.
    wait_until(lambda: [row["assignee"] for row in listed()] == ["ana"] * 3, "the assignment by rule")
    first, second, third = listed()
    assert {(row["severity"], row["resolve_clock"]) for row in (first, second, third)} == {
        ("high", "breached")
    }

    one = first["exception_id"]
    assert ask("waive", one, "--by", "ana", "--reason", "TIMING", "--for", "30d").code == 0
    alone = ask("approve", one, "--by", "ana")
    assert (alone.code, "needs the role approver" in alone.err) == (2, True)
    pretending = ask("approve", one, "--by", "cy")
    assert (pretending.code, "set TIEOUT_TOKEN" in pretending.err) == (2, True)
    assert ask("approve", one, **CY).code == 0

    seen = str(second["version"])
    again = [
        ask("ack", second["exception_id"], "--by", "ana", "--act-id", "x", "--seen", seen) for _ in range(2)
    ]
    assert [ran.code for ran in again] == [0, 0]
    assert "had been done before" in again[1].err
    late = ask("resolve", second["exception_id"], "--by", "ana", "--note", "n", "--seen", seen)
    assert (late.code, "acknowledged by ana" in late.err) == (2, True)

    typo = ask("explain", third["exception_id"], "--by", "ana", "--reason", "PRIZE")
    assert (typo.code, "did you mean 'PRICE'?" in typo.err) == (2, True)
    many = ask("resolve", "--all", "--owner", "treasury", "--by", "ana", "--note", "paid by hand", "--json")
    assert [one["done"] for one in many.json["outcomes"]] == [True, True, True]
    assert listed() == []
    acts = ask("history", one, "--json").json["acts"]
    assert [(act["action"], act["actor"]) for act in acts] == [
        ("assigned", "tieout"), ("waiver_requested", "ana"), ("waived", "cy"), ("resolved", "ana"),
    ]  # fmt: skip

    checks_of_the_log(project)


def checks_of_the_log(project: Path) -> None:
    """The log holds; an act taken out of it or out of its table is found, and so is a cut end."""
    where = ("--project", str(project))
    held = tieout("audit", "verify", "--json", *where)
    assert (held.code, held.json["holds"], held.json["breaks"]) == (0, True, [])
    anchor = project / "anchor.txt"
    assert tieout("audit", "anchor", "-o", str(anchor), *where).code == 0
    assert anchor.read_text().strip() == held.json["anchor"]
    live = running(project / "data")
    assert live
    with Store(live.store_url, token=live.writer_token.get_secret_value()) as store:
        kinds = store.value("SELECT groupUniqArray(toString(kind)) FROM audit_log")
        assert set(kinds) >= {"activation", "act", "sign_in"}
        store.command("DELETE FROM exceptions WHERE action = 'waived'")
        broken = tieout("audit", "verify", "--json", *where)
        assert (broken.code, [one["what"] for one in broken.json["breaks"]]) == (1, ["removed"])
        store.command("DELETE FROM audit_log WHERE seq >= {seq:UInt64}", {"seq": held.json["rows"]})
    cut = tieout("audit", "verify", "--json", "--anchor", str(anchor), *where)
    assert cut.code == 1
    assert "truncated" in [one["what"] for one in cut.json["breaks"]]
