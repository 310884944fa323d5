"""One calendar → its days: when each begins and ends in UTC, whether it is worked, and to which period it belongs."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, date, datetime, time, timedelta
from typing import NamedTuple
from zoneinfo import ZoneInfo

from calendars.fiscal import FiscalPeriod, fiscal_periods
from calendars.model import FIRST_DAY, LAST_DAY, Calendar
from calendars.public_holidays import public_holidays
from calendars.times import MIDNIGHT, WEEKDAYS, Hours

# The field of the same name hides the type inside the class below.
_Date = date
_DAY = timedelta(days=1)
# The end of a day is the beginning of the next: what counts for a day comes before it.
_LEAST = timedelta(microseconds=1)


class CalendarDay(NamedTuple):
    """One row of the table `calendar`, without what says of which calendar and version it is.

    All moments are UTC. `starts_at` and `ends_at` are the midnights of the date in the calendar's zone.
    `ordinal` counts business days up to and including this one; `business_s` is working time before this day.
    """

    date: _Date
    starts_at: datetime
    ends_at: datetime
    is_business: bool
    ordinal: int
    opens_at: datetime
    closes_at: datetime
    cutoff_at: datetime
    business_s: int
    reason: str
    fiscal_year: int | None
    fiscal_period: int | None
    day_of_period: int | None
    period_starts_on: _Date | None
    period_ends_on: _Date | None
    close_day: _Date | None


def calendar_days(calendar: Calendar) -> list[CalendarDay]:
    """Every day of `calendar` in order. A date that its zone left out (Samoa's 30 December 2011) is no day."""
    zone, work = ZoneInfo(calendar.zone), _Work(calendar)
    midnights = {day: _moment(zone, day, 0) for day in _dates(LAST_DAY + _DAY)}
    worked = [(day, *work.of(day)) for day in _dates() if midnights[day] < midnights[day + _DAY]]
    days: list[CalendarDay] = []
    ordinal, business_s = 0, 0
    for (day, hours, reason), period in zip(worked, _periods(calendar, worked), strict=True):
        starts, ends = midnights[day], midnights[day + _DAY]
        opens, closes, cutoff = starts, starts, starts - _LEAST
        if hours:
            ordinal += 1
            # Where the clocks jump over the opening time, it may come after the closing time.
            opens = min(_moment(zone, day, hours.opens), ends)
            closes = max(opens, min(_moment(zone, day, hours.closes), ends))
            cutoff = min(_moment(zone, day, work.limit(hours)), ends - _LEAST)
        days.append(
            CalendarDay(
                day, starts, ends, bool(hours), ordinal, opens, closes, cutoff, business_s, reason,
                *period.of(day),
            )
        )  # fmt: skip
        business_s += int((closes - opens).total_seconds())
    return days


class _Work:
    """Which dates are worked and when, by the weekdays, holidays, closures and working days of one calendar."""

    def __init__(self, calendar: Calendar) -> None:
        self._calendar = calendar
        self._public = public_holidays(calendar.holidays) if calendar.holidays else None
        # Asking the package's own mapping day by day is ten times as slow.
        self._holidays = dict(self._public.items()) if self._public else {}
        self._closed = _closures(calendar)
        self._extra = {day.date: day for day in calendar.working_days}

    def of(self, day: date) -> tuple[Hours | None, str]:
        """The working hours of `day` (None: closed), and why they are not those of any such weekday."""
        usual = self._calendar.hours_on.get(WEEKDAYS[day.weekday()], self._calendar.hours)
        if day in self._extra:
            return self._extra[day].hours or usual, self._extra[day].reason
        if day in self._closed:
            return None, self._closed[day]
        if day in self._holidays:
            return None, self._holidays[day]
        return (usual, "") if self._is_weekday(day) else (None, "weekend")

    def limit(self, hours: Hours) -> int:
        """The time of day after which what comes counts for the next business day."""
        cut_off = self._calendar.cut_off
        return hours.closes if cut_off is None else min(cut_off, hours.closes)

    def _is_weekday(self, day: date) -> bool:
        """By the file, else by the country (which may move a working day to a weekend), else Monday to Friday."""
        if self._calendar.weekdays is not None:
            return WEEKDAYS[day.weekday()] in self._calendar.weekdays
        if self._public is None:
            return day.weekday() < 5
        return day in self._public.weekend_workdays or not self._public.is_weekend(day)


def _closures(calendar: Calendar) -> Mapping[date, str]:
    closed: dict[date, str] = {}
    yearly = {one.yearly: one.reason for one in calendar.closures if one.yearly}
    for day in _dates() if yearly else ():
        if reason := yearly.get(f"{day:%m-%d}"):
            closed[day] = reason
    for one in calendar.closures:
        if one.date:
            last = one.through or one.date
            closed |= {one.date + n * _DAY: one.reason for n in range((last - one.date).days + 1)}
    return closed


def _dates(last: date = LAST_DAY) -> Iterator[date]:
    return (FIRST_DAY + n * _DAY for n in range((last - FIRST_DAY).days + 1))


def _moment(zone: ZoneInfo, day: date, minutes: int) -> datetime:
    """A local time in UTC. One that the clocks jump over is taken as if they had not; of one that comes twice, the first."""
    days, rest = divmod(minutes, MIDNIGHT)
    return datetime.combine(day + days * _DAY, time(rest // 60, rest % 60), zone).astimezone(UTC)


class _Period(NamedTuple):
    """The fiscal period a stretch of days belongs to, if it is known, and the day its books are closed."""

    period: FiscalPeriod | None = None
    close_day: date | None = None

    def of(
        self, day: date
    ) -> tuple[int | None, int | None, int | None, date | None, date | None, date | None]:
        """Year, period, day of the period, its first and last day, its close day."""
        found = self.period
        if found is None:
            return (None, None, None, None, None, None)
        number = (day - found.starts).days + 1
        return (found.year, found.period, number, found.starts, found.ends, self.close_day)


def _periods(calendar: Calendar, worked: Sequence[tuple[date, Hours | None, str]]) -> Iterator[_Period]:
    """The period of each day, in step with `worked`."""
    business = [day for day, hours, _ in worked if hours]
    found = fiscal_periods(calendar.fiscal)
    closed = [_Period(period, _close_day(period, business, calendar.close_after)) for period in found]
    starts = [period.starts for period in found]
    for day, _, _ in worked:
        at = bisect_right(starts, day) - 1
        yield closed[at] if at >= 0 and day <= found[at].ends else _Period()


def _close_day(period: FiscalPeriod, business: Sequence[date], close_after: int | None) -> date | None:
    """The business day that is so many after the end of the period."""
    if close_after is None:
        return None
    at = bisect_right(business, period.ends) + close_after - 1
    return business[at] if at < len(business) else None
