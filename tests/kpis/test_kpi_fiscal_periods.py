"""A fiscal period by its name: its days are those of the calendar, and what fell due in it is in no other."""

from __future__ import annotations

import random
from datetime import UTC, date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from kpi_world import KNOWN, World, by_key, shipped

from calendars.model import Calendar
from calendars.periods import PeriodSpan, fiscal_period
from calendars.table import write_calendars
from core.errors import ConfigurationError
from kpis.run import compute

LA = ZoneInfo("America/Los_Angeles")
US = timedelta(microseconds=1)
WEEKS = {"kind": "4-4-5", "ends_in": 9, "ends_on": "sat", "rule": "last"}
LISTED = {"kind": "list", "periods": [
    {"year": 2026, "period": 1, "starts": "2026-01-01", "ends": "2026-01-30"},
    {"year": 2026, "period": 3, "starts": "2026-01-31", "ends": "2026-04-02"},
]}  # fmt: skip


def calendar(name: str, **more: Any) -> Calendar:
    return Calendar.model_validate({"calendar": name, "title": name, "zone": LA.key, **more})


def midnight(day: date) -> datetime:
    return datetime.combine(day, time(), LA).astimezone(UTC)


def test_what_fell_due_in_a_period_is_in_no_other(world: World) -> None:
    quads = {"kind": "13-periods", "ends_in": 12, "ends_on": "fri", "rule": "nearest"}
    calendars = [calendar("months"), calendar("weeks", fiscal=WEEKS), calendar("quads", fiscal=quads), calendar("listed", fiscal=LISTED)]  # fmt: skip
    write_calendars(world.store, calendars, KNOWN)

    # By hand. The fiscal year 2026 of whole weeks began after the last Saturday of September 2025.
    spans = {
        ("months", "2026-P03"): (date(2026, 3, 1), date(2026, 4, 1)),
        ("weeks", "2026-P01"): (date(2025, 9, 28), date(2025, 10, 26)),
        ("weeks", "2026-p6"): (date(2026, 2, 22), date(2026, 3, 29)),
        ("weeks", "2026-P07"): (date(2026, 3, 29), date(2026, 4, 26)),
        ("quads", "2026P13"): (date(2026, 12, 5), date(2027, 1, 2)),
        ("listed", "2026-P3"): (date(2026, 1, 31), date(2026, 4, 3)),
    }
    for (name, period), (first, after) in spans.items():
        year, number = int(period[:4]), int(period.upper().rpartition("P")[2])
        assert fiscal_period(world.store, name, period, KNOWN) == PeriodSpan(
            name, f"{year}-P{number:02}", midnight(first), midnight(after)
        )

    # Posted on 31 March 20:30 in Los Angeles, 1 April in UTC: March. The first moment of April is April.
    pick = random.Random(4)
    edges = [datetime(2026, 3, 31, 20, 30, tzinfo=LA), midnight(date(2026, 4, 1)), midnight(date(2026, 4, 1)) - US]  # fmt: skip
    dues = edges + [midnight(date(2026, 1, 1)) + timedelta(minutes=pick.randrange(160 * 1440)) for _ in range(60)]  # fmt: skip
    for number, due in enumerate(dues):
        world.expect(f"I{number}", opened_at=due - timedelta(hours=1), due_at=due)
    world.watermark(KNOWN).write()

    def due_in(name: str, period: str) -> int:
        span = fiscal_period(world.store, name, period, KNOWN)
        figures = compute(
            world.store, shipped()["K02"], "orders", "", span.ends_at - US, KNOWN, span.starts_at - US
        )
        return int(by_key(figures)["total", "rate", "ratio"]["denominator"]) if figures else 0

    by_month = {
        month: sum(due.astimezone(LA).month == month and due.astimezone(LA).year == 2026 for due in dues)
        for month in (3, 4)
    }
    assert {month: due_in("months", f"2026-P{month:02}") for month in by_month} == by_month
    days = (date(2026, 2, 22), date(2026, 3, 29), date(2026, 4, 26))
    for period, first, after in (("2026-P06", *days[:2]), ("2026-P07", *days[1:])):
        assert due_in("weeks", period) == sum(first <= due.astimezone(LA).date() < after for due in dues)


def test_a_period_that_is_not_known_is_named_with_those_that_are(world: World) -> None:
    write_calendars(world.store, [calendar("listed", fiscal=LISTED), calendar("weeks", fiscal=WEEKS)], KNOWN)
    for name, period, told in (
        ("listed", "2026-P02", "calendar 'listed' has no period 2026-P02; 2026 has P01, P03"),
        ("listed", "2031-P01", "calendar 'listed' has no period 2031-P01; there are 2026-P01 to 2026-P03"),
        ("listed", "March", "'March' is not a fiscal period; write 2026-P03"),
        ("north", "2026-P01", "calendar 'north' has no days in the store; `tieout up` and `tieout import` load the files of calendars/"),
        # It began in December 1999, and a calendar with 2000: of its days some are not known.
        ("weeks", "2000-P04", "calendar 'weeks' has no period 2000-P04; 2000 has P05, P06, P07, P08, P09, P10, P11, P12"),
    ):  # fmt: skip
        with pytest.raises(ConfigurationError) as raised:
            fiscal_period(world.store, name, period, KNOWN)
        assert str(raised.value) == told
