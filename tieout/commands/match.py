"""Matching rules: what they decided, why, and what another version of one would decide."""

from __future__ import annotations

import dataclasses
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any

import typer

from calendars.table import write_calendars
from core.duration import format_duration
from core.errors import ConfigurationError
from reconcile.marks import EPOCH
from reconcile.matching.backtest import Backtest, backtest
from reconcile.matching.explain import Story, explain_match
from reconcile.matching.load import TABLES, load_ruling
from reconcile.matching.model import Ruling
from reconcile.matching.results import bridge, headers, results, with_ages
from reconcile.matching.run import NEVER, match, retire
from reconcile.matching.tables import load_tables
from store.client import Store
from store.folder import running
from tieout.commands import match_acts
from tieout.commands.match_acts import chosen, told_of
from tieout.commands.options import (
    AsOfOption,
    CalendarOption,
    JsonOption,
    KnownAtOption,
    PeriodOption,
    ProjectOption,
    Stretch,
    pair,
    parse_time,
    present,
    stretch,
)
from tieout.opening import store_of
from tieout.output import message, out, print_json, print_table
from tieout.pipeline import Moment
from tieout.project import DEFAULT, Project, feeds_of, open_project, open_to_read, stored_fields

match_app = typer.Typer(no_args_is_help=True, help="Records of several systems matched by keys.")
RuleOption = Annotated[str, typer.Option("--rule", "-r", help="Only this matching rule.")]


def register(app: typer.Typer) -> None:
    """Adds the commands of this module to the command line."""
    match_app.command("list")(match_list)
    match_app.command("bridge")(match_bridge)
    match_app.command("run")(match_run)
    match_app.command("explain")(match_explain)
    match_app.command("backtest")(match_backtest)
    match_acts.register(match_app)
    app.add_typer(match_app, name="match")


def match_list(
    project: ProjectOption = DEFAULT,
    rule: RuleOption = "",
    state: Annotated[
        list[str] | None, typer.Option("--state", help="Only these states, like MISMATCH.")
    ] = None,
    ended: Annotated[bool, typer.Option("--ended", help="Also faults that are over.")] = False,
    by_header: Annotated[
        bool, typer.Option("--by-header", help="Rolled up, as the rule's header says.")
    ] = False,
    as_of: AsOfOption = "",
    known_at: KnownAtOption = "",
    limit: Annotated[int, typer.Option(min=1, max=100_000, help="Rows at most, of each rule.")] = 50,
    offset: Annotated[int, typer.Option(min=0, help="Rows to leave out first.")] = 0,
    json: JsonOption = False,
) -> None:
    """What matching says, decision by decision. Example: tieout match list --rule bank --state MISSING"""
    loaded = open_to_read(project)
    rows: list[dict[str, Any]] = []
    with store_of(loaded, present(), "match list") as store:
        for ruling in chosen(loaded, rule):
            at = _pair(store, loaded, ruling, as_of, known_at)
            asked: dict[str, Any] = {
                "rule": ruling.rule.rule,
                "states": state or (),
                "limit": limit,
                "offset": offset,
            }
            if by_header:
                rows += headers(store, at.as_of, at.known_at, **asked)
            else:
                said = results(store, at.as_of, at.known_at, ended=ended, **asked)
                rows += with_ages(store, said, at.as_of, at.known_at)
    if json:
        print_json({"matches": rows})
        return
    if by_header:
        print_table(rows)
        return
    print_table(
        [{**row, "records": " + ".join(row["records"])} for row in rows],
        ["rule", "state", "code", "key", "records", "residual", "amount", "currency", "owner", "age_days"],
    )
    if len(rows) >= limit:
        message(f"only the first {limit} of each rule; --limit and --offset show more")


