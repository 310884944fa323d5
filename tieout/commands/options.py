"""Options that many commands share, and what they mean."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from core.errors import ConfigurationError
from core.findings import nearest
from store.client import Store
from tieout.pipeline import Moment, moment
from tieout.project import Project
from workflows.model import Workflow

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


def dimension(workflow: Workflow, name: str) -> str:
    """A segment the workflow can be cut by. Raises ConfigurationError that names what there is."""
    known = ["owner", "expectation", "item_type", *workflow.dimensions]
    if name and name not in known:
        near = nearest(name, known)
        hint = f"; did you mean {near!r}?" if near else ""
        raise ConfigurationError(
            f"{workflow.workflow} has no segment {name!r}; there are {', '.join(known)}{hint}"
        )
    return name
