"""The days of a calendar, against a plain computation: every zone change, holiday, closure and 53rd week counts."""

from __future__ import annotations

import itertools
from datetime import UTC, date, datetime, timedelta
from functools import cache
from typing import Any
from zoneinfo import ZoneInfo

import calendar_oracle as oracle
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from calendars.days import CalendarDay, calendar_days
from calendars.fiscal import fiscal_periods
from calendars.model import FIRST_DAY, LAST_DAY, Calendar

FISCAL = st.one_of(
    st.fixed_dictionaries(
        {
            "kind": st.just("months"),
            "first_month": st.integers(1, 12),
            "year_is": st.sampled_from(["start", "end"]),
        }
    ),
    st.fixed_dictionaries(
        {
            "kind": st.sampled_from(["4-4-5", "4-5-4", "5-4-4", "13-periods"]),
            "ends_in": st.integers(1, 12),
            "ends_on": st.sampled_from(oracle.NAMES),
            "rule": st.sampled_from(["last", "nearest"]),
            "year_is": st.sampled_from(["start", "end"]),
        }
    ),
)


def calendar(**more: Any) -> Calendar:
    return Calendar.model_validate({"calendar": "c", "title": "C", "zone": "UTC", **more})


def of(made: Calendar, day: str) -> CalendarDay:
    return _days(made.model_dump_json())[day]


@cache
def _days(text: str) -> dict[str, CalendarDay]:
    return {str(day.date): day for day in calendar_days(Calendar.model_validate_json(text))}


@settings(max_examples=40, deadline=None)
@given(FISCAL, st.lists(st.dates(FIRST_DAY, LAST_DAY), min_size=5, max_size=20))
def test_every_day_belongs_to_the_period_that_walking_finds(rule: dict[str, Any], days: list[date]) -> None:
    made = calendar(fiscal=rule)
    periods = fiscal_periods(made.fiscal)
    for day in days:
        (found,) = (one for one in periods if one.starts <= day <= one.ends)
        assert (found.year, found.period, (day - found.starts).days + 1) == oracle.fiscal(made, day)


@settings(max_examples=40, deadline=None)
@given(FISCAL)
def test_periods_follow_each_other_without_gap_through_all_days(rule: dict[str, Any]) -> None:
    periods = fiscal_periods(calendar(fiscal=rule).fiscal)
    assert periods[0].starts <= FIRST_DAY
    assert periods[-1].ends >= LAST_DAY
    assert all(b.starts - a.ends == timedelta(days=1) for a, b in itertools.pairwise(periods))
    names = [(one.year, one.period) for one in periods]
    assert names == sorted(set(names))


@pytest.mark.parametrize(
    ("rule", "day", "expected"),
    [
        # The retail year 2023 had 53 weeks and ended on 3 February 2024, the Saturday nearest to the end of January.
        ({"kind": "4-5-4", "ends_in": 1, "rule": "nearest", "year_is": "start"}, date(2024, 2, 3), (2023, 12, 35)),
        ({"kind": "4-5-4", "ends_in": 1, "rule": "nearest", "year_is": "start"}, date(2024, 2, 4), (2024, 1, 1)),
        ({"kind": "4-5-4", "ends_in": 1, "rule": "nearest", "year_is": "start"}, date(2023, 1, 29), (2023, 1, 1)),
        # The last Saturday of September: 2023 is a year of 53 weeks, 2024 of 52.
        ({"kind": "4-4-5", "ends_in": 9}, date(2023, 9, 30), (2023, 12, 42)),
        ({"kind": "4-4-5", "ends_in": 9}, date(2023, 10, 1), (2024, 1, 1)),
        ({"kind": "4-4-5", "ends_in": 9}, date(2024, 9, 28), (2024, 12, 35)),
        ({"kind": "13-periods", "ends_in": 9}, date(2023, 9, 30), (2023, 13, 35)),
        # A year from October on has the number of the one it ends in.
        ({"kind": "months", "first_month": 10}, date(2025, 10, 1), (2026, 1, 1)),
        ({"kind": "months", "first_month": 10, "year_is": "start"}, date(2026, 9, 30), (2025, 12, 30)),
    ],
)  # fmt: skip
def test_known_periods(rule: dict[str, Any], day: date, expected: tuple[int, int, int]) -> None:
    made = calendar(fiscal=rule)
    found = of(made, str(day))
    assert (found.fiscal_year, found.fiscal_period, found.day_of_period) == expected
    assert oracle.fiscal(made, day) == expected


def test_a_list_of_periods_leaves_other_days_unknown() -> None:
    listed = [
        {"year": 2026, "period": 1, "starts": "2026-01-01", "ends": "2026-01-29"},
        {"year": 2026, "period": 2, "starts": "2026-01-30", "ends": "2026-03-04"},
    ]
    made = calendar(fiscal={"kind": "list", "periods": listed}, close_after=2)
    assert of(made, "2025-12-31")[10:] == (None,) * 6
    assert of(made, "2026-03-05")[10:] == (None,) * 6
    # 29 January 2026 is a Thursday: the second business day after it is the Monday.
    last = of(made, "2026-01-29")
    assert last[10:] == (2026, 1, 29, date(2026, 1, 1), date(2026, 1, 29), date(2026, 2, 2))


