"""Windows learned in business days and in working time, against counting on the wall clock: nights and weekends are no lag."""

from __future__ import annotations

import random
from collections.abc import Mapping
from datetime import UTC, date, datetime, time, timedelta
from math import ceil
from typing import Any

import calendar_oracle as oracle
import pytest
from test_business_time import calendar
from test_business_windows import AT, event, rule, wall, workflow

from calendars.model import Calendar
from calendars.table import write_calendars
from core.duration import BusinessTime
from reconcile.explain import explain
from reconcile.run import reconcile
from store.client import Store
from workflows.model import Sequence, Workflow

NORTH = calendar("north", zone="America/Chicago", hours="08:00-17:00", cut_off="15:30", holidays={"country": "US"})  # fmt: skip
SOUTH = calendar("south", zone="Europe/Berlin", hours="07:00-15:00", weekdays=["mon", "tue", "wed", "thu"])
START = datetime(2026, 4, 1, tzinfo=UTC)
# An item: when it opened, and when it ended if it did. What happens is known when it happens.
Items = Mapping[str, tuple[datetime, datetime | None]]


def in_time_by(made: Calendar, opened: datetime, closed: datetime, unit: str) -> int:
    """The smallest window by which an arrival was in time: business days, else seconds, of working time or of the clock."""
    if unit == "s":
        return ceil((closed - opened) / timedelta(seconds=1))
    if unit == "bd":
        return oracle.business_days_between(
            made, oracle.counts_for(made, opened), oracle.counts_for(made, closed)
        )
    minutes = oracle.working_minutes(made, opened, closed)
    return minutes * 60 + (oracle.after_working_minutes(made, opened, minutes) < closed)


def due(made: Calendar, opened: datetime, window: int, unit: str) -> datetime:
    if unit == "s":
        return opened + timedelta(seconds=window)
    if unit == "bd":
        return oracle.last_moment(made, oracle.plus_business_days(made, opened, window))
    minutes, seconds = divmod(window, 60)
    at = oracle.after_working_minutes(made, opened, minutes)
    while seconds and not oracle.working_minutes(made, at, at + oracle.MINUTE):
        at += oracle.MINUTE
    return at + timedelta(seconds=seconds)


def amount(window: timedelta | BusinessTime | None, unit: str) -> int | None:
    if window is None:
        return None
    if isinstance(window, BusinessTime):
        return window.count * (3600 if unit == "bs" else 1)
    return int(window.total_seconds())


def learned(
    items: Items, by: Mapping[str, Calendar], of: Sequence, unit: str, day: datetime
) -> tuple[int | None, int]:
    """The window that a rule learns by the beginning of `day`, in its unit (None: too few lags), and from how many lags."""
    assert of.learn
    lags = sorted(
        in_time_by(by[key], opened, closed, unit)
        for key, (opened, closed) in items.items()
        if closed and day - of.learn.over < closed <= day
    )
    if len(lags) < of.learn.least:
        return None, len(lags)
    lag = lags[ceil(of.learn.quantile * len(lags)) - 1]
    cap = amount(of.learn.cap, unit)
    return max(amount(of.learn.floor, unit) or 0, lag if cap is None else min(cap, lag)), len(lags)


def unit_of(of: Sequence) -> str:
    return {"bd": "bd", "bh": "bs"}[of.within.unit] if isinstance(of.within, BusinessTime) else "s"


def tell(store: Store, items: Items, site: Mapping[str, str]) -> None:
    rows = []
    for key, (opened, closed) in items.items():
        rows.append(event(key, "received", opened, opened, site=site.get(key, "")))
        if closed:
            rows.append(event(key, "paid", closed, closed, site=site.get(key, "")))
    store.insert("events", rows)


def due_times(store: Store, at: datetime) -> dict[tuple[str, str], datetime]:
    rows = store.rows(f"SELECT expectation, item_key, due_at FROM verdicts_at({AT})", {"as_of": at, "known_at": at})  # fmt: skip
    return {(row["expectation"], row["item_key"]): row["due_at"] for row in rows}


def windows(store: Store) -> dict[tuple[str, datetime], dict[str, Any]]:
    return {
        (row["expectation"], row["learned_at"]): row for row in store.rows("SELECT * FROM learned_windows")
    }


