"""Calendars: which there are, and what they say of each day."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime, timedelta
from typing import Annotated, Any
from zoneinfo import ZoneInfo

import typer

from calendars.days import CalendarDay, calendar_days
from calendars.model import FIRST_DAY, LAST_DAY, Calendar
from calendars.table import table_of, version_of
from core.errors import ConfigurationError
from tieout.commands.options import JsonOption, ProjectOption, named_calendar, present
from tieout.output import message, print_json, print_table
from tieout.project import DEFAULT, Project, open_to_read

calendar_app = typer.Typer(no_args_is_help=True, help="Calendars of the site: list, show.")

SHOWN = timedelta(days=27)


def register(app: typer.Typer) -> None:
    """Adds the commands of this module to the command line."""
    app.add_typer(calendar_app, name="calendar")


@calendar_app.command("list")
def calendar_list(project: ProjectOption = DEFAULT, json: JsonOption = False) -> None:
    """The calendars of this project. Example: tieout calendar list"""
    loaded = open_to_read(project)
    rows = [_overview(calendar, loaded) for calendar in loaded.calendars.values()]
    if json:
        print_json({"calendars": rows})
    else:
        print_table([{**row, "used_by": ", ".join(row["used_by"]) or "nothing yet"} for row in rows])


@calendar_app.command("show")
def calendar_show(
    name: Annotated[str, typer.Argument(help="Calendar, from `tieout calendar list`.")],
    project: ProjectOption = DEFAULT,
    first: Annotated[str, typer.Option("--from", help="First day, like 2026-11-01; by default today.")] = "",
    last: Annotated[str, typer.Option("--to", help="Last day; by default four weeks are shown.")] = "",
    json: JsonOption = False,
) -> None:
    """What a calendar says of each day. Example: tieout calendar show north --from 2026-11-20 --to 2026-12-31"""
    loaded = open_to_read(project)
    calendar = named_calendar(loaded, name)
    begin = _day(first, "--from") if first else present().astimezone(ZoneInfo(calendar.zone)).date()
    end = _day(last, "--to") if last else min(begin + SHOWN, LAST_DAY)
    if end < begin:
        raise ConfigurationError(f"--to {end} is before --from {begin}")
    days = [day for day in calendar_days(calendar) if begin <= day.date <= end]
    if json:
        print_json(
            {"calendar": calendar.calendar, "zone": calendar.zone, "days": [day._asdict() for day in days]}
        )
        return
    print_table(
        [_shown(day, ZoneInfo(calendar.zone)) for day in days],
        title=f"{calendar.title}, times of {calendar.zone}",
    )
    message(_summary(days))


def _day(text: str, option: str) -> date:
    try:
        day = date.fromisoformat(text)
    except ValueError:
        raise ConfigurationError(f"{option} {text!r} is not a day; write 2026-11-01") from None
    if not FIRST_DAY <= day <= LAST_DAY:
        raise ConfigurationError(f"{option} {day}: a calendar reaches from {FIRST_DAY} through {LAST_DAY}")
    return day


def _overview(calendar: Calendar, project: Project) -> dict[str, Any]:
    days = calendar_days(calendar)
    year = present().astimezone(ZoneInfo(calendar.zone)).year
    source = calendar.holidays
    return {
        "calendar": calendar.calendar,
        "title": calendar.title,
        "zone": calendar.zone,
        "holidays": " ".join(filter(None, (source.country, source.subdivision, source.market)))
        if source
        else "none",
        "hours": calendar.hours.text(),
        "fiscal": calendar.fiscal.kind,
        "business_days_this_year": sum(day.is_business for day in days if day.date.year == year),
        "used_by": [name for name, flow in project.workflows.items() if calendar.calendar in flow.calendars],
        "version": version_of(table_of(days)),
    }


def _shown(day: CalendarDay, zone: ZoneInfo) -> dict[str, Any]:
    """One day in local times. A limit a moment before midnight is the end of the day."""
    hours = (
        f"{_local(day.opens_at, zone)}-{_local(day.closes_at, zone, day)}" if day.is_business else "closed"
    )
    period = (
        f"{day.fiscal_year}-{day.fiscal_period:02} day {day.day_of_period}" if day.fiscal_period else None
    )
    return {
        "date": str(day.date),
        "day": f"{day.date:%a}",
        "work": hours,
        "cut_off": _local(day.cutoff_at, zone, day) if day.is_business else None,
        "business_day": day.ordinal if day.is_business else None,
        "period": period,
        "books_close": str(day.close_day) if day.close_day else None,
        "reason": day.reason,
    }


def _local(moment: datetime, zone: ZoneInfo, ends: CalendarDay | None = None) -> str:
    if ends and moment >= ends.ends_at - timedelta(microseconds=1):
        return "24:00"
    return f"{moment.astimezone(zone):%H:%M}"


def _summary(days: Sequence[CalendarDay]) -> str:
    worked = sum(day.is_business for day in days)
    seconds = sum((day.closes_at - day.opens_at).total_seconds() for day in days)
    return f"{len(days)} days, {worked} business days, {seconds / 3600:,.1f} hours of working time"
