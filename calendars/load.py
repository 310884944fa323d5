"""A folder of calendar files → checked calendars, or every mistake in them."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

from calendars.model import Calendar, Closure, Periods
from calendars.public_holidays import mistakes
from calendars.times import WEEKDAYS, Hours, format_time
from core.findings import Finding
from core.yamlfile import Location, Parsed, load

# A place in the file and what is wrong there.
_Mistake = tuple[Location, str]


def load_calendars(folder: Path) -> tuple[dict[str, Calendar], list[Finding]]:
    """The calendars in `folder` by name, and what is wrong with the files that are not among them."""
    calendars: dict[str, Calendar] = {}
    findings: list[Finding] = []
    for file in sorted(folder.glob("*.y*ml")):
        calendar, parsed, problems = load(file, Calendar)
        if calendar and parsed:
            problems += _check(calendar, parsed)
            if calendar.calendar in calendars:
                message = f"calendar {calendar.calendar!r} is defined twice"
                problems.append(parsed.finding(("calendar",), message))
        findings += problems
        if calendar and not problems:
            calendars[calendar.calendar] = calendar
    return calendars, findings


def _check(calendar: Calendar, parsed: Parsed) -> list[Finding]:
    """What the model alone cannot see: names of the `holidays` package, and keys that contradict each other."""
    out = [
        parsed.finding(("holidays", key), message, allowed, near)
        for key, message, allowed, near in (mistakes(calendar.holidays) if calendar.holidays else ())
    ]
    found = [
        *_closures(calendar),
        *_twice(calendar),
        *_weekdays(calendar),
        *_cut_off(calendar),
        *_periods(calendar),
    ]
    return out + [parsed.finding(at, message) for at, message in found]


def _closures(calendar: Calendar) -> Iterator[_Mistake]:
    for index, closure in enumerate(calendar.closures):
        if bool(closure.date) == bool(closure.yearly):
            yield ("closures", index), "a closure has either a 'date' or is 'yearly'"
        elif closure.through and not closure.date:
            yield ("closures", index, "through"), "'through' goes with a 'date', not with 'yearly'"
        elif closure.through and closure.date and closure.through <= closure.date:
            yield ("closures", index, "through"), "'through' is a day after 'date'"


def _twice(calendar: Calendar) -> Iterator[_Mistake]:
    """One and the same day named twice, whatever it is said to be."""
    seen = set()
    named = [
        *((("closures", n, "date"), one.date) for n, one in enumerate(calendar.closures) if _one_day(one)),
        *((("working_days", n, "date"), one.date) for n, one in enumerate(calendar.working_days)),
    ]
    for at, day in named:
        if day in seen:
            yield at, f"{day} is named twice among closures and working days"
        seen.add(day)


def _one_day(closure: Closure) -> bool:
    return closure.date is not None and closure.through is None


def _weekdays(calendar: Calendar) -> Iterator[_Mistake]:
    if calendar.weekdays is None:
        return
    for day in calendar.hours_on:
        if day not in calendar.weekdays:
            yield ("hours_on", day), f"{day} is not among the 'weekdays' that are worked"
    for index, name in enumerate(calendar.weekdays):
        if name in calendar.weekdays[:index]:
            yield ("weekdays", index), f"{name} is named twice"


def _cut_off(calendar: Calendar) -> Iterator[_Mistake]:
    """A cut-off lies in the working hours of every day; a day that closes earlier has its closing time as limit."""
    limit = calendar.cut_off
    if limit is None:
        return
    if not calendar.hours.opens < limit <= calendar.hours.closes:
        yield (
            ("cut_off",),
            f"the cut-off {format_time(limit)} is not within the working hours {calendar.hours.text()}",
        )
        return
    own: list[tuple[Location, Hours]] = [
        *((("hours_on", day), calendar.hours_on[day]) for day in WEEKDAYS if day in calendar.hours_on),
        *(
            (("working_days", n, "hours"), one.hours)
            for n, one in enumerate(calendar.working_days)
            if one.hours
        ),
    ]
    for at, hours in own:
        if hours.opens >= limit:
            yield (
                at,
                f"work begins at {format_time(hours.opens)}, not before the cut-off {format_time(limit)}",
            )


def _periods(calendar: Calendar) -> Iterator[_Mistake]:
    """Periods follow each other day by day; a gap would leave postings without a period."""
    if not isinstance(calendar.fiscal, Periods):
        return
    numbers = set()
    for index, period in enumerate(calendar.fiscal.periods):
        at: Location = ("fiscal", "periods", index)
        if period.ends < period.starts:
            yield (*at, "ends"), "a period ends on or after the day it starts"
        if (period.year, period.period) in numbers:
            yield at, f"period {period.period} of {period.year} is named twice"
        numbers.add((period.year, period.period))
        before = calendar.fiscal.periods[index - 1].ends if index else None
        if before is not None and period.starts != before + timedelta(days=1):
            yield (*at, "starts"), f"a period starts on the day after the one before, which ends on {before}"
