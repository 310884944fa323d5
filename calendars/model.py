"""What a calendar file may say. The models are the reference: every key is documented here."""

from __future__ import annotations

import re
from datetime import date
from typing import Annotated, Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import AfterValidator, Field, StringConstraints

from calendars.times import ALL_DAY, TimeOfDay, Weekday, WorkingHours
from core.yamlfile import FileModel
from workflows.model import Name

# Days a calendar speaks of. Whatever lies outside is not known to it.
FIRST_DAY, LAST_DAY = date(2000, 1, 1), date(2049, 12, 31)

_MONTH_DAY = re.compile(r"(0[1-9]|1[0-2])-(0[1-9]|[12]\d|3[01])$")


def _zone(name: str) -> str:
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise ValueError("not a time zone of the IANA list, which writes them like America/Chicago") from None
    return name


def _day(day: date) -> date:
    if not FIRST_DAY <= day <= LAST_DAY:
        raise ValueError(f"a calendar reaches from {FIRST_DAY} through {LAST_DAY}")
    return day


def _month_day(text: str) -> str:
    # A leap year has every day that any year has.
    match = _MONTH_DAY.match(text)
    try:
        date(2000, int(match[1]), int(match[2])) if match else date(0, 0, 0)
    except ValueError:
        raise ValueError("a day of every year is written like 12-24") from None
    return text


Zone = Annotated[str, AfterValidator(_zone)]
Day = Annotated[date, AfterValidator(_day)]
MonthDay = Annotated[str, AfterValidator(_month_day)]
Month = Annotated[int, Field(ge=1, le=12)]
Reason = Annotated[str, StringConstraints(min_length=1, max_length=200)]


class PublicHolidays(FileModel):
    """Whose public holidays are kept: of a `country` (and its `subdivision`), or of a financial `market`.

    Codes and days are those of the `holidays` package. `categories` are kinds of holidays it knows for the
    country beside `public`, `bank` for example. `observed`: a holiday at the weekend is kept on the working
    day that the law names instead.
    """

    country: str = ""
    subdivision: str = ""
    market: str = ""
    categories: tuple[str, ...] = ()
    observed: bool = True


class Closure(FileModel):
    """Days nobody works: one `date`, from it `through` another, or `yearly` on the same month and day."""

    date: Day | None = None
    through: Day | None = None
    yearly: MonthDay | None = None
    reason: Reason


class WorkingDay(FileModel):
    """A day that is worked although it is a holiday, a closure or a weekend, or with `hours` of its own."""

    date: Day
    hours: WorkingHours | None = None
    reason: Reason


class Months(FileModel):
    """Periods are calendar months, the first one `first_month`.

    A year that spans two has the number of the one it ends in, or of the one it starts in.
    """

    kind: Literal["months"] = "months"
    first_month: Month = 1
    year_is: Literal["end", "start"] = "end"


class Weeks(FileModel):
    """A year of 52 or 53 whole weeks: quarters of 4, 4 and 5 weeks in one of their orders, or 13 periods of 4.

    It ends on the `last` weekday `ends_on` of the month `ends_in`, or on the one `nearest` to the end of that
    month. A 53rd week belongs to the last period. `year_is` as with months, by the month `ends_in`.
    """

    kind: Literal["4-4-5", "4-5-4", "5-4-4", "13-periods"]
    ends_in: Month = 12
    ends_on: Weekday = "sat"
    rule: Literal["last", "nearest"] = "last"
    year_is: Literal["end", "start"] = "end"


class Period(FileModel):
    """One period of an explicit list, both days included."""

    year: Annotated[int, Field(ge=1990, le=2060)]
    period: Annotated[int, Field(ge=1, le=99)]
    starts: Day
    ends: Day


class Periods(FileModel):
    """Periods one by one, in order and without gaps. Outside of them the period is not known."""

    kind: Literal["list"]
    periods: tuple[Period, ...] = Field(min_length=1)


Fiscal = Annotated[Months | Weeks | Periods, Field(discriminator="kind")]


class Calendar(FileModel):
    """When one group of people works: a facility, a shared service, a bank.

    `zone`: its days begin and end at midnight there. `weekdays` that are worked; without them those of the
    country, else Monday to Friday. `hours` of work, on some weekdays those of `hours_on`. What comes after
    `cut_off` counts for the next business day; without it, the end of the working hours is the limit.
    `close_after`: the books of a period are closed so many business days after its end.
    """

    calendar: Name
    title: str
    zone: Zone
    holidays: PublicHolidays | None = None
    weekdays: Annotated[tuple[Weekday, ...], Field(min_length=1)] | None = None
    hours: WorkingHours = ALL_DAY
    hours_on: dict[Weekday, WorkingHours] = Field(default_factory=dict)
    cut_off: TimeOfDay | None = None
    closures: tuple[Closure, ...] = ()
    working_days: tuple[WorkingDay, ...] = ()
    fiscal: Fiscal = Months()
    close_after: Annotated[int, Field(ge=1, le=60)] | None = None
