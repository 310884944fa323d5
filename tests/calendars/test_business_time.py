"""Business time in SQL, against minutes counted on the wall clock; and which version of a calendar holds when."""

from __future__ import annotations

import random
from datetime import UTC, date, datetime, timedelta
from typing import Any

import calendar_oracle as oracle
import pytest

from calendars.model import Calendar
from calendars.table import EPOCH, write_calendars
from store.client import Store

LOADED = datetime(2026, 11, 20, 12, tzinfo=UTC)
CHANGED = datetime(2026, 11, 25, 12, tzinfo=UTC)

# The snippets of docs/reference/calendars.md, on a table of pairs of moments.
BETWEEN = """
SELECT
    m.number AS number,
    (business_us_by(m.b, last.business_s, last.opens_at, last.closes_at)
        - business_us_by(m.a, first.business_s, first.opens_at, first.closes_at)) / 60000000 AS minutes,
    last.ordinal - first.ordinal AS days,
    business_day_of(m.b, last.ordinal, last.cutoff_at) - business_day_of(m.a, first.ordinal, first.cutoff_at) AS counted_days,
    toString(first.date) AS day, first.fiscal_year AS fiscal_year, first.fiscal_period AS fiscal_period,
    first.day_of_period AS day_of_period
FROM (
    SELECT pair.1 AS number, pair.2 AS calendar, pair.3 AS a, pair.4 AS b
    FROM (SELECT arrayJoin({pairs:Array(Tuple(UInt32, String, DateTime64(6, 'UTC'), DateTime64(6, 'UTC')))}) AS pair)
) AS m
ASOF LEFT JOIN calendar_at(known_at = {known_at:DateTime64(6, 'UTC')}) AS first
    ON first.calendar = m.calendar AND first.starts_at <= m.a
ASOF LEFT JOIN calendar_at(known_at = {known_at:DateTime64(6, 'UTC')}) AS last
    ON last.calendar = m.calendar AND last.starts_at <= m.b
ORDER BY number
"""
ZONES = (
    "America/Los_Angeles", "America/Chicago", "Europe/Berlin", "America/Sao_Paulo", "Africa/Cairo", "Asia/Kolkata",
    "Australia/Lord_Howe", "America/Havana", "Pacific/Apia", "Europe/Lisbon", "Asia/Kathmandu", "UTC",
)  # fmt: skip
# Moments near which clocks change in one of the zones, weeks have holidays, or years have a 53rd week.
NEAR = (
    "2011-12-30", "2018-11-04", "2020-10-25", "2023-09-30", "2024-02-03", "2025-12-25", "2026-03-08", "2026-03-29",
    "2026-04-05", "2026-04-24", "2026-10-29", "2026-11-01", "2026-11-26",
)  # fmt: skip


def random_calendar(name: str, pick: random.Random) -> Calendar:
    """Working hours never begin or end within the hours that clocks skip or repeat."""
    hours = pick.choice(["00:00-24:00", "08:00-17:00", "07:30-12:15", "06:00-24:00", "00:00-18:00"])
    closes = 24 * 60 if hours.endswith("24:00") else int(hours[6:8]) * 60 + int(hours[9:])
    cut_off = pick.choice([None, closes, pick.randrange(9 * 60, closes)])
    return Calendar.model_validate(
        {
            "calendar": name, "title": name, "zone": pick.choice(ZONES), "hours": hours, "cut_off": cut_off,
            "weekdays": pick.choice([["mon", "tue", "wed", "thu", "fri"], list(oracle.NAMES), ["sun", "mon", "thu", "fri"]]),
            "hours_on": pick.choice([{}, {"fri": "08:00-14:00"}]),
            "holidays": pick.choice([None, {"country": "US", "subdivision": "CA"}, {"country": "DE"}, {"market": "NYSE"}]),
            "closures": pick.choice([[], [{"date": "2026-10-28", "through": "2026-11-02", "reason": "move"}]]),
            "working_days": pick.choice([[], [{"date": "2026-11-26", "reason": "audit", "hours": "08:00-12:00"}]]),
            "fiscal": pick.choice([
                {"kind": "months", "first_month": 10}, {"kind": "4-4-5", "ends_in": 9},
                {"kind": "13-periods", "ends_in": 1, "rule": "nearest", "ends_on": "fri"},
            ]),
        }
    )  # fmt: skip


def random_pair(pick: random.Random) -> tuple[datetime, datetime]:
    """Two whole minutes up to eight days apart, near to something odd."""
    begin = datetime.fromisoformat(pick.choice(NEAR)).replace(tzinfo=UTC) - timedelta(days=pick.randrange(5))
    start = begin + timedelta(minutes=pick.randrange(2 * 1440))
    return start, start + timedelta(minutes=pick.randrange(8 * 1440))


