"""Business time and fiscal periods in plain Python, minute by minute and day by day, from the words of the reference page.

Nothing of `calendars/` is used but the file's model: public holidays are asked of the package year by year, wall
clocks are read from UTC minutes, periods are found by walking over days.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta
from functools import cache
from zoneinfo import ZoneInfo

import holidays

from calendars.model import Calendar, Months, PublicHolidays, Weeks

DAY = timedelta(days=1)
MINUTE = timedelta(minutes=1)
NAMES = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")


@cache
def named_holidays(source: PublicHolidays, year: int) -> holidays.HolidayBase:
    if source.market:
        return holidays.financial_holidays(source.market, years=year)
    subdivision = source.subdivision or None
    return holidays.country_holidays(source.country, subdiv=subdivision, years=year, observed=source.observed)


def hours_of(calendar: Calendar, day: date) -> tuple[int, int] | None:
    """Minutes of the wall clock at which work begins and ends on a date; None when nobody works."""
    usual = calendar.hours_on.get(NAMES[day.weekday()], calendar.hours)  # type: ignore[call-overload]
    for extra in calendar.working_days:
        if extra.date == day:
            hours = extra.hours or usual
            return hours.opens, hours.closes
    for closure in calendar.closures:
        if closure.yearly == f"{day.month:02}-{day.day:02}":
            return None
        if closure.date and closure.date <= day <= (closure.through or closure.date):
            return None
    if calendar.holidays and day in named_holidays(calendar.holidays, day.year):
        return None
    worked = calendar.weekdays or NAMES[:5]
    return (usual.opens, usual.closes) if NAMES[day.weekday()] in worked else None


def local(calendar: Calendar, moment: datetime) -> datetime:
    return moment.astimezone(ZoneInfo(calendar.zone))


def working_minutes(calendar: Calendar, start: datetime, end: datetime) -> int:
    """Whole minutes of UTC from `start` up to `end` at which the wall clock says that people work."""
    count, at = 0, start
    while at < end:
        wall = local(calendar, at)
        hours = hours_of(calendar, wall.date())
        count += bool(hours and hours[0] <= wall.hour * 60 + wall.minute < hours[1])
        at += MINUTE
    return count


def after_working_minutes(calendar: Calendar, start: datetime, minutes: int) -> datetime:
    """The first moment by which so many minutes were worked since `start`."""
    at = start
    while minutes:
        minutes -= working_minutes(calendar, at, at + MINUTE)
        at += MINUTE
    return at


def counts_for(calendar: Calendar, moment: datetime) -> date:
    """The business day a moment counts for."""
    wall = local(calendar, moment)
    hours = hours_of(calendar, wall.date())
    if hours:
        limit = min(hours[1], calendar.cut_off if calendar.cut_off is not None else hours[1])
        at = wall.replace(tzinfo=None)
        if limit == 24 * 60 or at <= datetime.combine(wall.date(), time(limit // 60, limit % 60)):
            return wall.date()
    return next_business_day(calendar, wall.date())


def next_business_day(calendar: Calendar, day: date) -> date:
    day += DAY
    while not hours_of(calendar, day):
        day += DAY
    return day


def plus_business_days(calendar: Calendar, moment: datetime, days: int) -> date:
    """The business day that is `days` after the one a moment counts for."""
    day = counts_for(calendar, moment)
    for _ in range(days):
        day = next_business_day(calendar, day)
    return day


def business_days_between(calendar: Calendar, start: date, end: date) -> int:
    """Business days after `start` up to and including `end`."""
    return sum(bool(hours_of(calendar, start + n * DAY)) for n in range(1, (end - start).days + 1))


def last_moment(calendar: Calendar, day: date) -> datetime:
    """The last microsecond of UTC that counts for a business day, found by halving."""
    low = datetime.combine(day, time(), UTC) - timedelta(hours=15)
    high = low + timedelta(hours=60)
    while high - low > timedelta(microseconds=1):
        middle = low + (high - low) / 2
        if counts_for(calendar, middle) <= day:
            low = middle
        else:
            high = middle
    return low


def fiscal(calendar: Calendar, day: date) -> tuple[int, int, int]:
    """Fiscal year, period and day of the period of a date, by walking back to the start of its year."""
    rule = calendar.fiscal
    if isinstance(rule, Months):
        return _in_months(rule, day)
    assert isinstance(rule, Weeks)
    starts = day
    while not _ends_a_year(rule, starts - DAY):
        starts -= DAY
    ends = day
    while not _ends_a_year(rule, ends):
        ends += DAY
    weeks = (4,) * 13 if rule.kind == "13-periods" else tuple(map(int, rule.kind.split("-"))) * 4
    number = (day - starts).days
    period = 1
    while period < len(weeks) and number >= weeks[period - 1] * 7:
        number -= weeks[period - 1] * 7
        period += 1
    # The month a year ends in is the one whose end is nearest to its last day.
    anchor = min(
        (_month_end(ends.year + shift, rule.ends_in) for shift in (-1, 0, 1)), key=lambda d: abs(d - ends)
    )
    year = anchor.year
    if rule.year_is == "start" and rule.ends_in != 12:
        year -= 1
    return year, period, number + 1


def _in_months(rule: Months, day: date) -> tuple[int, int, int]:
    starts = day.replace(day=1)
    period = 1
    while starts.month != rule.first_month:
        starts = (starts - DAY).replace(day=1)
        period += 1
    year = starts.year if rule.year_is == "start" or rule.first_month == 1 else starts.year + 1
    return year, period, day.day


def _month_end(year: int, month: int) -> date:
    return date(year + month // 12, month % 12 + 1, 1) - DAY


def _ends_a_year(rule: Weeks, day: date) -> bool:
    if NAMES[day.weekday()] != rule.ends_on:
        return False
    if rule.rule == "last":
        return day.month == rule.ends_in and (day + 7 * DAY).month != rule.ends_in
    return any(abs(day - _month_end(year, rule.ends_in)) <= 3 * DAY for year in (day.year - 1, day.year))


def days_through(start: date, end: date) -> Iterator[date]:
    return (start + n * DAY for n in range((end - start).days + 1))
