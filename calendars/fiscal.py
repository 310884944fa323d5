"""Fiscal periods: which year and period a date belongs to, by months, whole weeks or a list."""

from __future__ import annotations

from calendar import monthrange
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta

from calendars.model import FIRST_DAY, LAST_DAY, Months, Periods, Weeks
from calendars.times import WEEKDAYS

_DAY, _WEEK = timedelta(days=1), timedelta(weeks=1)
_QUARTERS = {"4-4-5": (4, 4, 5), "4-5-4": (4, 5, 4), "5-4-4": (5, 4, 4)}


@dataclass(frozen=True)
class FiscalPeriod:
    """One period of a fiscal year, both days included."""

    year: int
    period: int
    starts: date
    ends: date


def fiscal_periods(rule: Months | Weeks | Periods) -> list[FiscalPeriod]:
    """The periods of `rule` that hold any day of a calendar, in order of time."""
    found: Iterator[FiscalPeriod]
    if isinstance(rule, Months):
        found = _months(rule)
    elif isinstance(rule, Weeks):
        found = _weeks(rule)
    else:
        found = (FiscalPeriod(one.year, one.period, one.starts, one.ends) for one in rule.periods)
    return [one for one in found if one.ends >= FIRST_DAY and one.starts <= LAST_DAY]


def _months(rule: Months) -> Iterator[FiscalPeriod]:
    last_month = (rule.first_month - 2) % 12 + 1
    for number in range(FIRST_DAY.year * 12, LAST_DAY.year * 12 + 12):
        year, month = number // 12, number % 12 + 1
        ends_in_year = year + (month > last_month)
        period = (month - rule.first_month) % 12 + 1
        ends = date(year, month, monthrange(year, month)[1])
        yield FiscalPeriod(_label(ends_in_year, last_month, rule.year_is), period, date(year, month, 1), ends)


def _weeks(rule: Weeks) -> Iterator[FiscalPeriod]:
    for year in range(FIRST_DAY.year - 1, LAST_DAY.year + 2):
        starts, end = _year_end(rule, year - 1) + _DAY, _year_end(rule, year)
        lengths = _lengths(rule, (end + _DAY - starts) // _WEEK)
        for period, weeks in enumerate(lengths, start=1):
            ends = starts + weeks * _WEEK - _DAY
            yield FiscalPeriod(_label(year, rule.ends_in, rule.year_is), period, starts, ends)
            starts = ends + _DAY


def _lengths(rule: Weeks, weeks: int) -> list[int]:
    """Weeks of each period of a year of 52 or 53; the odd one is in the last period."""
    lengths = [4] * 13 if rule.kind == "13-periods" else [*_QUARTERS[rule.kind]] * 4
    return [*lengths[:-1], lengths[-1] + weeks - 52]


def _year_end(rule: Weeks, year: int) -> date:
    """The last day of the fiscal year that ends in, or nearest to the end of, the month of `year`."""
    month_end = date(year, rule.ends_in, monthrange(year, rule.ends_in)[1])
    last = month_end - _DAY * ((month_end.weekday() - WEEKDAYS.index(rule.ends_on)) % 7)
    too_early = rule.rule == "nearest" and (month_end - last) > 3 * _DAY
    return last + _WEEK if too_early else last


def _label(ends_in_year: int, ends_in_month: int, year_is: str) -> int:
    """A year that ends with December starts in the same one."""
    return ends_in_year - 1 if year_is == "start" and ends_in_month != 12 else ends_in_year
