"""The plain views that any ClickHouse client can read."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

from kpi_world import KNOWN, World, day, shipped
from test_kpi_publish import AS_OF, workflow

from calendars.model import Calendar
from calendars.table import write_calendars
from calendars.times import WEEKDAYS
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


def test_open_exceptions_are_listed_by_the_days_of_their_calendar(store: Store) -> None:
    """A calendar of the zone farthest ahead, with every other day off; a log is as old as its watermark."""
    now = datetime.now(UTC)
    zone = ZoneInfo("Pacific/Kiritimati")
    off = [{"date": (now - timedelta(days=n)).date(), "reason": "Off"} for n in range(0, 60, 2)]
    said = {"calendar": "half", "title": "H", "zone": zone.key, "closures": off, "weekdays": list(WEEKDAYS)}
    half = Calendar.model_validate(said)
    write_calendars(store, [half], KNOWN)
    expected = []
    for name, speaks_of, until in (("live", "now", now), ("log", "watermark", now - timedelta(days=7))):
        world = World(store, name, calendars=("half",))
        world.content["as_of"] = speaks_of
        for item, days, calendar in (("A", 9, "half"), ("B", 41, "half"), ("C", 41, "")):
            due = now - timedelta(days=days)
            world.expect(item, opened_at=due, due_at=due, sources=[name], calendar=calendar)
            ends = [at.astimezone(zone if calendar else UTC).date() for at in (due, until)]
            business = business_days_between(half, *ends) if calendar else None
            expected.append((name, item, calendar, (ends[1] - ends[0]).days, business))
        world.watermark(until, name).write()
    rows = store.rows(
        "SELECT workflow, item_key, calendar, age_days, age_business_days, bucket, business_bucket "
        "FROM v_exceptions_open ORDER BY workflow, item_key"
    )
    assert [tuple(row.values())[:5] for row in rows] == expected
    for row in rows:
        for age, bucket in (
            (row["age_days"], row["bucket"]),
            (row["age_business_days"], row["business_bucket"]),
        ):
            assert bucket == ("" if age is None else bucket_of(age))
    aging = store.rows("SELECT * FROM v_aging_in_business_days WHERE workflow = 'live' ORDER BY bucket")
    by_age = sorted(
        (bucket_of(row[4]), row[4]) for row in expected if row[0] == "live" and row[4] is not None
    )
    assert [
        (row["bucket"], row["oldest_business_days"], row["exceptions"], row["items"]) for row in aging
    ] == [(bucket, age, 1, 1) for bucket, age in by_age]


def bucket_of(days: int) -> str:
    limits = {"0-1": 1, "2-3": 3, "4-7": 7, "8-30": 30, "31-60": 60, "61-90": 90}
    return next((name for name, most in limits.items() if days <= most), ">90")


def business_days_between(calendar: Calendar, start: date, end: date) -> int:
    """Days after `start` up to and including `end` on which nobody is off."""
    off = {closure.date for closure in calendar.closures}
    days = (start + timedelta(days=n) for n in range(1, (end - start).days + 1))
    return sum(day not in off for day in days)
