"""Exceptions: what is wrong, and what people do about it."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any

import typer

from core.duration import parse_duration
from core.errors import ConfigurationError
from reconcile.acts import Outcome, Request
from reconcile.causes import SameHop, Segment, by_hop, by_segment
from reconcile.items import with_items
from reconcile.life import Action, ActRefusedError, Status, words
from store.client import Store
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
    parse_time,
    present,
)
from tieout.commands.read import explain_key
from tieout.desk import TOKEN, acting
from tieout.opening import store_of
from tieout.output import message, print_json, print_table
from tieout.pipeline import SQL
from tieout.project import DEFAULT, Project, open_project, open_to_read

app = typer.Typer(no_args_is_help=True, help="Exceptions: list, show, and what people do with them.")

_STATUSES = ", ".join(Status)
_SHORT = [
    "exception_id",
    "expectation",
    "state",
    "status",
    "owner",
    "item_type",
    "item",
    "due_at",
    "age_days",
    "amount",
    "currency",
]
_CLOCKS = ["severity", "hours_left"]


def register(main: typer.Typer) -> None:
    """Adds the commands of this module to the command line."""
    main.add_typer(app, name="exceptions")


StatusOption = Annotated[
    str, typer.Option(help=f"{_STATUSES}; `open` is all that is not resolved; empty for all.")
]
OwnerOption = Annotated[str, typer.Option(help="Team or assignee.")]
ExpectationOption = Annotated[str, typer.Option(help="Rule of the workflow.")]
CodeOption = Annotated[str, typer.Option(help="Exception code, like PRICE.")]
SeverityOption = Annotated[str, typer.Option(help="Severity of a service level.")]
ClockOption = Annotated[str, typer.Option(help="Clock of a service level: running, breached, met, paused.")]
BusinessDaysOption = Annotated[
    bool, typer.Option("--business-days", help="With --by: in business days, where a calendar says which.")
]
OlderOption = Annotated[int, typer.Option("--older-than", min=0, help="Days of age, at least.")]


@dataclass(frozen=True)
class Filters:
    """Which exceptions; what is empty does not matter."""

    status: str = "open"
    owner: str = ""
    expectation: str = ""
    code: str = ""
    severity: str = ""
    clock: str = ""
    older_than: int = 0

    @property
    def narrow(self) -> bool:
        """Whether anything was asked for."""
        return self != Filters()


@app.command("list")
def exceptions_list(
    project: ProjectOption = DEFAULT,
    workflow: WorkflowOption = "",
    by: ByOption = "",
    status: StatusOption = "open",
    owner: OwnerOption = "",
    expectation: ExpectationOption = "",
    code: CodeOption = "",
    severity: SeverityOption = "",
    clock: ClockOption = "",
    older_than: OlderOption = 0,
    business_days: BusinessDaysOption = False,
    as_of: AsOfOption = "",
    known_at: KnownAtOption = "",
    limit: Annotated[int, typer.Option(min=1, max=100_000, help="Rows at most.")] = 50,
    offset: Annotated[int, typer.Option(min=0, help="Rows to leave out first.")] = 0,
    json: JsonOption = False,
) -> None:
    """Exceptions, oldest first, or their ageing by a segment. Example: tieout exceptions list --by owner"""
    loaded = open_to_read(project)
    filters = Filters(status, owner, expectation, code, severity, clock, older_than)
    with store_of(loaded, present(), "exceptions list") as store:
        if by:
            rows = _ageing(store, loaded, workflow, by, business_days, as_of, known_at)
        else:
            found = _matching(store, loaded, workflow, filters, as_of, known_at, limit, offset)
            rows = [
                row
                for flow in chosen(loaded, workflow)
                for row in with_items(store, flow, (one for one in found if one["workflow"] == flow.workflow))
            ]
    if json:
        print_json({"exceptions": rows})
        return
    print_table(rows, None if by else _columns(rows))
    if not by and len(rows) >= limit:
        message(f"only the first {limit} of each workflow; --limit and --offset show more")


def _columns(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """What a work list shows; of calendars and service levels only where there are some."""
    aged = any(row["age_business_days"] is not None for row in rows)
    clocks = _CLOCKS if any(row["service_level"] for row in rows) else []
    shown = [*_SHORT, *clocks]
    if aged:
        shown.insert(shown.index("age_days") + 1, "age_business_days")
    return shown


@app.command("causes")
def causes(
    project: ProjectOption = DEFAULT,
    workflow: WorkflowOption = "",
    as_of: AsOfOption = "",
    known_at: KnownAtOption = "",
    json: JsonOption = False,
) -> None:
    """What open exceptions have in common: the hop that failed first, and segments that fail more than others.

    A hop is the failed span of an item's traces without a failed span below it. A segment is a value of a dimension under
    which more is due and failing than its rules let expect, by more than chance does. Example: tieout exceptions causes
    """
    loaded = open_to_read(project)
    told: list[dict[str, Any]] = []
    with store_of(loaded, present(), "exceptions causes") as store:
        for flow in chosen(loaded, workflow):
            at = pair(store, flow, as_of, known_at)
            hops = by_hop(store, flow.workflow, at.as_of, at.known_at)
            segments = by_segment(store, flow.workflow, at.as_of, at.known_at)
            told.append(
                {
                    "workflow": flow.workflow, "as_of": at.as_of,
                    "hops": [dataclasses.asdict(row) for row in hops],
                    "segments": [dataclasses.asdict(row) for row in segments],
                }
            )  # fmt: skip
            if not json:
                _print_causes(flow.title, hops, segments)
    if json:
        print_json({"causes": told})


def _print_causes(title: str, hops: Sequence[SameHop], segments: Sequence[Segment]) -> None:
    print_table(
        [
            {
                "first failing hop": str(row.hop or "no failure seen in a trace"), "exceptions": row.exceptions, "items": row.items,
                "at stake": " + ".join(f"{amount:,.2f} {code}" for code, amount in sorted(row.amounts.items())),
                "since": row.since,
            }
            for row in hops
        ],
        title=title,
    )  # fmt: skip
    if segments:
        print_table(
            [
                {
                    "fails more than expected": f"{row.dimension} {row.value}", "failing": row.failing, "due": row.due,
                    "expected": f"{row.expected:,.1f}", "times": f"{row.times:,.1f}",
                }
                for row in segments
            ]
        )  # fmt: skip


def _ageing(
    store: Store, project: Project, workflow: str, by: str, business_days: bool, as_of: str, known_at: str
) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = []
    for flow in chosen(project, workflow):
        at = pair(store, flow, as_of, known_at)
        asked = {
            "workflow": flow.workflow,
            "as_of": at.as_of,
            "known_at": at.known_at,
            "dimension": dimension(flow, by),
            "business": business_days,
        }
        rows += [
            {"workflow": flow.workflow, **row} for row in store.rows(sql(SQL / "exceptions_by.sql"), asked)
        ]
    return rows


def _matching(
    store: Store, project: Project, workflow: str, filters: Filters, as_of: str, known_at: str, limit: int,
    offset: int = 0, exception_id: str = "",
) -> list[dict[str, Any]]:  # fmt: skip
    rows: list[dict[str, Any]] = []
    for flow in chosen(project, workflow):
        at = pair(store, flow, as_of, known_at)
        asked = {
            "workflow": flow.workflow, "as_of": at.as_of, "known_at": at.known_at, "id": exception_id,
            **dataclasses.asdict(filters), "limit": limit, "offset": offset,
        }  # fmt: skip
        rows += store.rows(sql(SQL / "exceptions.sql"), asked)
    return rows


@app.command("show")
def exceptions_show(
    exception_id: Annotated[str, typer.Argument(help="Id from `tieout exceptions list`.")],
    project: ProjectOption = DEFAULT,
    as_of: AsOfOption = "",
    known_at: KnownAtOption = "",
    json: JsonOption = False,
) -> None:
    """One exception with the story of its item. Example: tieout exceptions show 0f3c…"""
    explain_key(exception_id, project, as_of, known_at, json)


@app.command("history")
def exceptions_history(
    exception_id: Annotated[str, typer.Argument(help="Id from `tieout exceptions list`.")],
    project: ProjectOption = DEFAULT,
    known_at: KnownAtOption = "",
    json: JsonOption = False,
) -> None:
    """What was done with one exception, and how it stands. Example: tieout exceptions history 0f3c…"""
    loaded = open_to_read(project)
    with store_of(loaded, present(), "exceptions history") as store:
        known = parse_time(known_at) if known_at else present()
        acts = store.rows(sql(SQL / "acts.sql"), {"id": exception_id, "known_at": known})
        found = _matching(store, loaded, "", Filters(status=""), "", known_at, 1, exception_id=exception_id)
    if json:
        print_json({"exception_id": exception_id, "stands": found[0] if found else None, "acts": acts})
        return
    if found:
        stands = found[0]
        taken = f", assigned to {stands['assignee']}" if stands["assignee"] else ""
        until = f" until {stands['until']:%Y-%m-%d %H:%M} UTC" if stands["until"] else ""
        message(
            f"{stands['item_type']} {stands['item_key']}: {words(Status(stands['status']))}{until}{taken}"
        )
    print_table(acts)


@app.command("reasons")
def exceptions_reasons(project: ProjectOption = DEFAULT, json: JsonOption = False) -> None:
    """The reason codes of this site. Example: tieout exceptions reasons"""
    rows = [{"code": code, "title": title} for code, title in open_to_read(project).policy.reasons.items()]
    print_json({"reasons": rows}) if json else print_table(rows)


# --- acts


@dataclass(frozen=True)
class _Verb:
    """A command that acts: they differ in what they need, not in what they do."""

    name: str
    action: Action
    about: str
    example: str


_VERBS = (
    _Verb("assign", Action.ASSIGNED, "Gives exceptions to a person or team.", "ID --to bo"),
    _Verb("ack", Action.ACKNOWLEDGED, "Says that somebody works on it, for a time.", "ID --for 3d"),
    _Verb("comment", Action.COMMENTED, "Adds a note and changes nothing else.", "ID --note 'called the supplier'"),
    _Verb("explain", Action.EXPLAINED, "Says why it is as it is.", "ID --reason TIMING --note 'paid on 2 January'"),
    _Verb("waive", Action.WAIVER_REQUESTED, "Asks that it be left as it is for a time.", "ID --reason IMMATERIAL --until 2026-12-31"),
    _Verb("approve", Action.WAIVED, "Grants a waiver that somebody else asked for.", "ID"),
    _Verb("refuse", Action.WAIVER_REFUSED, "Refuses a waiver, or takes back one's own.", "ID --note 'not this year'"),
    _Verb("resolve", Action.RESOLVED, "Ends it by hand, with a reason.", "ID --note 'credited' --reason CORRECTED"),
    _Verb("reopen", Action.REOPENED, "Opens it again.", "ID"),
)  # fmt: skip


def _acting(verb: _Verb) -> None:
    def command(
        ids: Annotated[
            list[str] | None, typer.Argument(help="Ids from `tieout exceptions list`; none with --all.")
        ] = None,
        project: ProjectOption = DEFAULT,
        by: Annotated[str, typer.Option("--by", help="Who does it.", envvar="TIEOUT_USER")] = "",
        to: Annotated[str, typer.Option("--to", help="New owner, for assign.")] = "",
        reason: Annotated[str, typer.Option(help="Reason code, from `tieout exceptions reasons`.")] = "",
        note: Annotated[str, typer.Option(help="What should be remembered.")] = "",
        until: Annotated[
            str, typer.Option(help="When an acknowledgement or waiver ends, like 2026-12-31.")
        ] = "",
        lasting: Annotated[str, typer.Option("--for", help="How long it lasts instead, like 3d.")] = "",
        seen: Annotated[
            int | None, typer.Option(help="Version it was decided on; another one refuses the act.")
        ] = None,
        act_id: Annotated[str, typer.Option("--act-id", help="The same id twice is one act.")] = "",
        all_of: Annotated[bool, typer.Option("--all", help="All that the filters below leave.")] = False,
        dry_run: Annotated[
            bool, typer.Option("--dry-run", help="With --all: say which, do nothing.")
        ] = False,
        workflow: WorkflowOption = "",
        status: StatusOption = "open",
        owner: OwnerOption = "",
        expectation: ExpectationOption = "",
        code: CodeOption = "",
        severity: SeverityOption = "",
        clock: ClockOption = "",
        older_than: OlderOption = 0,
        json: JsonOption = False,
    ) -> None:
        loaded, now = open_project(project), present()
        filters = Filters(status, owner, expectation, code, severity, clock, older_than)
        wanted = _wanted(loaded, ids or [], all_of, workflow, filters)
        if dry_run:
            print_json({"exceptions": wanted}) if json else message(
                f"{len(wanted)} exceptions; nothing was done"
            )
            return
        if seen is not None and len(wanted) != 1:
            raise ConfigurationError("--seen is for one exception")
        request = Request(
            verb.action, tuple(wanted), act_id, {wanted[0]: seen} if seen is not None else {}, to, reason, note,
            _end(until, lasting, now),
        )  # fmt: skip
        actor = by or ("" if os.environ.get(TOKEN) else os.environ.get("USER", ""))
        with acting(loaded, now, "exceptions") as desk:
            outcomes = desk.do(request, actor)
        _report(verb, actor, outcomes, as_json=json)

    command.__doc__ = f"{verb.about} Example: tieout exceptions {verb.name} {verb.example}"
    app.command(verb.name)(command)


for _verb in _VERBS:
    _acting(_verb)


def _wanted(project: Project, ids: Sequence[str], all_of: bool, workflow: str, filters: Filters) -> list[str]:
    """The exceptions meant: those named, or all that a filter leaves. Raises ConfigurationError."""
    if bool(ids) == all_of:
        raise ConfigurationError("name exceptions, or say --all with a filter; not both")
    if not all_of:
        return list(ids)
    if not filters.narrow and not workflow:
        raise ConfigurationError(
            "--all needs a filter: --workflow, --owner, --expectation, --code, --severity, --clock or --older-than"
        )
    with store_of(project, present(), "exceptions") as store:
        rows = _matching(store, project, workflow, filters, "", "", 100_001)
    if not rows:
        raise ConfigurationError("no exception is left by these filters")
    return [row["exception_id"] for row in rows]


def _end(until: str, lasting: str, now: datetime) -> datetime | None:
    if until and lasting:
        raise ConfigurationError("say --until or --for, not both")
    if not lasting:
        return parse_time(until) if until else None
    try:
        return now + parse_duration(lasting)
    except ValueError as error:
        raise ConfigurationError(f"--for: {error}") from None


def _report(verb: _Verb, actor: str, outcomes: Sequence[Outcome], *, as_json: bool) -> None:
    """What became of it. One that is refused is an error, of many the refused ones are listed."""
    refused = [outcome for outcome in outcomes if not outcome.done]
    if len(outcomes) == 1 and refused:
        raise ActRefusedError(refused[0].code, refused[0].why)
    if as_json:
        print_json({"action": verb.action, "by": actor, "outcomes": outcomes})
    else:
        who = f" by {actor}" if actor else ""
        done = [outcome for outcome in outcomes if outcome.done]
        again = sum(outcome.repeated for outcome in done)
        name = done[0].exception_id if len(done) == 1 else f"{len(done)} exceptions"
        message(f"{name}: {words(verb.action)}{who}" + (f"; {again} had been done before" if again else ""))
        for outcome in refused:
            message(f"{outcome.exception_id}: refused: {outcome.why}")
    if refused:
        raise typer.Exit(1)
