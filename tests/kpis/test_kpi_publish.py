"""Published figures are frozen, complete, reproducible; later knowledge is a restatement."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from kpi_world import KNOWN, World, day, shipped
from test_kpi_load import HEADER, QUERY, write

from kpis.kept import from_kept, kept
from kpis.load import load_kpi
from kpis.run import EPOCH, compute, due, publish, restatements
from store.client import Store
from store.errors import StoreError
from workflows.model import Workflow

ALL_ROWS = "SELECT * FROM kpi_values ORDER BY ALL"
AS_OF = day(30)
CUT = ("K04", "K06", "K08", "K10", "K12")


@pytest.fixture
def workflow() -> Workflow:
    return Workflow.model_validate(
        {
            "workflow": "orders", "title": "Orders", "item": "order", "sources": ["erp"], "dimensions": ["department"],
            "objects": {"order": {"title": "Order"}},
            "steps": {step: {"title": step, "select": [{"name": step}]} for step in ("a", "b")},
            "expectations": [{
                "name": "b", "title": "b", "kind": "sequence", "item": "order", "owner": "stock", "after": ["a"],
                "expect": ["b"], "within": "1d",
            }],
        }
    )  # fmt: skip


def fill(world: World) -> World:
    """A month of orders: most arrive, some late, some never, some of an unknown department."""
    world.rule("once", "once", "bill.sent").rule("first", "precedence", "bill.sent")
    for number in range(60):
        came = number % 7 != 0
        world.expect(
            f"O{number % 25}", expectation="shipping", clock=("step", "sync", "end_to_end")[number % 3],
            opened_at=day(number / 3), due_at=day(number / 3 + 4), closed_at=day(number / 3 + number % 9) if came else None,
            closed_as="arrived" if came else "", closed_by=f"x{number}", amount=Decimal(number) if number % 5 else None,
            currency="EUR", dims={"department": "icu"} if number % 4 else {}, failed_at=[day(number / 3)] if number % 6 == 0 else [],
        )  # fmt: skip
    world.expect("O1", kind="once", expectation="once", opened_at=day(3), due_at=day(3), opened_by="x1")
    for number in range(4):
        world.event(f"O{number}", occurred_at=day(number))
    world.event("O1", event_id="again", occurred_at=day(1))
    return world.watermark(day(40)).write()


def run(store: Store, workflow: Workflow, **changes: Any) -> int:
    options = {"as_of": AS_OF, "known_at": KNOWN, "now": KNOWN, "run_id": "r1"} | changes
    kpis = options.pop("kpis", [shipped()[kpi] for kpi in ("K04", "K06", "K12")])
    return publish(store, kpis, [workflow], **options)


@pytest.mark.slow
def test_a_publication_holds_what_computing_gives(world: World, workflow: Workflow) -> None:
    """In the units that the headers declare."""
    fill(world)
    written = run(world.store, workflow, kpis=shipped().values())
    rows = world.store.rows(ALL_ROWS)
    for row in rows:
        unit = shipped()[row["kpi"]].unit_of(row["measure"])
        assert unit == row["unit"] or (unit == "currency" and row["unit"] == "EUR"), row
    assert written == len(rows) > 0
    for kpi in shipped().values():
        for dimension in ("", "department") if kpi.id in CUT else ("",):
            published = [
                {
                    name: row[name]
                    for name in (
                        "segment",
                        "measure",
                        "unit",
                        "value",
                        "low",
                        "high",
                        "numerator",
                        "denominator",
                        "n",
                    )
                }
                for row in rows
                if (row["kpi"], row["dimension"]) == (kpi.id, dimension)
            ]
            computed = compute(world.store, kpi, "orders", dimension, AS_OF, KNOWN)
            assert sorted(published, key=str) == sorted(computed, key=str), (kpi.id, dimension)


def test_a_second_run_adds_nothing(world: World, workflow: Workflow) -> None:
    fill(world)
    run(world.store, workflow)
    before = world.store.rows(ALL_ROWS)
    assert run(world.store, workflow, now=KNOWN + timedelta(hours=1), run_id="r2") == 0
    assert world.store.rows(ALL_ROWS) == before


def test_a_figure_once_published_stays_when_the_facts_change_behind_it(
    world: World, workflow: Workflow
) -> None:
    fill(world)
    run(world.store, workflow)
    before = world.store.rows(ALL_ROWS)
    other = World(world.store, "orders")
    other.expect("late", opened_at=day(1), due_at=day(2))
    world.store.insert("expectations", other.expectations)
    run(world.store, workflow)
    keys = {(row["kpi"], row["dimension"]) for row in before}
    after = [row for row in world.store.rows(ALL_ROWS) if (row["kpi"], row["dimension"]) in keys]
    assert after == before


def test_recomputing_gives_the_same_bytes(world: World, workflow: Workflow) -> None:
    fill(world)
    figures = "SELECT * EXCEPT (published_at, run_id) FROM kpi_values ORDER BY ALL FORMAT RowBinary"
    run(world.store, workflow)
    first = world.store.raw(figures)
    world.store.command("TRUNCATE TABLE kpi_values")
    world.store.command("OPTIMIZE TABLE expectations FINAL")
    run(world.store, workflow, now=KNOWN + timedelta(days=9), run_id="r9")
    assert world.store.raw(figures) == first
    assert first


def test_later_evidence_is_a_restatement_beside_the_first_figure(world: World, workflow: Workflow) -> None:
    world.expect("A", opened_at=day(0), due_at=day(5)).watermark(day(40)).write()
    run(world.store, workflow, known_at=day(31))
    later = World(world.store, "orders")
    later.expect(
        "A",
        opened_at=day(0),
        due_at=day(5),
        closed_at=day(4),
        closed_as="arrived",
        known_at=day(50),
        evidence=2,
    )
    world.store.insert("expectations", later.expectations)
    run(world.store, workflow, known_at=day(51))
    rate = [
        row
        for row in restatements(world.store, "orders")
        if (row["kpi"], row["measure"], row["dimension"]) == ("K06", "eventual", "")
    ]
    assert [(row["first_value"], row["latest_value"], row["difference"], row["cause"]) for row in rate] == [
        (0, 1, 1, "evidence")
    ]
    assert (rate[0]["first_known_at"], rate[0]["latest_known_at"], rate[0]["as_of"]) == (
        day(31),
        day(51),
        AS_OF,
    )
    figures = world.store.rows(
        "SELECT value FROM kpi_values WHERE kpi = 'K06' AND measure = 'eventual' AND dimension = '' ORDER BY known_at"
    )
    assert [row["value"] for row in figures] == [0, 1]


def test_a_changed_definition_is_told_from_later_evidence(
    world: World, workflow: Workflow, tmp_path: Path
) -> None:
    world.expect("A", due_at=day(5)).watermark(day(40)).write()
    for number, query in enumerate((QUERY, QUERY.replace("count() AS value", "2 * count() AS value"))):
        folder = tmp_path / str(number)
        folder.mkdir()
        kpi, _ = load_kpi(write(folder, HEADER + query))
        assert kpi
        publish(world.store, [kpi], [workflow], AS_OF, KNOWN, KNOWN + timedelta(hours=number), "r")
    total = [row for row in restatements(world.store, "orders") if not row["dimension"]]
    assert [(row["first_value"], row["latest_value"], row["cause"]) for row in total] == [
        (1, 2, "definition")
    ]


def test_a_query_of_a_site_cannot_write(world: World, workflow: Workflow, tmp_path: Path) -> None:
    text = HEADER + QUERY.replace(
        "failing = 1", "failing = 1 AND 0 IN (SELECT count() FROM file('/etc/hostname', 'LineAsString'))"
    )
    kpi, _ = load_kpi(write(tmp_path, text))
    assert kpi
    world.write()
    with pytest.raises(StoreError):
        publish(world.store, [kpi], [workflow], AS_OF, KNOWN, KNOWN, "r")
    assert world.store.value("SELECT count() FROM kpi_values") == 0


def test_a_run_that_fails_leaves_nothing_behind(world: World, workflow: Workflow, tmp_path: Path) -> None:
    fill(world)
    kpi, _ = load_kpi(
        write(tmp_path, HEADER + QUERY.replace("count() AS value", "throwIf(count() > 0) AS value"))
    )
    assert kpi
    with pytest.raises(StoreError):
        publish(world.store, [shipped()["K06"], shipped()["K21"], kpi], [workflow], AS_OF, KNOWN, KNOWN, "r")
    assert world.store.value("SELECT count() FROM kpi_values") == 0
    assert world.store.rows("SHOW TABLES LIKE 'kpi_kept%'") == []


def test_tables_of_a_run_that_was_killed_are_cleared_a_day_later(world: World, workflow: Workflow) -> None:
    store = world.write().store
    with kept(store, ["orders"], AS_OF, KNOWN, KNOWN, "killed") as tables:
        names = set(tables.values())
        tomorrow = KNOWN + timedelta(days=3650)
        with kept(store, ["orders"], AS_OF, KNOWN, tomorrow, "next") as others:
            left = {row["name"] for row in store.rows("SHOW TABLES LIKE 'kpi_kept%'")}
            assert left == set(others.values())
            assert not left & names


def test_only_a_call_for_the_same_moment_reads_the_kept_table() -> None:
    tables = {"verdicts_at": "kept_v", "exceptions_at": "kept_e"}
    same = "FROM verdicts_at(\n  known_at = {known_at:DateTime64(6, 'UTC')},as_of={as_of:DateTime64(6, 'UTC')}) AS v"
    other = "FROM verdicts_at(as_of = {as_of:DateTime64(6, 'UTC')} - INTERVAL 30 DAY, known_at = {known_at:DateTime64(6, 'UTC')})"
    assert from_kept(same, tables) == "FROM `kept_v` AS v"
    assert from_kept(other, tables) == other
    for kpi in shipped().values():
        text = from_kept(kpi.sql, tables)
        # The days of calendars are a small table, and read as they are.
        assert "_at(" not in text.replace("calendar_at(", "")
        assert "{clock:" not in text
        assert "{kind:" not in text


def test_a_kpi_is_due_again_when_its_time_has_passed(world: World, workflow: Workflow) -> None:
    fill(world)
    kpis = [shipped()["K20"], shipped()["K06"]]
    assert due(world.store, kpis, KNOWN) == kpis
    run(world.store, workflow, kpis=kpis)
    k20 = kpis[0]
    assert k20 not in due(world.store, kpis, KNOWN + k20.header.every - timedelta(seconds=1))
    assert k20 in due(world.store, kpis, KNOWN + k20.header.every)


def test_the_period_is_after_its_start_up_to_its_end(world: World) -> None:
    """Adjoining periods neither overlap nor leave a gap."""
    for number in (9, 10, 11):
        world.expect(opened_at=day(0), due_at=day(number), closed_at=day(number), closed_as="arrived")
    world.watermark(day(40)).write()
    first = world.figures("K06", as_of=day(10), window_start=day(9))
    second = world.figures("K06", as_of=day(11), window_start=day(10))
    both = world.figures("K06", as_of=day(11), window_start=day(9))
    n = [figures["total", "eventual", "ratio"]["n"] for figures in (first, second, both)]
    assert n == [1, 1, 2]


def test_a_period_longer_than_time_itself_starts_at_its_beginning(world: World, workflow: Workflow) -> None:
    fill(world)
    run(world.store, workflow, window=timedelta(days=365 * 200))
    assert world.store.value("SELECT min(window_start) FROM kpi_values") == EPOCH