@pytest.mark.parametrize(
    ("zone", "day", "hours"),
    [
        ("America/Los_Angeles", "2026-03-08", 23),
        ("America/Los_Angeles", "2026-11-01", 25),
        ("Australia/Lord_Howe", "2026-04-05", 24.5),
        # The clocks jump over midnight: the day begins at 01:00.
        ("America/Sao_Paulo", "2018-11-04", 23),
        ("Africa/Cairo", "2026-04-24", 23),
        # The hour before midnight comes twice.
        ("Africa/Cairo", "2026-10-29", 25),
        ("UTC", "2026-03-08", 24),
    ],
)
def test_a_day_is_as_long_as_its_zone_makes_it(zone: str, day: str, hours: float) -> None:
    found = of(calendar(zone=zone, weekdays=["sun", "thu", "fri"]), day)
    assert found.ends_at - found.starts_at == timedelta(hours=hours)
    assert found.closes_at - found.opens_at == timedelta(hours=hours)
    assert found.starts_at.astimezone(ZoneInfo(zone)).date() == date.fromisoformat(day)


def test_a_date_that_the_zone_left_out_is_no_day() -> None:
    days = {one.date: one for one in calendar_days(calendar(zone="Pacific/Apia"))}
    assert date(2011, 12, 30) not in days
    assert days[date(2011, 12, 29)].ends_at == days[date(2011, 12, 31)].starts_at


@pytest.mark.parametrize("zone", ["Pacific/Apia", "America/Havana", "Africa/Casablanca"])
def test_days_cover_time_without_gap_and_count_up(zone: str) -> None:
    days = calendar_days(calendar(zone=zone, hours="08:30-17:00", cut_off="16:00"))
    assert days[0].date == FIRST_DAY
    assert days[-1].date == LAST_DAY
    assert all(a.ends_at == b.starts_at < b.ends_at for a, b in itertools.pairwise(days))
    assert all(a.ordinal + b.is_business == b.ordinal for a, b in itertools.pairwise(days))
    for day in days:
        worked = day.closes_at - day.opens_at
        assert (worked > timedelta(0)) == day.is_business
        assert day.starts_at <= day.opens_at <= day.closes_at <= day.ends_at
        assert (day.opens_at < day.cutoff_at <= day.closes_at) == day.is_business


def test_own_days_go_before_public_holidays_and_weekends() -> None:
    made = calendar(
        holidays={"country": "US"},
        closures=[
            {"date": "2026-12-24", "through": "2026-12-31", "reason": "shut-down"},
            {"yearly": "07-03", "reason": "summer party"},
        ],
        working_days=[
            {"date": "2026-12-28", "reason": "stocktaking", "hours": "09:00-12:00"},
            {"date": "2026-07-04", "reason": "cut-over"},
        ],
    )
    found = {
        day: of(made, day)
        for day in (
            "2026-12-25",
            "2026-12-28",
            "2026-07-03",
            "2026-07-04",
            "2026-11-26",
            "2026-11-28",
            "2026-11-27",
        )
    }
    assert {day: (one.is_business, one.reason) for day, one in found.items()} == {
        "2026-12-25": (False, "shut-down"),
        "2026-12-28": (True, "stocktaking"),
        "2026-07-03": (False, "summer party"),
        "2026-07-04": (True, "cut-over"),
        "2026-11-26": (False, "Thanksgiving Day"),
        "2026-11-28": (False, "weekend"),
        "2026-11-27": (True, ""),
    }  # fmt: skip
    assert found["2026-12-28"].closes_at == datetime(2026, 12, 28, 12, tzinfo=UTC)


def test_the_weekend_is_that_of_the_country_unless_the_file_names_weekdays() -> None:
    """In Saudi Arabia Friday and Saturday are free; China moves working days to some weekends."""
    arabian = calendar(holidays={"country": "SA"})
    assert [of(arabian, f"2026-11-{day}").is_business for day in (19, 20, 21, 22)] == [
        True,
        False,
        False,
        True,
    ]
    named = calendar(holidays={"country": "SA"}, weekdays=["fri", "sat"])
    assert [of(named, f"2026-11-{day}").is_business for day in (19, 20, 21, 22)] == [False, True, True, False]
    assert of(calendar(holidays={"country": "CN"}), "2024-02-04").is_business
    assert not of(calendar(), "2024-02-04").is_business
    assert of(calendar(holidays={"market": "NYSE"}), "2026-11-26").reason == "Thanksgiving Day"


def test_a_holiday_at_the_weekend_is_kept_on_the_day_the_law_names_unless_told_otherwise() -> None:
    """4 July 2026 is a Saturday; the day off is Friday."""
    assert not of(calendar(holidays={"country": "US"}), "2026-07-03").is_business
    assert of(calendar(holidays={"country": "US", "observed": False}), "2026-07-03").is_business


def test_the_names_of_holidays_do_not_depend_on_the_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LANGUAGE", "de")
    assert of(calendar(holidays={"country": "DE", "subdivision": "BY"}), "2026-05-01").reason == "Labor Day"


def test_further_categories_come_beside_the_public_ones() -> None:
    """Japan's banks are closed on 2 January too."""
    assert of(calendar(holidays={"country": "JP"}), "2026-01-02").is_business
    made = calendar(holidays={"country": "JP", "categories": ["bank"]})
    assert not of(made, "2026-01-02").is_business
    assert not of(made, "2026-01-01").is_business
