"""A fiscal period by its name, like 2026-P03: from when to when it is, by the days of the table `calendar`."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from core.errors import ConfigurationError
from store.client import Store
from store.sqlfile import read

SQL = Path(__file__).parent / "sql"

_NAME = re.compile(r"(\d{4})-?[pP](\d{1,2})$")


@dataclass(frozen=True)
class PeriodSpan:
    """One fiscal period of a calendar: from `starts_at` up to but without `ends_at`, midnights of its zone in UTC."""

    calendar: str
    name: str
    starts_at: datetime
    ends_at: datetime


def periods_of(store: Store, calendar: str, known_at: datetime) -> dict[str, PeriodSpan]:
    """The fiscal periods of `calendar` by name, in order, by its days as known at `known_at`. Raises StoreError."""
    asked = {"calendar": calendar, "known_at": known_at}
    spans = [
        PeriodSpan(
            calendar, _name(row["fiscal_year"], row["fiscal_period"]), row["starts_at"], row["ends_at"]
        )
        for row in store.rows(read(SQL / "fiscal_periods.sql"), asked)
    ]
    return {span.name: span for span in spans}


def fiscal_period(store: Store, calendar: str, name: str, known_at: datetime) -> PeriodSpan:
    """The period called `name` by the days of `calendar` as known at `known_at`.

    Raises ConfigurationError, with the periods there are, for a name the calendar does not know; StoreError.
    """
    match = _NAME.match(name.strip())
    if not match:
        raise ConfigurationError(f"{name!r} is not a fiscal period; write 2026-P03")
    wanted = _name(int(match[1]), int(match[2]))
    known = periods_of(store, calendar, known_at)
    if wanted in known:
        return known[wanted]
    if not known:
        raise ConfigurationError(
            f"calendar {calendar!r} has no days in the store; `tieout up` and `tieout import` load the files of calendars/"
        )
    year = [other.partition("-")[2] for other in known if other.startswith(f"{match[1]}-")]
    there = f"{match[1]} has {', '.join(year)}" if year else f"there are {min(known)} to {max(known)}"
    raise ConfigurationError(f"calendar {calendar!r} has no period {wanted}; {there}")


def _name(year: int, period: int) -> str:
    return f"{year}-P{period:02}"
