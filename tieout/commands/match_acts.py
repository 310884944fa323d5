"""Decisions on matches by hand: accept, join, undo, and what becomes of them."""

from __future__ import annotations

import os
from decimal import Decimal, InvalidOperation
from typing import Annotated, Any

import typer

from core.errors import ConfigurationError
from core.findings import nearest
from reconcile.matching.desk import AcceptOutcome, MatchOutcome
from reconcile.matching.hand import HandAct, HandAction
from reconcile.matching.model import Ruling
from reconcile.matching.results import suggestions
from reconcile.matching.run import hand_of
from reconcile.matching.verbs import AcceptRequest, MatchRequest, MatchVerb, money_text, named_text
from store.client import Store
from tieout.commands.options import JsonOption, KnownAtOption, ProjectOption, pair, parse_time, present
from tieout.desk import TOKEN, acting
from tieout.opening import store_of
from tieout.output import message, print_json, print_table
from tieout.project import DEFAULT, Project, open_project, open_to_read

AtMostOption = Annotated[
    str, typer.Option("--at-most", help="Only differences of this size or less, like 0.05.")
]
LimitOption = Annotated[
    int, typer.Option(min=1, max=1000, help="So many at most, the smallest differences first.")
]
RecordsArgument = Annotated[
    list[str], typer.Argument(help="Keys of records; LEG:KEY where two legs have the same one.")
]
DecisionArgument = Annotated[str, typer.Argument(help="Id from `tieout match decisions`.")]
RuleOption = Annotated[str, typer.Option("--rule", "-r", help="The rule, where several read these records.")]
ByOption = Annotated[str, typer.Option("--by", help="Who does it.", envvar="TIEOUT_USER")]
ReasonOption = Annotated[str, typer.Option(help="Reason code, from `tieout exceptions reasons`.")]
NoteOption = Annotated[str, typer.Option(help="What should be remembered.")]
SeenOption = Annotated[
    str, typer.Option(help="Difference it was decided on, like -3.00; another one refuses the act.")
]
ActIdOption = Annotated[str, typer.Option("--act-id", help="The same id twice is one act.")]
DryRunOption = Annotated[
    bool, typer.Option("--dry-run", help="Say the difference and what would be done, do nothing.")
]


def register(app: typer.Typer) -> None:
    """Adds the commands of this module to `tieout match`."""
    for verb in (MatchVerb.ACCEPT, MatchVerb.JOIN, MatchVerb.UNDO):
        _on_records(app, verb)
    for verb in (MatchVerb.APPROVE, MatchVerb.REFUSE, MatchVerb.WITHDRAW):
        _on_decision(app, verb)
    app.command("suggestions")(match_suggestions)
    app.command("accept-all")(match_accept_all)
    app.command("decisions")(match_decisions)


_ABOUT = {
    MatchVerb.ACCEPT: "Decides for what a rule suggested. Example: tieout match accept B1 L1 L2",
    MatchVerb.JOIN: "Matches records that no rule joined, or cancels records of one leg against each other; a difference is "
    "shown and kept, and above the limit of the rule somebody else approves it. Example: tieout match join B1 L7 --reason FEE --note 'bank charge'",
    MatchVerb.UNDO: "Takes a match apart, whoever made it; the rule does not join these records again. "
    "Example: tieout match undo B1 --reason DUPLICATE",
    MatchVerb.APPROVE: "Grants a match that somebody else asked for. Example: tieout match approve ID",
    MatchVerb.REFUSE: "Refuses a match that was asked for. Example: tieout match refuse ID --note 'ask the bank first'",
    MatchVerb.WITHDRAW: "Takes a decision by hand back: its records are decided by the rule alone. "
    "Example: tieout match withdraw ID --note 'wrong month'",
}  # fmt: skip