def test_business_time_between_any_two_moments(store: Store) -> None:
    pick = random.Random(20261120)
    calendars = {name: random_calendar(name, pick) for name in ("c0", "c1", "c2", "c3", "c4", "c5")}
    write_calendars(store, calendars.values(), LOADED)
    pairs = [(n, f"c{n % 6}", *random_pair(pick)) for n in range(60)]
    found = store.rows(BETWEEN, {"pairs": pairs, "known_at": LOADED})
    assert len(found) == len(pairs)
    for (_, name, a, b), row in zip(pairs, found, strict=True):
        calendar = calendars[name]
        case = f"{calendar.zone} {calendar.hours.text()} {a} {b}"
        first, last = (oracle.local(calendar, moment).date() for moment in (a, b))
        assert row["minutes"] == oracle.working_minutes(calendar, a, b), case
        assert row["days"] == oracle.business_days_between(calendar, first, last), case
        counted = oracle.business_days_between(
            calendar, *(oracle.counts_for(calendar, moment) for moment in (a, b))
        )
        assert row["counted_days"] == counted, case
        assert row["day"] == str(first), case
        period = (row["fiscal_year"], row["fiscal_period"], row["day_of_period"])
        assert period == oracle.fiscal(calendar, first), case


def test_posted_in_the_evening_of_los_angeles_belongs_to_the_month_there(store: Store) -> None:
    """Golden vector: 31 March 20:30 in Los Angeles is 1 April in UTC, and is March."""
    write_calendars(store, [calendar("la", zone="America/Los_Angeles"), calendar("utc")], LOADED)
    moment = datetime(2026, 4, 1, 3, 30, tzinfo=UTC)
    found = store.rows(
        BETWEEN, {"pairs": [(0, "la", moment, moment), (1, "utc", moment, moment)], "known_at": LOADED}
    )
    assert [(row["fiscal_year"], row["fiscal_period"]) for row in found] == [(2026, 3), (2026, 4)]


def calendar(name: str, **more: Any) -> Calendar:
    return Calendar.model_validate({"calendar": name, "title": name, "zone": "UTC", **more})


def versions(store: Store) -> list[tuple[Any, ...]]:
    query = (
        "SELECT calendar, known_at, count() AS days FROM calendar GROUP BY calendar, known_at ORDER BY ALL"
    )
    return [tuple(row.values()) for row in store.rows(query)]


def is_business(store: Store, day: date, known_at: datetime) -> list[bool]:
    query = "SELECT is_business FROM calendar_at(known_at = {known_at:DateTime64(6, 'UTC')}) WHERE date = {day:Date32}"
    return [row["is_business"] for row in store.rows(query, {"day": day, "known_at": known_at})]


def test_loading_twice_adds_nothing(store: Store) -> None:
    days = 18263
    assert write_calendars(store, [calendar("a"), calendar("b", hours="08:00-17:00")], LOADED) == ["a", "b"]
    assert versions(store) == [("a", EPOCH, days), ("b", EPOCH, days)]
    assert (
        write_calendars(store, [calendar("a"), calendar("b", hours="08:00-17:00", title="B")], CHANGED) == []
    )
    assert versions(store) == [("a", EPOCH, days), ("b", EPOCH, days)]


def test_a_changed_calendar_is_a_version_of_its_own_and_leaves_what_was_known(store: Store) -> None:
    friday = date(2026, 11, 27)
    closed = {"closures": [{"date": friday, "reason": "Day after Thanksgiving"}]}
    write_calendars(store, [calendar("a")], LOADED)
    assert write_calendars(store, [calendar("a", **closed)], CHANGED) == ["a"]
    assert is_business(store, friday, LOADED) == [True]
    assert is_business(store, friday, CHANGED - timedelta(microseconds=1)) == [True]
    assert is_business(store, friday, CHANGED) == [False]
    assert write_calendars(store, [calendar("a")], CHANGED + timedelta(days=1)) == ["a"]
    assert is_business(store, friday, CHANGED) == [False]
    assert is_business(store, friday, CHANGED + timedelta(days=1)) == [True]


def test_the_first_version_holds_for_whatever_was_known_before(store: Store) -> None:
    write_calendars(store, [calendar("a")], LOADED)
    assert is_business(store, date(2026, 11, 27), LOADED - timedelta(days=3650)) == [True]


@pytest.mark.parametrize(
    "change",
    [{"cut_off": "15:00"}, {"zone": "Asia/Tokyo"}, {"close_after": 3}, {"fiscal": {"kind": "4-4-5"}}, {"hours": "08:00-17:00"}],
)  # fmt: skip
def test_whatever_changes_a_day_makes_a_version(store: Store, change: dict[str, Any]) -> None:
    write_calendars(store, [calendar("a")], LOADED)
    assert write_calendars(store, [calendar("a", **change)], CHANGED) == ["a"]
