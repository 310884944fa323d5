"""Answers out: kpi, exceptions, explain."""

from __future__ import annotations

import dataclasses
import os
from typing import Annotated, Any, cast, get_args

import typer

from core.errors import ConfigurationError
from core.findings import nearest
from kpis.kpi import Kpi
from kpis.run import compute
from reconcile.actions import Action, act
from reconcile.explain import Explanation, explain, find
from store.sqlfile import read as sql
from tieout.commands.options import (
    AsOfOption,
    ByOption,
    JsonOption,
    KnownAtOption,
    ProjectOption,
    WorkflowOption,
    chosen,
    dimension,
    pair,
    present,
)
from tieout.opening import store_of
from tieout.output import message, out, print_json, print_table
from tieout.pipeline import SQL
from tieout.project import DEFAULT, Project, open_project

kpi_app = typer.Typer(no_args_is_help=True, help="Figures: list, show, explain.")
exceptions_app = typer.Typer(
    no_args_is_help=True, help="Exceptions: list, show, and what people do with them."
)


def register(app: typer.Typer) -> None:
    """Adds the commands of this module to the command line."""
    app.add_typer(kpi_app, name="kpi")
    app.add_typer(exceptions_app, name="exceptions")
    app.command("explain")(explain_key)


# --- kpi


@kpi_app.command("list")
def kpi_list(project: ProjectOption = DEFAULT, json: JsonOption = False) -> None:
    """The KPIs of this project. Example: tieout kpi list"""
    loaded = open_project(project)
    rows = [_kpi_row(kpi) for kpi in loaded.kpis.values()]
    print_json(rows) if json else print_table(rows)


@kpi_app.command("show")
def kpi_show(
    kpi: Annotated[str, typer.Argument(help="KPI, like K06.")],
    project: ProjectOption = DEFAULT,
    workflow: WorkflowOption = "",
    by: ByOption = "",
    as_of: AsOfOption = "",
    known_at: KnownAtOption = "",
    json: JsonOption = False,
) -> None:
    """A KPI worked out as of any time. Example: tieout kpi show K06 --by owner --as-of 2015-06-30"""
    loaded = open_project(project)
    wanted = _kpi(loaded, kpi)
    rows: list[dict[str, Any]] = []
    with store_of(loaded, present(), "kpi show") as store:
        for flow in chosen(loaded, workflow):
            if not wanted.applies_to(flow):
                continue
            at = pair(store, flow, as_of, known_at)
            window = loaded.settings.kpi_window or wanted.header.window
            figures = compute(
                store, wanted, flow.workflow, dimension(flow, by), at.as_of, at.known_at, at.as_of - window
            )
            rows += [{"workflow": flow.workflow, "as_of": at.as_of, **figure} for figure in figures]
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
    wanted = _kpi(open_project(project), kpi)
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


# --- exceptions


@exceptions_app.command("list")
def exceptions_list(
    project: ProjectOption = DEFAULT,
    workflow: WorkflowOption = "",
    by: ByOption = "",
    status: Annotated[
        str, typer.Option(help="open, acknowledged, explained, resolved; empty for all.")
    ] = "open",
    owner: Annotated[str, typer.Option(help="Team or assignee.")] = "",
    expectation: Annotated[str, typer.Option(help="Rule of the workflow.")] = "",
    as_of: AsOfOption = "",
    known_at: KnownAtOption = "",
    limit: Annotated[int, typer.Option(min=1, max=100_000, help="Rows at most.")] = 50,
    offset: Annotated[int, typer.Option(min=0, help="Rows to leave out first.")] = 0,
    json: JsonOption = False,
) -> None:
    """Exceptions, oldest first, or their ageing by a segment. Example: tieout exceptions list --by owner"""
    loaded = open_project(project)
    rows: list[dict[str, Any]] = []
    with store_of(loaded, present(), "exceptions list") as store:
        for flow in chosen(loaded, workflow):
            at = pair(store, flow, as_of, known_at)
            query = {
                "workflow": flow.workflow, "as_of": at.as_of, "known_at": at.known_at, "status": status, "owner": owner,
                "expectation": expectation, "id": "", "limit": limit, "offset": offset,
            }  # fmt: skip
            if by:
                query["dimension"] = dimension(flow, by)
                rows += [
                    {"workflow": flow.workflow, **row}
                    for row in store.rows(sql(SQL / "exceptions_by.sql"), query)
                ]
            else:
                rows += store.rows(sql(SQL / "exceptions.sql"), query)
    if json:
        print_json({"exceptions": rows})
        return
    short = [
        "exception_id",
        "expectation",
        "state",
        "owner",
        "item_type",
        "item_key",
        "due_at",
        "age_days",
        "amount",
    ]
    print_table(rows, None if by else short)
    if not by and len(rows) >= limit:
        message(f"only the first {limit} of each workflow; --limit and --offset show more")