def _on_records(app: typer.Typer, verb: MatchVerb) -> None:
    def command(
        records: RecordsArgument,
        project: ProjectOption = DEFAULT,
        rule: RuleOption = "",
        by: ByOption = "",
        reason: ReasonOption = "",
        note: NoteOption = "",
        seen: SeenOption = "",
        act_id: ActIdOption = "",
        dry_run: DryRunOption = False,
        json: JsonOption = False,
    ) -> None:
        request = MatchRequest(
            verb, tuple(records), "", rule, act_id, reason, note, _number("--seen", seen), dry_run
        )
        _do(project, request, by, as_json=json)

    command.__doc__ = _ABOUT[verb]
    app.command(verb)(command)


def _on_decision(app: typer.Typer, verb: MatchVerb) -> None:
    def command(
        decision: DecisionArgument,
        project: ProjectOption = DEFAULT,
        by: ByOption = "",
        reason: ReasonOption = "",
        note: NoteOption = "",
        act_id: ActIdOption = "",
        json: JsonOption = False,
    ) -> None:
        request = MatchRequest(verb, decision_id=decision, act_id=act_id, reason=reason, note=note)
        _do(project, request, by, as_json=json)

    command.__doc__ = _ABOUT[verb]
    app.command(verb)(command)


def match_suggestions(
    project: ProjectOption = DEFAULT,
    rule: Annotated[str, typer.Option("--rule", "-r", help="Only this matching rule.")] = "",
    at_most: AtMostOption = "",
    limit: LimitOption = 100,
    json: JsonOption = False,
) -> None:
    """What rules suggest and nobody has decided. Example: tieout match suggestions --rule bank --at-most 5"""
    loaded = open_to_read(project)
    with store_of(loaded, present(), "match suggestions") as store:
        rows = _suggestions(store, loaded, rule, at_most, limit)
    if json:
        print_json({"suggestions": rows})
        return
    print_table(
        [{**row, "records": " + ".join(row["names"])} for row in rows],
        ["rule", "records", "residual", "currency", "owner", "opened_at"],
    )
    if len(rows) >= limit:
        message(f"only the {limit} with the smallest differences; --limit shows more")


def match_accept_all(
    rule: Annotated[str, typer.Option("--rule", "-r", help="The matching rule.")],
    project: ProjectOption = DEFAULT,
    at_most: AtMostOption = "",
    limit: LimitOption = 100,
    by: ByOption = "",
    note: NoteOption = "",
    dry_run: DryRunOption = False,
    json: JsonOption = False,
) -> None:
    """Accepts what a rule suggests. Example: tieout match accept-all --rule bank --at-most 0.05 --dry-run"""
    loaded, now = open_project(project), present()
    with store_of(loaded, now, "match suggestions") as store:
        rows = _suggestions(store, loaded, rule, at_most, limit)
    actor = by or ("" if os.environ.get(TOKEN) else os.environ.get("USER", ""))
    named = tuple(tuple(row["names"]) for row in rows)
    outcomes: list[AcceptOutcome] = []
    if named:
        with acting(loaded, now, "match accept-all") as desk:
            outcomes = desk.accept_all(AcceptRequest(rule, named, note=note, dry_run=dry_run), actor)
    done = [one for one in outcomes if one.done]
    if json:
        print_json({"by": actor, "done": not dry_run, "outcomes": outcomes})
        return
    for one in outcomes:
        difference = money_text(one.difference, one.currency)
        message(
            f"{' + '.join(one.records)}: "
            + (f"difference {difference}" if one.done else f"refused, {one.why}")
        )
    message(f"{len(done):,} of {len(outcomes):,} suggestions {'would be ' if dry_run else ''}accepted")


def _suggestions(store: Store, project: Project, rule: str, at_most: str, limit: int) -> list[dict[str, Any]]:
    """Of one rule, or all, each as its workflow speaks of its present."""
    largest = _number("--at-most", at_most)
    rows = []
    for ruling in chosen(project, rule):
        at = pair(store, project.workflows[ruling.rule.workflow], "", "")
        # What people decided a moment ago counts too.
        known = max(at.known_at, present())
        rows += suggestions(store, at.as_of, known, rule=ruling.rule.rule, at_most=largest, limit=limit)
    return sorted(rows, key=lambda row: row["difference"])[:limit]