def match_bridge(
    project: ProjectOption = DEFAULT,
    rule: RuleOption = "",
    period: PeriodOption = "",
    calendar: CalendarOption = "",
    as_of: AsOfOption = "",
    known_at: KnownAtOption = "",
    after: Annotated[str, typer.Option("--due-after", help="Only what was due after this time.")] = "",
    json: JsonOption = False,
) -> None:
    """What the legs of the rules differ by, and why; of a fiscal period, what was due in it.

    Example: tieout match bridge --as-of 2026-03-31, or tieout match bridge --period 2026-P03
    """
    loaded = open_to_read(project)
    rows: list[dict[str, Any]] = []
    with store_of(loaded, present(), "match bridge") as store:
        for ruling in chosen(loaded, rule):
            named = calendar or (period and ruling.rule.calendar) or ""
            flow = loaded.workflows[ruling.rule.workflow]
            asked = stretch(store, loaded, flow, period, named, as_of, known_at)
            due_after, due_by = _due_between(asked, after)
            found = bridge(
                store,
                asked.at.as_of,
                asked.at.known_at,
                rule=ruling.rule.rule,
                due_after=due_after,
                due_by=due_by,
            )
            rows += [{**({"period": asked.period} if asked.period else {}), **row} for row in found]
    if json:
        print_json({"bridge": rows})
        return
    print_table(
        [
            {
                **row,
                "causes": ", ".join(
                    f"{cause} {value:,.2f}" for cause, value in sorted(row["causes"].items())
                ),
            }
            for row in rows
        ]
    )


def _due_between(asked: Stretch, after: str) -> tuple[datetime, datetime]:
    """After and by when the decisions were due that are asked for: within a period, after a time, or whenever."""
    if asked.start is None:
        return (parse_time(after) if after else EPOCH), NEVER
    if after:
        raise ConfigurationError("--period says what was due: all in it; leave --due-after out")
    return asked.start, asked.at.as_of


def match_run(project: ProjectOption = DEFAULT, rule: RuleOption = "", json: JsonOption = False) -> None:
    """Matches what has become known since the last run. Example: tieout match run"""
    loaded, now = open_project(project), present()
    if loaded.settings.store.url == "embedded" and running(loaded.data_folder):
        # Two runs beside each other would write their decisions twice.
        raise ConfigurationError(
            f"the running tieout matches by itself, every {format_duration(loaded.settings.jobs.match)}"
        )
    with store_of(loaded, now, "match run", write=True) as store:
        write_calendars(store, loaded.calendars.values(), now)
        done = match(store, chosen(loaded, rule), loaded.workflows, now)
        retired = [] if rule else retire(store, loaded.matching, now)
    if json:
        print_json({"rules": done, "retired": retired})
        return
    for name in retired:
        message(f"{name}: its file is gone; it decides nothing from now on")
    print_table(
        [{name: value for name, value in dataclasses.asdict(one).items() if name != "until"} for one in done]
    )


def match_explain(
    key: Annotated[str, typer.Argument(help="Key of the record in its system.")],
    project: ProjectOption = DEFAULT,
    as_of: AsOfOption = "",
    known_at: KnownAtOption = "",
    json: JsonOption = False,
) -> None:
    """Why a record is matched, or what change would have matched it. Example: tieout match explain INV-12"""
    loaded, now = open_to_read(project), present()
    stories: list[Story] = []
    with store_of(loaded, now, "match explain") as store:
        for name, ruling in loaded.matching.items():
            at = _pair(store, loaded, ruling, as_of, known_at)
            stories += explain_match(store, {name: ruling}, key, at.as_of, at.known_at, now)
    if not stories:
        raise ConfigurationError(
            f"no matching rule reads a record {key!r}; `tieout match list` shows what they read"
        )
    if json:
        print_json({"key": key, "stories": stories})
        return
    for story in stories:
        _tell(story)


