"""The plain views that any ClickHouse client can read."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal

from kpi_world import KNOWN, World, day, shipped
from test_kpi_publish import AS_OF, workflow

from kpis.run import publish
from store.client import Store

__all__ = ["workflow"]


def test_the_newest_publication_is_shown_whole(world: World, workflow) -> None:  # type: ignore[no-untyped-def]
    """A segment that is gone from the newest publication is gone from the view."""
    kpi = shipped()["K03"]
    world.expect("A", opened_at=day(0), due_at=day(1), dims={"department": "icu"})
    world.watermark(day(90)).write()
    publish(world.store, [kpi], [workflow], AS_OF, KNOWN, KNOWN, "r1")
    newer = "SELECT DISTINCT as_of FROM v_kpi_latest"
    publish(
        world.store,
        [kpi],
        [workflow],
        AS_OF - timedelta(days=5),
        KNOWN + timedelta(days=1),
        KNOWN + timedelta(days=1),
        "r2",
    )
    assert world.store.rows(newer) == [{"as_of": AS_OF}]
    moved = World(world.store, "orders")
    moved.expect("A", opened_at=day(0), due_at=day(1), dims={"department": "er"}, known_at=day(2), evidence=2)
    world.store.insert("expectations", moved.expectations)
    publish(world.store, [kpi], [workflow], AS_OF + timedelta(days=1), KNOWN, KNOWN, "r3")
    shown = world.store.rows("SELECT DISTINCT segment FROM v_kpi_latest WHERE dimension = 'department'")
    assert shown == [{"segment": "er"}]
    assert world.store.value("SELECT value FROM v_kpi_latest WHERE dimension = '' AND measure = 'open'") == 1


def test_open_exceptions_are_listed_and_aged(store: Store) -> None:
    now = datetime.now(UTC)
    for name, speaks_of in (("live", "now"), ("log", "watermark")):
        world = World(store, name)
        world.content["as_of"] = speaks_of
        for days, amount, code in ((5, 10, "EUR"), (5, 15, "EUR"), (40, 2, "USD"), (40, None, "")):
            due = now - timedelta(days=days)
            money = None if amount is None else Decimal(amount)
            world.expect(opened_at=due, due_at=due, amount=money, currency=code, sources=[name])
        world.expect(
            opened_at=now - timedelta(days=9),
            due_at=now - timedelta(days=8),
            closed_at=now,
            closed_as="arrived",
        )
        world.expect(opened_at=now - timedelta(days=9), due_at=now + timedelta(days=8), sources=[name])
        world.watermark(now - timedelta(days=1), name).write()
    rows = store.rows("SELECT workflow, age_days, bucket FROM v_exceptions_open ORDER BY workflow, age_days")
    assert [(row["workflow"], row["age_days"], row["bucket"]) for row in rows] == [
        ("live", 5, "4-7"), ("live", 5, "4-7"), ("live", 40, "31-60"), ("live", 40, "31-60"),
        ("log", 4, "4-7"), ("log", 4, "4-7"), ("log", 39, "31-60"), ("log", 39, "31-60"),
    ]  # fmt: skip
    aging = store.rows(
        "SELECT bucket, currency, exceptions, items, amount, oldest_days FROM v_aging WHERE workflow = 'live' ORDER BY ALL"
    )
    assert [tuple(row.values()) for row in aging] == [
        ("31-60", "", 1, 1, None, 40), ("31-60", "USD", 1, 1, Decimal(2), 40), ("4-7", "EUR", 2, 2, Decimal(25), 5),
    ]  # fmt: skip