def match_decisions(
    project: ProjectOption = DEFAULT,
    rule: Annotated[str, typer.Option("--rule", "-r", help="Only this matching rule.")] = "",
    state: Annotated[str, typer.Option(help="requested, together, apart or over; empty for all.")] = "",
    known_at: KnownAtOption = "",
    json: JsonOption = False,
) -> None:
    """What people decided on matches, the oldest first. Example: tieout match decisions --state requested"""
    loaded = open_to_read(project)
    known = parse_time(known_at) if known_at else present()
    with store_of(loaded, present(), "match decisions") as store:
        found = [
            one
            for name in loaded.matching
            if rule in ("", name)
            for one in hand_of(store, name, known).decisions().values()
            if state in ("", one.state)
        ]
    found.sort(key=lambda one: (one.opening.known_at, one.decision_id))
    if json:
        print_json({"decisions": found})
        return
    print_table(
        [
            {
                "decision": one.decision_id, "rule": one.opening.rule, "state": one.state,
                "records": named_text(one.opening.members), "difference": money_text(one.opening.difference, one.opening.currency),
                "reason": one.opening.reason, "by": one.opening.actor, "since": one.opening.known_at,
                "last": f"{one.last.action} by {one.last.actor}",
            }
            for one in found
        ]
    )  # fmt: skip


def chosen(project: Project, name: str) -> list[Ruling]:
    """The rule called `name`, or all. Raises ConfigurationError that names the nearest."""
    if not name:
        return list(project.matching.values())
    if name not in project.matching:
        near = nearest(name, project.matching)
        hint = f"; did you mean {near!r}?" if near else ""
        raise ConfigurationError(
            f"no matching rule {name!r}; there are {', '.join(project.matching) or 'none'}{hint}"
        )
    return [project.matching[name]]


def told_of(act: HandAct) -> str:
    """An act in one line: when, what, who, why, and what the rule had said."""
    why = "; ".join(part for part in (act.reason, act.note) if part)
    parts = [
        f"{act.known_at:%Y-%m-%d %H:%M} UTC {act.action} by {act.actor}" + (f" ({why})" if why else ""),
        named_text(act.members),
        f"difference {money_text(act.difference, act.currency)}" if act.difference else "",
        f"the rule had said {act.said}" if act.said else "",
    ]
    return ", ".join(part for part in parts if part) + f", decision {act.decision_id}"


def _do(project: ProjectOption, request: MatchRequest, by: str, *, as_json: bool) -> None:
    loaded, now = open_project(project), present()
    actor = by or ("" if os.environ.get(TOKEN) else os.environ.get("USER", ""))
    with acting(loaded, now, f"match {request.verb}") as desk:
        outcome = desk.match(request, actor)
    if as_json:
        print_json({"by": actor, "done": not request.dry_run, "outcome": outcome})
        return
    _report(request, outcome, actor)


def _report(request: MatchRequest, outcome: MatchOutcome, actor: str) -> None:
    what = "would be " if request.dry_run else ""
    cancelled = ", to cancel each other" if outcome.is_cancelling else ""
    again = "; it had been done before" if outcome.repeated else ""
    message(
        f"{' + '.join(outcome.records)}: {what}{outcome.action}{cancelled}"
        + (f" by {actor}" if actor else "")
        + again
    )
    if request.verb is not MatchVerb.UNDO:
        message(f"difference {money_text(outcome.difference, outcome.currency)}")
    for test in outcome.accepted:
        message(f"accepted: {test}")
    if outcome.action is HandAction.REQUESTED:
        message(f"somebody else has to approve it: tieout match approve {outcome.decision_id}")
    elif not request.dry_run:
        message(f"decision {outcome.decision_id}; lists show it after the next run of `tieout match run`")


def _number(option: str, text: str) -> Decimal | None:
    try:
        return Decimal(text) if text else None
    except InvalidOperation:
        raise ConfigurationError(f"{option}: {text!r} is not a number; write it like -3.00") from None