def match_backtest(
    file: Annotated[Path, typer.Argument(help="Rule file to try; its tables stand in tables/ beside it.")],
    project: ProjectOption = DEFAULT,
    as_of: AsOfOption = "",
    known_at: KnownAtOption = "",
    json: JsonOption = False,
) -> None:
    """What a changed rule would match, unmatch and change in money. Example: tieout match backtest new/bank.yaml"""
    loaded, now = open_project(project), present()
    ruling = _tried(loaded, file)
    with store_of(loaded, now, "match backtest", write=True) as store:
        at = _pair(store, loaded, ruling, as_of, known_at)
        found = backtest(store, ruling, loaded.workflows, at.as_of, at.known_at, now)
    if json:
        print_json(found)
        return
    _show(found, at.as_of)


def _pair(store: Store, project: Project, ruling: Ruling, as_of: str, known_at: str) -> Moment:
    return pair(store, project.workflows[ruling.rule.workflow], as_of, known_at)


def _tried(project: Project, file: Path) -> Ruling:
    """The rule in `file`. Raises ConfigurationError that lists its mistakes."""
    tables, findings = load_tables(project.root / "matching" / TABLES)
    own, more = load_tables(file.parent / TABLES)
    ruling, problems = load_ruling(
        file,
        {**tables, **own},
        project.workflows,
        {*project.mappings, *project.probes},
        stored_fields(project.mappings, project.probes),
        calendars=project.calendars,
        feeds=feeds_of(project.mappings, project.probes),
    )
    found = [*findings, *more, *problems]
    if ruling is None or found:
        raise ConfigurationError("the rule has mistakes:\n" + "\n".join(one.text() for one in found))
    return ruling


def _tell(story: Story) -> None:
    """One rule's view for a person: the answer first, then the records, the tests, and what came nearest."""
    out.print(story.headline, markup=False, style="bold", soft_wrap=True)
    key = f"key {story.key_number}: {story.key}" if story.key_number else f"decision {story.key}"
    out.print(
        f"  rule {story.rule} ({story.title}), {key}",
        markup=False,
        soft_wrap=True,
    )
    for line in story.lines:
        out.print(f"  {line.leg:<12} {line.record}  {line.day}  {line.amount} {line.currency}", markup=False)
    for gate in story.gates:
        mark = {True: "passed", False: "FAILED", None: "waits"}[gate.passed]
        sides = (
            f"expected {gate.expected or '—'}, actual {gate.actual or '—'}" if gate.passed is not None else ""
        )
        out.print(f"  {mark:<7} {gate.name} {sides}", markup=False)
    for change in story.would_match:
        out.print(f"  would have matched: {change}", markup=False, soft_wrap=True)
    for window in story.windows:
        out.print(f"  {window}", markup=False, soft_wrap=True)
    if story.nearest:
        out.print(f"  nearest: {story.nearest}", markup=False, soft_wrap=True)
    for one in story.candidates:
        amount = "" if one["amount"] is None else f" {one['amount']:,.2f}"
        out.print(
            f"  near: {one['leg']} {one['record']}{amount}, key {one['key']}; {one['would_match']}",
            markup=False,
        )
    for act in story.by_hand:
        out.print(f"  by hand: {told_of(act)}", markup=False, soft_wrap=True)
    if story.rule_alone:
        out.print(f"  the rule alone would say: {story.rule_alone}", markup=False, soft_wrap=True)
    for row in story.said:
        since = f", since {row['detected_at']:%Y-%m-%d}" if isinstance(row["detected_at"], datetime) else ""
        said = f"  {row['state']} {row['code']} owner {row['owner']}{since}, exception {row['exception_id']}"
        out.print(said, markup=False, soft_wrap=True)


def _show(found: Backtest, as_of: datetime) -> None:
    active = found.active or "nothing, the rule is new"
    message(f"rule {found.rule}: {found.tried} against {active}, as of {as_of:%Y-%m-%d %H:%M} UTC")
    print_table(
        [{"version": "now", **row} for row in found.before]
        + [{"version": "tried", **row} for row in found.after]
    )
    print_table([vars(one) for one in found.settings], title="what the rule says otherwise")
    print_table([{**row, "examples": ", ".join(row["examples"])} for row in found.changes], title="changes")