@exceptions_app.command("show")
def exceptions_show(
    exception_id: Annotated[str, typer.Argument(help="Id from `tieout exceptions list`.")],
    project: ProjectOption = DEFAULT,
    as_of: AsOfOption = "",
    known_at: KnownAtOption = "",
    json: JsonOption = False,
) -> None:
    """One exception with the story of its item. Example: tieout exceptions show 0f3c…"""
    explain_key(exception_id, project, as_of, known_at, json)


def _acting(action: Action, about: str) -> None:
    """One command per act: they differ in what they need, not in what they do."""

    def command(
        exception_id: Annotated[str, typer.Argument(help="Id from `tieout exceptions list`.")],
        project: ProjectOption = DEFAULT,
        by: Annotated[str, typer.Option("--by", help="Who does it.", envvar="TIEOUT_USER")] = os.environ.get(
            "USER", ""
        ),
        to: Annotated[str, typer.Option("--to", help="New owner, for assign.")] = "",
        reason: Annotated[str, typer.Option(help="Reason code.")] = "",
        note: Annotated[str, typer.Option(help="What should be remembered.")] = "",
        json: JsonOption = False,
    ) -> None:
        loaded = open_project(project)
        now = present()
        with store_of(loaded, now, "exceptions", write=True) as store:
            act(store, exception_id, action, by, now, owner=to, reason=reason, note=note)
        if json:
            print_json({"exception_id": exception_id, "action": action, "by": by, "at": now})
        else:
            message(f"{exception_id}: {action} by {by}")

    name = {
        "assigned": "assign",
        "acknowledged": "ack",
        "explained": "explain",
        "resolved": "resolve",
        "reopened": "reopen",
    }
    command.__doc__ = (
        f"{about} Example: tieout exceptions {name[action]} ID --by ann --note 'called the supplier'"
    )
    exceptions_app.command(name[action])(command)


_ABOUT = {
    "assigned": "Gives an exception to a person or team (--to).",
    "acknowledged": "Says that somebody works on it.",
    "explained": "Says why it is as it is.",
    "resolved": "Ends it by hand, with a reason.",
    "reopened": "Opens it again.",
}
for _action in get_args(Action):
    _acting(cast("Action", _action), _ABOUT[_action])


# --- explain


def explain_key(
    key: Annotated[str, typer.Argument(help="Business key, type:key, trace id, or exception id.")],
    project: ProjectOption = DEFAULT,
    as_of: AsOfOption = "",
    known_at: KnownAtOption = "",
    json: JsonOption = False,
) -> None:
    """Everything about one business key: what happened, what is open, why. Example: tieout explain NA"""
    loaded = open_project(project)
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
        item = f"{finding.item_type} {finding.item_key}"
        out.print(f"  {finding.state} {item}: {finding.title}", markup=False, style="bold")
        out.print(f"    {finding.sentence}", markup=False, soft_wrap=True)
        out.print(f"    owner {finding.owner}: {finding.todo}", markup=False, soft_wrap=True)
        out.print(f"    exception {finding.exception_id}", markup=False)
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
