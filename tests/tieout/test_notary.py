"""What the audit log says beside acts, and that the tables are held against it."""

from __future__ import annotations

import shutil
from dataclasses import asdict, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from processes import ROOT
from pydantic import SecretBytes

from core.errors import CannotRunError, ConfigurationError
from reconcile.acts import content_of
from reconcile.life import Act, Action
from reconcile.matching.desk import MATCH_ACTS
from reconcile.matching.hand import Accepted, HandAct, HandAction
from reconcile.policy import Policy, PolicyFile, activate_levels
from store.audit import AuditLog, Entry
from store.client import Store
from tieout.desk import audit_log
from tieout.notary import note_activations, note_publication, tables_as_chained
from tieout.project import open_project
from tieout.scaffold import create

NOW = datetime(2026, 7, 1, 12, 0, 0, 654321, tzinfo=UTC)
KEY = {"k1": SecretBytes(b"0123456789abcdef0123456789abcdef")}


@pytest.fixture
def log(store: Store) -> AuditLog:
    return AuditLog(store, KEY)


def found(store: Store) -> list[tuple[int, str]]:
    return [(one.seq, one.what) for one in tables_as_chained(store)]


def figure(run_id: str, value: float | None) -> dict[str, Any]:
    return {
        "kpi": "K03", "version": "v", "workflow": "w", "dimension": "", "segment": "total", "measure": "open", "unit": "count",
        "value": value, "low": None, "high": None, "numerator": None, "denominator": None, "n": 1, "window_start": NOW,
        "as_of": NOW, "known_at": NOW, "published_at": NOW, "run_id": run_id,
    }  # fmt: skip


def an_act(number: int, **more: Any) -> Act:
    at = NOW + timedelta(seconds=number)
    return Act(f"a{number}", "x", Action.ACKNOWLEDGED, at, at, "ana", note="Ü \\ ' \"", **more)


def test_rules_that_came_into_force_are_written_down_once(store: Store, log: AuditLog) -> None:
    row = {
        "workflow": "w",
        "version": "v1",
        "content": "{}",
        "activated_at": datetime(1970, 1, 1, tzinfo=UTC),
    }
    store.insert("workflow_versions", [row])
    levels = {"service_levels": [{"name": "a", "severity": "high", "resolve": "1d"}]}
    activate_levels(store, Policy(PolicyFile.model_validate(levels)), NOW)
    assert [note_activations(store, log, NOW) for _ in range(2)] == [2, 0]
    store.insert("workflow_versions", [{**row, "version": "v2", "content": "{1}", "activated_at": NOW}])
    assert note_activations(store, log, NOW) == 1
    subjects = store.rows("SELECT subject FROM audit_log ORDER BY seq")
    assert [one["subject"] for one in subjects] == ["service_levels", "w", "w"]


def test_a_figure_that_was_changed_after_it_was_published_is_found(store: Store, log: AuditLog) -> None:
    store.insert("kpi_values", [figure("r1", 1), figure("r2", None), figure("r3", 3)])
    for run in ("r1", "r2", "r3"):
        note_publication(store, log, "kpis", run, NOW)
    note_publication(store, log, "kpis", "nothing", NOW)
    assert found(store) == []
    store.command("DELETE FROM kpi_values WHERE run_id IN ('r2', 'r3')")
    store.insert("kpi_values", [figure("r2", 0)])
    assert found(store) == [(2, "altered"), (3, "removed")]


def test_an_act_that_is_not_as_the_log_has_it_is_found(store: Store, log: AuditLog) -> None:
    before = {**content_row(an_act(0)), "act_id": "old", "known_at": NOW - timedelta(days=1)}
    acts = [
        an_act(1),
        an_act(2, until=NOW, amount=Decimal("1.5"), currency="EUR", failures=3),
        an_act(3),
        an_act(4),
    ]
    entries = [Entry(act.known_at, act.actor, "act", "x", content_of(act)) for act in acts]
    log.append(entries, "b1")
    store.insert("exceptions", [before, *(content_row(act) for act in acts)])
    # The same act stored twice is one act.
    store.insert("exceptions", [content_row(acts[0])])
    assert found(store) == []
    store.command("DELETE FROM exceptions WHERE act_id IN ('a2', 'a3')")
    store.insert("exceptions", [{**content_row(acts[1]), "amount": 1}, content_row(an_act(9))])
    assert found(store) == [(0, "inserted"), (2, "altered"), (3, "removed")]


def test_an_act_on_a_match_that_is_not_as_the_log_has_it_is_found(store: Store, log: AuditLog) -> None:
    acts = [
        HandAct(
            f"m{number}", "d", HandAction.JOINED, "bank", "cash", NOW + timedelta(seconds=number), "ana",
            (("bank", "Ü \\ ' \""), ("ledger", "L1")), (Decimal("1.5"), None), "FEE", "note", Decimal("-0.25"), "EUR",
            (Accepted("amount", "1,5", 'a "b"'),), "bank:B1 MISSING",
        )
        for number in (1, 2, 3)
    ]  # fmt: skip
    log.append([MATCH_ACTS.entry(act) for act in acts], "b1")
    store.insert("match_acts", [MATCH_ACTS.row(act) for act in [*acts, acts[0]]])
    assert found(store) == []
    assert [MATCH_ACTS.read(row["content"]) for row in log.batch("b1")] == acts
    store.command("DELETE FROM match_acts WHERE act_id IN ('m2', 'm3')")
    changed = replace(acts[1], accepted=(Accepted("amount", "1,5", "a"),))
    store.insert("match_acts", [MATCH_ACTS.row(changed), MATCH_ACTS.row(replace(acts[0], act_id="m9"))])
    assert found(store) == [(0, "inserted"), (2, "altered"), (3, "removed")]


def content_row(act: Act) -> dict[str, Any]:
    """An act as it is stored."""
    return asdict(act)


def project(tmp_path: Path, audit: str = "") -> Path:
    folder = tmp_path / "site"
    create(folder, ROOT / "examples" / "demo")
    shutil.rmtree(folder / "alerts")
    (folder / "tieout.yaml").write_text(
        f"title: site\nshipped_workflows: [hospital_billing, procure_to_payment]\n{audit}"
    )
    return folder


def test_without_a_key_one_is_made_in_the_data_folder_for_its_owner_only(
    store: Store, tmp_path: Path
) -> None:
    loaded = open_project(project(tmp_path))
    audit_log(loaded, store).append([Entry(NOW, "ana", "act", "x", {})], "b")
    file = loaded.data_folder / "audit.key"
    assert file.stat().st_mode & 0o777 == 0o600
    assert audit_log(loaded, store).verify().breaks == ()
    file.write_text("short")
    with pytest.raises(CannotRunError, match="holds no key"):
        audit_log(loaded, store)


def test_a_named_key_that_is_not_there_or_weak_is_refused(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    loaded = open_project(project(tmp_path, "audit: {keys: [{id: k1, secret: {env: AUDIT_KEY}}]}\n"))
    for weak in ("", "short", "ab" * 40):
        monkeypatch.setenv("AUDIT_KEY", weak)
        with pytest.raises(
            ConfigurationError, match=r"audit key 'k1': environment variable AUDIT_KEY is missing"
        ):
            audit_log(loaded, store)
    monkeypatch.setenv("AUDIT_KEY", "0123456789abcdef0123456789abcdef")
    assert audit_log(loaded, store).head().seq == 0
    assert not (loaded.data_folder / "audit.key").exists()
