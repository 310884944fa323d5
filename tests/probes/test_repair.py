"""A record that was set aside is judged again when the probe file was corrected, and displaces nothing newer."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from core.clock import ManualClock
from dashboard import data
from probes.overview import list_probes, set_aside
from probes.probe import ProbeFile
from probes.run import repair, run_probe
from store.client import Store
from store.sqlfile import read
from tests.conftest import NOW
from tests.probes.source import Invoices, count, states
from workflows.model import Workflow

MakeProbe = Callable[..., ProbeFile]
FIVE = timedelta(minutes=5)
WINDOW = "SELECT * FROM invoices WHERE changed >= :cursor AND changed < :window_end"
PARTS: dict[str, Any] = {
    "kind": "sql", "query": WINDOW, "mode": "incremental", "max_rejected_ratio": 1,
    "incremental": {"cursor_path": "changed", "overlap": "0s", "initial_value": "2026-01-01"},
    "object": {"fields": ["status"], "amount": {"column": "total", "currency_column": "cur"}},
}  # fmt: skip
CORRECTED = PARTS | {
    "object": {"fields": ["status", "cur"], "amount": {"column": "total", "currency": "EUR"}}
}


@pytest.fixture
def source(tmp_path: Path) -> Iterator[Invoices]:
    invoices = Invoices(tmp_path)
    invoices.put(no="1", status="open", total="5", cur="EURO", changed="2026-11-20 01:00:00")
    invoices.put(no="2", status="open", total="6", cur="EUR", changed="2026-11-20 02:00:00")
    invoices.put(no="", status="keyless", cur="EUR", changed="2026-11-20 03:00:00")
    yield invoices
    invoices.close()


def reasons(store: Store, probe: ProbeFile) -> list[tuple[str, int]]:
    return [(row["reason"], row["records"]) for row in set_aside(store, probe)]


def shown(store: Store) -> list[tuple[str, int]]:
    rows = store.rows(read(Path(data.__file__).parent / "queries" / "source_rejects.sql"))
    return [(row["reason"], row["reject_count"]) for row in rows]


def test_the_run_after_a_correction_understands_what_was_set_aside_before_it(
    store: Store, make_probe: MakeProbe, source: Invoices, workflow: Workflow
) -> None:
    wrong, right = make_probe(url=source.url, **PARTS), make_probe(url=source.url, **CORRECTED)
    run_probe(store, wrong, workflow, NOW)
    source.run("DELETE FROM invoices WHERE no = '1'")
    assert reasons(store, wrong) == shown(store) == [("no_currency", 1), ("no_key", 1)]
    assert run_probe(store, wrong, workflow, NOW + FIVE).status == "ok"
    run_probe(store, right, workflow, NOW + 2 * FIVE)
    [state] = states(store, "1")
    assert (state["currency"], state["fields"], state["valid_from"]) == (
        "EUR",
        {"status": "open", "cur": "EURO"},
        NOW,
    )
    assert reasons(store, right) == shown(store) == [("no_key", 1)]
    rows = store.rows("SELECT purpose, records_read, records_rejected FROM probe_runs WHERE purpose != 'run'")
    assert [tuple(row.values()) for row in rows] == [("repair", 2, 1)]
    snapshots = count(store, "snapshots")
    run_probe(store, right, workflow, NOW + 3 * FIVE)
    assert repair(store, right, workflow, ManualClock(NOW + 4 * FIVE)).changed == 0
    assert (count(store, "snapshots"), reasons(store, right)) == (snapshots, [("no_key", 1)])
    assert list_probes(store, [right], NOW + 4 * FIVE)[0].started_at == NOW + 3 * FIVE


def test_what_is_known_since_stays_what_holds(
    store: Store, make_probe: MakeProbe, source: Invoices, workflow: Workflow
) -> None:
    wrong, right = make_probe(url=source.url, **PARTS), make_probe(url=source.url, **CORRECTED)
    run_probe(store, wrong, workflow, NOW)
    source.change("1", status="paid", cur="EUR", changed="2026-11-20 12:01:00")
    run_probe(store, wrong, workflow, NOW + FIVE)
    repair(store, right, workflow, ManualClock(NOW + 2 * FIVE))
    newest = store.one(
        "SELECT argMax(fields['status'], (captured_at, valid_from)) AS held, argMax(fields['status'], (valid_from, known_at)) AS now_holds "
        "FROM snapshots WHERE object_key = '1'"
    )
    assert newest == {"held": "paid", "now_holds": "paid"}
    assert ("open", NOW) in [(s["fields"]["status"], s["valid_from"]) for s in states(store, "1")]


def test_a_record_read_without_a_column_that_is_asked_for_now_is_not_guessed_at(
    store: Store, make_probe: MakeProbe, source: Invoices, workflow: Workflow
) -> None:
    run_probe(store, make_probe(url=source.url, **PARTS), workflow, NOW)
    more = CORRECTED | {"object": CORRECTED["object"] | {"fields": ["status", "supplier"]}}
    wider = make_probe(url=source.url, **more)
    done = repair(store, wider, workflow, ManualClock(NOW + FIVE))
    assert (done.read, done.changed, reasons(store, wider)) == (0, 0, [("no_currency", 1), ("no_key", 1)])


def test_what_is_not_understood_for_another_reason_now_stands_under_that_reason(
    store: Store, make_probe: MakeProbe, source: Invoices, workflow: Workflow
) -> None:
    run_probe(store, make_probe(url=source.url, **PARTS), workflow, NOW)
    amount = {"column": "status", "currency": "EUR"}
    other = make_probe(url=source.url, **PARTS | {"object": {"fields": ["total", "cur"], "amount": amount}})
    repair(store, other, workflow, ManualClock(NOW + FIVE))
    assert reasons(store, other) == [("bad_amount", 1), ("no_key", 1)]


def test_a_file_that_is_read_once_is_repaired_though_nothing_new_came(
    store: Store, make_probe: MakeProbe, workflow: Workflow, tmp_path: Path
) -> None:
    import os

    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "a.csv").write_text("no,total,cur\n1,5,EURO\n")
    os.utime(tmp_path / "in" / "a.csv", (0, 0))
    keys = {
        "kind": "files",
        "folder": str(tmp_path / "in"),
        "glob": "*.csv",
        "format": "csv",
        "mode": "incremental",
        "max_rejected_ratio": 1,
    }
    wrong = make_probe(**keys, object={"amount": {"column": "total", "currency_column": "cur"}})
    assert run_probe(store, wrong, workflow, NOW).rejected == 1
    fixed = make_probe(**keys, object={"fields": ["cur"], "amount": {"column": "total", "currency": "EUR"}})
    assert run_probe(store, fixed, workflow, NOW + FIVE).read == 0
    assert ([s["currency"] for s in states(store, "1")], reasons(store, fixed)) == (["EUR"], [])


def test_what_is_said_of_a_whole_file_is_no_record_to_be_judged_again(
    store: Store, make_probe: MakeProbe, workflow: Workflow, tmp_path: Path
) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    (folder / "a.json").write_text('[{"no": "1"}, {"no": ""}, {"no": "2"')
    probe = make_probe(kind="files", folder=str(folder), format="json", controls=[{"equals": 2}])
    done = run_probe(store, probe, workflow, NOW + timedelta(days=3000))
    assert (done.error_code, done.read) == ("not_whole", 2)
    told = store.rows("SELECT reason FROM import_rejects ORDER BY reason")
    assert [row["reason"] for row in told] == ["no_key", "not_whole"]
    assert reasons(store, probe) == [("no_key", 1)]
    again = repair(store, probe, workflow, ManualClock(NOW + timedelta(days=3001)))
    assert (again.read, again.rejected) == (1, 1)
