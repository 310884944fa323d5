"""Answers out: kpi, explain."""

from __future__ import annotations

import dataclasses
from typing import Annotated, Any

import typer

from core.errors import ConfigurationError
from core.findings import nearest
from kpis.kpi import Kpi
from kpis.run import compute
from reconcile.explain import Explanation, explain, find
from tieout.commands.options import (
    AsOfOption,
    ByOption,
    CalendarOption,
    JsonOption,
    KnownAtOption,
    PeriodOption,
    ProjectOption,
    WorkflowOption,
    chosen,
    dimension,
    pair,
    present,
    stretch,
)
from tieout.opening import store_of
from tieout.output import out, print_json, print_table
from tieout.project import DEFAULT, Project, open_to_read

kpi_app = typer.Typer(no_args_is_help=True, help="Figures: list, show, explain.")


def register(app: typer.Typer) -> None:
    """Adds the commands of this module to the command line."""
    app.add_typer(kpi_app, name="kpi")
    app.command("explain")(explain_key)


# --- kpi


@kpi_app.command("list")
def kpi_list(project: ProjectOption = DEFAULT, json: JsonOption = False) -> None:
    """The KPIs of this project. Example: tieout kpi list"""
    loaded = open_to_read(project)
    rows = [_kpi_row(kpi) for kpi in loaded.kpis.values()]
    print_json(rows) if json else print_table(rows)


@kpi_app.command("show")
def kpi_show(
    kpi: Annotated[str, typer.Argument(help="KPI, like K06.")],
    project: ProjectOption = DEFAULT,
    workflow: WorkflowOption = "",
    by: ByOption = "",
    period: PeriodOption = "",
    calendar: CalendarOption = "",
    as_of: AsOfOption = "",
    known_at: KnownAtOption = "",
    json: JsonOption = False,
) -> None:
    """A KPI worked out as of any time, or of a fiscal period. Example: tieout kpi show K06 --by owner --as-of 2015-06-30"""
    loaded = open_to_read(project)
    wanted = _kpi(loaded, kpi)
    rows: list[dict[str, Any]] = []
    with store_of(loaded, present(), "kpi show") as store:
        for flow in chosen(loaded, workflow):
            if not wanted.applies_to(flow):
                continue
            asked = stretch(store, loaded, flow, period, calendar, as_of, known_at)
            at = asked.at
            start = asked.start or at.as_of - (loaded.settings.kpi_window or wanted.header.window)
            cut = dimension(flow, by, wanted.dimensions_of(flow))
            figures = compute(store, wanted, flow.workflow, cut, at.as_of, at.known_at, start)
            of = {"period": asked.period} if asked.period else {}
            rows += [{"workflow": flow.workflow, **of, "as_of": at.as_of, **figure} for figure in figures]
    print_json(
        {"kpi": wanted.id, "title": wanted.header.title, "by": by, "figures": rows}
    ) if json else print_table(rows, title=f"{wanted.id} {wanted.header.title}")


@kpi_app.command("explain")
def kpi_explain(
    kpi: Annotated[str, typer.Argument(help="KPI, like K06.")],
    project: ProjectOption = DEFAULT,
    json: JsonOption = False,
) -> None:
    """What a KPI means: formula, unit, direction, query. Example: tieout kpi explain K06"""
    wanted = _kpi(open_to_read(project), kpi)
    if json:
        print_json({**_kpi_row(wanted), "header": wanted.header, "sql": wanted.sql})
        return
    print_table(
        [
            {"key": key, "value": value}
            for key, value in wanted.header.model_dump(mode="json").items()
            if value
        ]
    )
    out.print(wanted.sql, markup=False)


def _kpi(project: Project, name: str) -> Kpi:
    found = project.kpis.get(name) or project.kpis.get(name.upper())
    if found is None:
        near = nearest(name, project.kpis)
        hint = f"; did you mean {near!r}?" if near else "; `tieout kpi list` shows them"
        raise ConfigurationError(f"no KPI {name!r}{hint}")
    return found


def _kpi_row(kpi: Kpi) -> dict[str, Any]:
    measures = ", ".join(measure.name for measure in kpi.header.measures)
    return {
        "kpi": kpi.id,
        "title": kpi.header.title,
        "kind": kpi.header.kind,
        "measures": measures,
        "version": kpi.version,
    }


# --- explain


def explain_key(
    key: Annotated[str, typer.Argument(help="Business key, type:key, trace id, or exception id.")],
    project: ProjectOption = DEFAULT,
    as_of: AsOfOption = "",
    known_at: KnownAtOption = "",
    json: JsonOption = False,
) -> None:
    """Everything about one business key: what happened, what is open, why. Example: tieout explain NA"""
    loaded = open_to_read(project)
    with store_of(loaded, present(), "explain") as store:
        stories: list[Explanation] = []
        for hit in find(store, key):
            for flow in chosen(loaded, hit["workflow"] if hit["workflow"] in loaded.workflows else ""):
                if hit["object_type"] not in flow.objects:
                    continue
                at = pair(store, flow, as_of, known_at)
                where = (flow.workflow, hit["object_type"], hit["object_key"])
                stories.append(explain(store, loaded.workflows, *where, at.as_of, at.known_at))
    if not stories:
        raise ConfigurationError(f"nothing is known of {key!r}: no object, trace or exception has it")
    if json:
        print_json({"key": key, "stories": [dataclasses.asdict(story) for story in stories]})
        return
    for story in stories:
        _tell(story)


def _tell(story: Explanation) -> None:
    """The story for a person: the answer first, then what happened, what is wrong, what hangs on it."""
    out.print(story.headline, markup=False, style="bold", soft_wrap=True)
    out.print(
        f"\nTimeline of {story.title} {story.object_key}, as of {story.as_of:%Y-%m-%d %H:%M} UTC",
        markup=False,
    )
    for entry in story.timeline:
        mark = {"failed": "!", "due": "○", "state": "·"}.get(entry.kind, "•")
        amount = f"{entry.amount:,.2f} {entry.currency}" if entry.amount is not None else ""
        parts = [entry.title, amount, entry.detail, f"by {entry.actor}" if entry.actor else "", entry.source]
        out.print(
            f"  {entry.at:%Y-%m-%d %H:%M:%S} {mark} {'; '.join(part for part in parts if part)}", markup=False
        )
    failing = [finding for finding in story.findings if finding.failing]
    if failing:
        out.print("\nOpen exceptions", markup=False)
    for finding in failing:
        out.print(f"  {finding.state} {finding.item}: {finding.title}", markup=False, style="bold")
        out.print(f"    {finding.sentence}", markup=False, soft_wrap=True)
        out.print(f"    owner {finding.owner}: {finding.todo}", markup=False, soft_wrap=True)
        out.print(f"    exception {finding.exception_id}", markup=False)
    if story.hop:
        out.print(f"\nFirst failing hop: {story.hop}", markup=False, style="bold", soft_wrap=True)
    if story.neighbours:
        out.print("\nLinked objects", markup=False)
    for near in story.neighbours:
        amount = f", {near.amount:,.2f} {near.currency}" if near.amount is not None else ""
        missing = "" if near.exists else ", NOT IN ITS SYSTEM"
        out.print(f"  {near.object_type} {near.object_key} ({near.role}){amount}{missing}", markup=False)
    if story.spans:
        print_table(
            story.spans, ["at", "service", "name", "duration_ns", "status", "trace_id"], title="\nSpans"
        )
    if story.logs:
        print_table(story.logs, ["at", "service", "severity", "body"], title="\nLogs of these traces")
    if story.set_aside:
        print_table(story.set_aside, title="\nRecords that name it and were set aside")