def test_a_weekend_is_no_lag(store: Store) -> None:
    """Opened on a Thursday at 15:00 in Chicago; paid on Monday, Good Friday being a day off: two to four working hours."""
    zone = "America/Chicago"
    holiday = calendar("north", zone=zone, hours="08:00-17:00", cut_off="15:30", closures=[{"date": "2026-04-03", "reason": "Good Friday"}])  # fmt: skip
    learn = {"quantile": 0.75, "over": "7d", "least": 4}
    flow = workflow(
        rule("days", "9bd", learn=learn),
        rule("hours", "40bh", learn=learn),
        rule("clock", "30d", learn=learn),
        rule("capped", "40bh", learn={**learn, "cap": "2bh"}),
        rule("fixed", "40bh", learn={**learn, "least": 5}),
        calendar="north",
    )
    opened = wall("2026-04-02 15:00", zone)
    # In the night from Monday to Tuesday nobody works: that arrival is in time by the first second of Tuesday.
    ends = ("2026-04-06 08:00:30", "2026-04-06 09:30", "2026-04-06 10:00", "2026-04-07 02:00")
    items: dict[str, tuple[datetime, datetime | None]] = {
        f"I{n}": (opened, wall(at, zone)) for n, at in enumerate(ends)
    }
    wednesday = wall("2026-04-08 16:00", zone)
    write_calendars(store, [holiday], START)
    tell(store, {**items, "new": (wednesday, None)}, {})
    end = wall("2026-04-08 16:05", zone)
    reconcile(store, [flow], end)
    found = {name: row for (name, at), row in windows(store).items() if at.day == 8}
    assert {
        name: (row["learned"], row["unit"], row["window_s"], row["window_bd"]) for name, row in found.items()
    } == {
        "days": (True, "bd", 0, 1),
        "hours": (True, "bs", 4 * 3600, 0),
        "clock": (True, "s", (3 * 24 + 19) * 3600, 0),
        "capped": (True, "bs", 2 * 3600, 0),
        "fixed": (False, "bs", 0, 0),
    }
    assert {name: at for (name, key), at in due_times(store, end).items() if key == "new"} == {
        # After the cut-off it counts for Thursday.
        "days": wall("2026-04-10 15:30", zone),
        "hours": wall("2026-04-09 11:00", zone),
        "clock": wall("2026-04-12 11:00", zone),
        "capped": wall("2026-04-09 09:00", zone),
        "fixed": due(holiday, wednesday, 40 * 3600, "bs"),
    }
    said = {
        one.expectation: one.sentence
        for one in explain(store, {"bills": flow}, "bills", "invoice", "new", end, end).findings
    }
    for name, words in {
        "days": "window 1bd, learned 2026-04-08 from 4 lags, quantile 0.75",
        "hours": "window 4h of working time, learned 2026-04-08 from 4 lags, quantile 0.75",
        "clock": "window 3d 19h, learned 2026-04-08 from 4 lags, quantile 0.75",
        "fixed": "window 40bh, fixed: 4 of the 5 lags it takes to learn one",
    }.items():
        assert f" ({words}):" in said[name]


def history(dice: random.Random) -> tuple[dict[str, tuple[datetime, datetime | None]], dict[str, str]]:
    """Invoices of two sites around the clock of two weeks with Easter in them, most paid after some hours or days."""
    items: dict[str, tuple[datetime, datetime | None]] = {}
    site = {}
    for number in range(70):
        opened = START + timedelta(minutes=dice.randrange(0, 13 * 1440))
        lag = timedelta(minutes=dice.choice([0, 1, 40, 300, 1100, 2900, 4400]) + dice.randrange(30))
        key = f"I{number}"
        items[key] = (opened, opened + lag if dice.random() < 0.9 else None)
        site[key] = dice.choice(["South", "South", "North", ""])
    return items, site


@pytest.mark.slow
def test_every_lag_is_the_smallest_window_by_which_it_was_in_time(store: Store) -> None:
    items, site = history(random.Random(11))
    learn = {"over": "6d", "least": 8}
    flow: Workflow = workflow(
        rule("days", "5bd", learn={**learn, "quantile": 0.8}),
        rule("hours", "9bh", learn={**learn, "quantile": 0.7, "floor": "1bh", "cap": "12bh"}),
        rule("all", "9bh", learn={**learn, "quantile": 1}),
        rule("clock", "20h", learn={**learn, "quantile": 0.7, "floor": "30m"}),
        calendar="north",
        calendar_by={"dimension": "site", "calendars": {"South": "south"}},
    )
    by = {key: SOUTH if site[key] == "South" else NORTH for key in items}
    write_calendars(store, [NORTH, SOUTH], START)
    tell(store, items, site)
    end = START + timedelta(days=15)
    reconcile(store, [flow], end, settle=timedelta(0))

    expected_due, found = {}, windows(store)
    days = [START + timedelta(days=n) for n in range(1, 16)]
    assert set(found) == {(one.name, day) for one in flow.expectations for day in days}
    learnt: set[tuple[str, bool]] = set()
    for one in flow.expectations:
        assert isinstance(one, Sequence)
        unit, fixed = unit_of(one), amount(one.within, unit_of(one))
        assert fixed is not None
        by_day: dict[date, int | None] = {START.date(): None}
        for day in days:
            window, lags = learned(items, by, one, unit, day)
            row = found[one.name, day]
            there = row["window_bd" if unit == "bd" else "window_s"] if row["learned"] else None
            assert (there, row["lags"], row["unit"]) == (window, lags, unit), (one.name, day)
            by_day[day.date()] = window
            learnt.add((one.name, window is not None))
        for key, (opened, _) in items.items():
            window = by_day[datetime.combine(opened.date(), time(), UTC).date()]
            expected_due[one.name, key] = due(by[key], opened, fixed if window is None else window, unit)
    assert learnt == {(one.name, known) for one in flow.expectations for known in (True, False)}
    assert due_times(store, end) == expected_due
    # With the whole of the lags, whatever was learned from would have been in time.
    last = found["all", days[-1]]["window_s"]
    for key, (opened, closed) in items.items():
        if closed and days[-1] - timedelta(days=6) < closed <= days[-1]:
            assert due(by[key], opened, last, "bs") >= closed
