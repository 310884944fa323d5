"""Columns that appear, vanish or change are told; only one that records cannot be without stops a run."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from probes.drift import ColumnChange, changes
from probes.overview import list_probes
from probes.probe import ProbeFile
from probes.run import run_probe
from store.client import Store
from tests.conftest import NOW
from tests.probes.server import Api, serving
from tests.probes.source import Invoices, count
from workflows.model import Workflow

MakeProbe = Callable[..., ProbeFile]
FIVE = timedelta(minutes=5)


def told(store: Store) -> list[tuple[str, str, str, str, bool]]:
    rows = store.rows(
        "SELECT name, change, before, after, needed FROM probe_columns WHERE change != 'first' ORDER BY known_at, name"
    )
    return [tuple(row.values()) for row in rows]  # type: ignore[misc]


@pytest.fixture
def source(tmp_path: Path) -> Iterator[Invoices]:
    invoices = Invoices(tmp_path)
    invoices.put(no="1", status="open", total="10", changed="2026-11-20 10:00:00")
    yield invoices
    invoices.close()


def test_columns_of_a_query_are_told_when_they_come_and_go_and_change(
    store: Store, make_probe: MakeProbe, source: Invoices, workflow: Workflow
) -> None:
    probe = make_probe(
        kind="sql", url=source.url, query="SELECT * FROM invoices",
        object={"fields": ["status"], "amount": {"column": "total", "currency": "EUR"}},
    )  # fmt: skip
    run_probe(store, probe, workflow, NOW)
    assert (told(store), count(store, "probe_columns")) == ([], 9)
    run_probe(store, probe, workflow, NOW + FIVE)
    assert count(store, "probe_columns") == 9
    source.run("ALTER TABLE invoices ADD COLUMN vat NUMERIC")
    source.run("ALTER TABLE invoices DROP COLUMN supplier")
    source.run("UPDATE invoices SET total = 'ten'")
    done = run_probe(store, probe.model_copy(update={"max_rejected_ratio": 1.0}), workflow, NOW + 2 * FIVE)
    assert (done.status, done.error_code) == ("partial", "records_set_aside")
    assert told(store) == [
        ("supplier", "vanished", "", "", False),
        ("total", "retyped", "number", "text", True),
        ("vat", "appeared", "", "", False),
    ]
    [listed] = list_probes(store, [probe], NOW + 2 * FIVE)
    assert (
        listed.changed_columns_7d,
        list_probes(store, [probe], NOW + timedelta(days=8))[0].changed_columns_7d,
    ) == (3, 0)


def test_a_run_that_proves_nothing_says_nothing_of_columns_either(
    store: Store, make_probe: MakeProbe, source: Invoices, workflow: Workflow
) -> None:
    source.put(no="", status="keyless")
    probe = make_probe(kind="sql", url=source.url, query="SELECT * FROM invoices")
    assert run_probe(store, probe, workflow, NOW).complete is False
    assert count(store, "probe_columns") == 0


class Orders:
    def __init__(self) -> None:
        self.api = Api()
        self.records: list[dict[str, Any]] = []
        self.api.answer = lambda _: self.records


@pytest.fixture
def orders() -> Iterator[Orders]:
    found = Orders()
    with serving(found.api.app) as address:
        found.api.address = address
        yield found


def test_records_that_bring_their_own_columns_are_seen_all_of_them(
    store: Store, make_probe: MakeProbe, workflow: Workflow, orders: Orders
) -> None:
    probe = make_probe(
        kind="rest", client={"base_url": orders.api.url}, object={"fields": {"name": "vendor.name"}}
    )
    orders.records = [{"no": "1", "vendor": {"name": "a", "id": 7}}, {"no": "2", "note": None}]
    run_probe(store, probe, workflow, NOW)
    names = store.rows("SELECT name FROM probe_columns ORDER BY name")
    assert [row["name"] for row in names] == ["no", "note", "vendor", "vendor.id", "vendor.name"]
    orders.records = [{"no": "1", "vendor": {"title": "a"}}]
    assert run_probe(store, probe, workflow, NOW + FIVE).status == "ok"
    assert [(name, change) for name, change, *_ in told(store)] == [
        ("note", "vanished"), ("vendor.id", "vanished"), ("vendor.name", "vanished"), ("vendor.title", "appeared"),
    ]  # fmt: skip


def test_a_renamed_column_of_money_is_not_taken_for_objects_without_money(
    store: Store, make_probe: MakeProbe, workflow: Workflow, orders: Orders
) -> None:
    probe = make_probe(
        kind="rest", client={"base_url": orders.api.url},
        object={"amount": {"column": "total", "currency": "EUR"}},
    )  # fmt: skip
    orders.records = [{"no": "1", "total": 5}]
    run_probe(store, probe, workflow, NOW)
    orders.records = [{"no": "1", "totalAmount": 5}]
    done = run_probe(store, probe, workflow, NOW + FIVE)
    assert (done.status, done.error_code, "'total'" in done.error) == ("failed", "column_missing", True)
    assert (count(store, "snapshots"), count(store, "watermarks")) == (1, 1)


def test_a_renamed_column_of_money_shows_in_files_whose_records_bring_their_columns(
    store: Store, make_probe: MakeProbe, workflow: Workflow, tmp_path: Path
) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    probe = make_probe(
        kind="files",
        folder=str(folder),
        format="json",
        object={"amount": {"column": "total", "currency": "EUR"}},
    )
    for name, moment in (("total", NOW), ("totalAmount", NOW + FIVE)):
        (folder / "a.json").write_text(f'[{{"no": "1", "{name}": 5}}]')
        done = run_probe(store, probe, workflow, moment + timedelta(days=3000))
    assert (done.status, done.error_code, "'total'" in done.error) == ("failed", "column_missing", True)
    assert count(store, "snapshots") == 1


def test_a_window_without_a_column_is_no_sign_that_it_is_gone(
    store: Store, make_probe: MakeProbe, workflow: Workflow, orders: Orders
) -> None:
    probe = make_probe(
        kind="rest", client={"base_url": orders.api.url}, mode="incremental",
        incremental={"cursor_path": "at", "param": "since"}, object={"fields": ["paid"]},
    )  # fmt: skip
    orders.records = [{"no": "1", "at": "2026-11-20T10:00:00Z", "paid": "yes"}]
    run_probe(store, probe, workflow, NOW)
    orders.records = [{"no": "2", "at": "2026-11-20T11:00:00Z"}]
    assert run_probe(store, probe, workflow, NOW + FIVE).status == "ok"
    assert told(store) == []


def test_columns_of_files_are_told_also_those_nobody_reads(
    store: Store, make_probe: MakeProbe, workflow: Workflow, tmp_path: Path
) -> None:
    probe = make_probe(kind="files", folder=str(tmp_path / "in"), glob="*.csv", format="csv", delimiter=";")
    (tmp_path / "in").mkdir()
    for turn, header in enumerate(("no;a", "no;b")):
        file = tmp_path / "in" / f"{turn}.csv"
        file.write_text(f"{header}\n1;2\n")
        os.utime(file, (NOW.timestamp() - 600 + turn, NOW.timestamp() - 600 + turn))
        run_probe(store, probe, workflow, NOW + turn * FIVE)
    assert [(name, change) for name, change, *_ in told(store)] == [("a", "vanished"), ("b", "appeared")]


@pytest.mark.parametrize(
    ("known", "seen", "found"),
    [
        ({}, {"a": "number"}, [ColumnChange("a", "first", "", "number")]),
        ({"a": "number"}, {"a": "number"}, []),
        ({"a": "number"}, {"a": ""}, []),
        ({"a": ""}, {"a": "time"}, [ColumnChange("a", "first", "", "time")]),
        ({"a": "text"}, {"a": "number"}, []),
        ({"a": "time"}, {"a": "number"}, [ColumnChange("a", "retyped", "time", "number")]),
        ({"a": "int4"}, {"a": "varchar(9)"}, [ColumnChange("a", "retyped", "int4", "varchar(9)")]),
    ],
)
def test_only_news_is_told(known: dict[str, str], seen: dict[str, str], found: list[ColumnChange]) -> None:
    assert changes(known, seen, may_vanish=True) == found
