"""Options that many commands share, and what they mean."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated

import typer

from calendars.model import Calendar
from calendars.periods import fiscal_period
from core.errors import ConfigurationError
from core.findings import nearest
from store.client import Store
from tieout.output import message
from tieout.pipeline import Moment, moment
from tieout.project import Project
from workflows.model import Workflow

_US = timedelta(microseconds=1)

ProjectOption = Annotated[
    Path, typer.Option("--project", "-p", help="Project folder.", envvar="TIEOUT_PROJECT")
]
JsonOption = Annotated[bool, typer.Option("--json", help="One JSON document on standard output.")]
AsOfOption = Annotated[
    str, typer.Option("--as-of", help="Business time, like 2015-06-30 or 2015-06-30T12:00Z.")
]
KnownAtOption = Annotated[
    str, typer.Option("--known-at", help="What was known then, like 2026-11-20T08:00Z.")
]
WorkflowOption = Annotated[str, typer.Option("--workflow", "-w", help="Only this workflow.")]
PeriodOption = Annotated[
    str, typer.Option(help="Fiscal period, like 2026-P03: what fell due or happened in it, as of its end.")
]
CalendarOption = Annotated[str, typer.Option(help="Calendar of --period; by default that of the workflow.")]
ByOption = Annotated[
    str, typer.Option("--by", help="Segment: owner, expectation, or a dimension of the workflow.")
]


def present() -> datetime:
    """The moment a command runs in."""
    return datetime.now(UTC)


def parse_time(text: str) -> datetime:
    """An aware time in UTC; a bare date means its end. Raises ConfigurationError."""
    try:
        value = datetime.fromisoformat(text)
    except ValueError:
        raise ConfigurationError(f"{text!r} is not a time; write 2015-06-30 or 2015-06-30T12:00Z") from None
    if len(text) == 10:
        value = value.replace(hour=23, minute=59, second=59, microsecond=999999)
    return value.replace(tzinfo=value.tzinfo or UTC).astimezone(UTC)


def pair(store: Store, workflow: Workflow, as_of: str, known_at: str) -> Moment:
    """The (V, K) a person asked for; what is not given is the workflow's present."""
    now = moment(store, workflow, present())
    known = parse_time(known_at) if known_at else present()
    return Moment(parse_time(as_of) if as_of else now.as_of, known)


@dataclass(frozen=True)
class Stretch:
    """The pair figures speak of, and the start of their period: it reaches from after `start` through V.

    `period` is the fiscal period asked for, if one was; `start` is None without.
    """

    at: Moment
    start: datetime | None = None
    period: str = ""


def stretch(
    store: Store,
    project: Project,
    workflow: Workflow,
    period: str,
    calendar: str,
    as_of: str,
    known_at: str,
) -> Stretch:
    """A fiscal period that a person asked for, as far as it is over; without one, `pair`. Raises ConfigurationError."""
    if not period:
        if calendar:
            raise ConfigurationError("--calendar says whose --period is meant; there is no --period")
        return Stretch(pair(store, workflow, as_of, known_at))
    if as_of:
        raise ConfigurationError("--period says as of when: at its end; leave --as-of out")
    now = pair(store, workflow, "", known_at)
    span = fiscal_period(store, _calendar_of(project, workflow, calendar), period, now.known_at)
    if span.starts_at > now.as_of:
        raise ConfigurationError(
            f"{span.name} of calendar {span.calendar!r} begins at {span.starts_at:%Y-%m-%d %H:%M} UTC; "
            f"{workflow.workflow} can be told up to {now.as_of:%Y-%m-%d %H:%M} UTC"
        )
    end = span.ends_at - _US
    if now.as_of < end:
        message(
            f"{workflow.workflow}: {span.name} ends at {span.ends_at:%Y-%m-%d %H:%M} UTC; shown is what can be told, "
            f"up to {now.as_of:%Y-%m-%d %H:%M} UTC"
        )
    # The first moment of the period is in it.
    return Stretch(Moment(min(end, now.as_of), now.known_at), span.starts_at - _US, span.name)


def _calendar_of(project: Project, workflow: Workflow, name: str) -> str:
    """The calendar whose periods are meant: the one named, else the workflow's, else its only one."""
    if name:
        return named_calendar(project, name).calendar
    if workflow.period_calendar:
        return workflow.period_calendar
    raise ConfigurationError(
        f"workflow {workflow.workflow!r} does not say which calendar its periods are of; name one with --calendar: "
        f"{', '.join(workflow.calendars or project.calendars) or 'there is none'}"
    )


def named_calendar(project: Project, name: str) -> Calendar:
    """The calendar called `name`. Raises ConfigurationError that names the nearest."""
    if name not in project.calendars:
        near = nearest(name, project.calendars)
        hint = f"; did you mean {near!r}?" if near else ""
        raise ConfigurationError(
            f"no calendar {name!r}; there are {', '.join(project.calendars) or 'none'}{hint}"
        )
    return project.calendars[name]


def chosen(project: Project, name: str) -> list[Workflow]:
    """The workflow called `name`, or all. Raises ConfigurationError that names the nearest."""
    if not name:
        return list(project.workflows.values())
    if name not in project.workflows:
        near = nearest(name, project.workflows)
        hint = f"; did you mean {near!r}?" if near else ""
        raise ConfigurationError(
            f"no workflow {name!r}; there are {', '.join(project.workflows) or 'none'}{hint}"
        )
    return [project.workflows[name]]


def dimension(workflow: Workflow, name: str, more: Iterable[str] = ()) -> str:
    """A segment the workflow can be cut by, `more` among them. Raises ConfigurationError that names what there is."""
    known = list(
        dict.fromkeys(["owner", "expectation", "item_type", *workflow.dimensions, *filter(None, more)])
    )
    if name and name not in known:
        near = nearest(name, known)
        hint = f"; did you mean {near!r}?" if near else ""
        raise ConfigurationError(
            f"{workflow.workflow} has no segment {name!r}; there are {', '.join(known)}{hint}"
        )
    return name
