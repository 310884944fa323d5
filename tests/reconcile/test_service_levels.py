"""Service levels in business days and working hours, against a count in plain Python day by day."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from desks import desk_of, do
from story import PAYMENT, Story, Teller, complete, on, workflow
from world import AT

from calendars.model import Calendar
from calendars.table import write_calendars
from reconcile.policy import Policy, PolicyFile, activate_levels
from store.client import Store

pytestmark = pytest.mark.slow

V = datetime(2026, 4, 20, 13, 30, tzinfo=UTC)
K = on(6, 2)
HOUR = timedelta(hours=1)


@dataclass(frozen=True)
class Hours:
    """Working hours as a person would write them down: opening, closing, cut-off and the days nobody works."""

    name: str
    zone: str
    opens: time
    closes: time
    cut_off: time
    closed: tuple[date, ...] = ()
    weekdays: tuple[int, ...] = (0, 1, 2, 3, 4)

    def file(self) -> Calendar:
        names = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
        return Calendar.model_validate(
            {
                "calendar": self.name, "title": self.name, "zone": self.zone, "hours": f"{self.opens:%H:%M}-{self.closes:%H:%M}",
                "cut_off": f"{self.cut_off:%H:%M}", "weekdays": [names[day] for day in self.weekdays],
                "closures": [{"date": day, "reason": "closed"} for day in self.closed],
            }
        )  # fmt: skip

    def days(self) -> list[tuple[datetime, datetime, datetime]]:
        """Opening, closing and cut-off of the days worked in 2026, in UTC."""
        found = []
        for number in range(365):
            day = date(2026, 1, 1) + timedelta(days=number)
            if day.weekday() in self.weekdays and day not in self.closed:
                moments = (self.opens, self.closes, self.cut_off)
                found.append(
                    tuple(datetime.combine(day, at, ZoneInfo(self.zone)).astimezone(UTC) for at in moments)
                )
        return found  # type: ignore[return-value]


OFFICE = Hours(
    "office", "America/Chicago", time(8), time(17), time(15, 30), (date(2026, 3, 27), date(2026, 4, 3))
)
NIGHT = Hours("night", "Europe/Rome", time(6), time(22), time(22), (date(2026, 4, 6),), (0, 1, 2, 3, 4, 5))


def business_day(hours: Hours, moment: datetime) -> int:
    return next(n for n, (_, _, cut_off) in enumerate(hours.days()) if moment <= cut_off)


def worked(hours: Hours, since: datetime, until: datetime) -> timedelta:
    spans = (min(until, closes) - max(since, opens) for opens, closes, _ in hours.days())
    return sum((span for span in spans if span > timedelta(0)), timedelta(0))


Pause = tuple[datetime, datetime]


def due(hours: Hours | None, allowed: str, began: datetime, pauses: Sequence[Pause]) -> datetime:
    """When a clock that began then is over."""
    count = int(allowed.rstrip("bdh"))
    if hours is None:
        unit = timedelta(days=1) if allowed.endswith("d") else HOUR
        return began + count * unit + sum((end - start for start, end in pauses), timedelta(0))
    if allowed.endswith("bd"):
        paused = sum(business_day(hours, end) - business_day(hours, start) for start, end in pauses)
        return hours.days()[business_day(hours, began) + count + paused][2]
    left = count * HOUR + sum((worked(hours, start, end) for start, end in pauses), timedelta(0))
    for opens, closes, _ in hours.days():
        there = max(began, opens)
        if there < closes and left <= closes - there:
            return there + left
        left -= max(closes - there, timedelta(0))
    raise AssertionError("later than the year")


def test_clocks_in_business_time_are_those_of_a_count_day_by_day(store: Store) -> None:
    dice = random.Random(11)
    write_calendars(store, [OFFICE.file(), NIGHT.file()], on(1, 1))
    flow = workflow(PAYMENT).model_copy(update={"calendar": "office"})
    tell, items, levels = Teller(), {}, []
    for number in range(1, 61):
        began = on(3, 1) + timedelta(minutes=dice.randrange(45 * 24 * 60))
        named = dice.choice([None, OFFICE, NIGHT])
        allowed = {
            "acknowledge": dice.choice([f"{dice.randrange(3)}bd", f"{dice.randrange(1, 30)}bh"]),
            "resolve": dice.choice([f"{dice.randrange(9)}bd", f"{dice.randrange(1, 60)}bh", f"{dice.randrange(1, 200)}h"]),
        }  # fmt: skip
        # Each has the level of its own amount, since of those that fit the first holds.
        levels.insert(
            0,
            {
                "name": f"level{number}", "at_least": number, "currency": "USD", "severity": "high", **allowed,
                **({"calendar": named.name} if named else {}),
            },
        )  # fmt: skip
        items[f"I{number}"] = (began, named or OFFICE, allowed)
    facts = [
        tell.event("received", began - timedelta(days=30), key, amount=key[1:])
        for key, (began, _, _) in items.items()
    ]
    story = Story(store, flow).tell(*facts, complete(on(6, 1)))
    story.run()
    assert activate_levels(store, Policy(PolicyFile.model_validate({"service_levels": levels})), K)
    ids = {row["item_key"]: row["exception_id"] for row in story.rows("exceptions_at", on(6, 1))}
    waived = _waive(store, dice, ids, items)

    query = f"SELECT * FROM service_levels_at({AT})"
    rows = {row["item_key"]: row for row in store.rows(query, {"as_of": V, "known_at": K})}
    told: list[str] = []
    for key, (began, hours, allowed) in items.items():
        if began > V:
            assert key not in rows
            continue
        row = rows[key]
        taken, start, end = waived.get(key, (None, V, V))
        pause = [(start, min(end, V))] if start < V else []
        for name, pauses in (("acknowledge", []), ("resolve", pause)):
            by = due(hours if "b" in allowed[name] else None, allowed[name], began, pauses)
            assert row[f"{name}_by"] == by, (key, name, allowed, hours.name, began, pauses)
            counted_to = min(taken, V) if taken and name == "acknowledge" else V
            late = counted_to > by
            waiting = "paused" if row["status"] == "waived" else "running"
            in_time = "met" if taken and name == "acknowledge" else waiting
            assert row[f"{name}_clock"] == ("breached" if late else in_time), (key, name)
            told.append(row[f"{name}_clock"])
    assert {"breached", "running", "paused", "met"} <= set(told)


def _waive(
    store: Store, dice: random.Random, ids: dict[str, str], items: dict[str, Any]
) -> dict[str, tuple[datetime, datetime, datetime]]:
    """Waives some for some hours or days: when that was asked for, from when and until when it holds."""
    waived = {}
    for key in sorted(items)[::4]:
        began = items[key][0]
        start = began + timedelta(minutes=dice.randrange(1, 5000))
        end = start + timedelta(minutes=dice.choice([2_000, 30_000, 130_000]))
        desk = desk_of(store, on(6, 1))
        do(desk, "waiver_requested", ids[key], "ana", start, reason="TIMING", until=end)
        waived_at = start + timedelta(minutes=dice.randrange(1, 60))
        do(desk, "waived", ids[key], "cy", waived_at)
        waived[key] = (start, waived_at, end)
    return waived
