"""Where is this one, and why: everything known of one business key, trace id or exception id, as of (V, K)."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import Any

from core.duration import format_duration
from reconcile.causes import Hop, first_failing_hop
from reconcile.learning import windows_of
from store.client import Store
from store.sqlfile import read, without_comments
from store.views import bodies, flattened
from workflows.model import Rule, Workflow

SQL = Path(__file__).parent / "sql"
VIEWS = Path(__file__).parent / "views"


@dataclass(frozen=True)
class Entry:
    """One line of a timeline. `kind`: event, failed, due (expected and not there), state (a system's snapshot)."""

    at: datetime
    kind: str
    title: str
    detail: str
    step: str = ""
    actor: str = ""
    source: str = ""
    amount: Decimal | None = None
    currency: str = ""
    trace_id: str = ""
    event_id: str = ""


@dataclass(frozen=True)
class Finding:
    """One verdict in words. `sentence` says what is so and why; `todo` what the owner does next, if anything.

    `item` is what people call the item: its type and key, or of an event the step.
    """

    expectation: str
    title: str
    state: str
    failing: bool
    sentence: str
    todo: str
    owner: str
    exception_id: str
    item_type: str
    item_key: str
    item: str
    facts: Mapping[str, Any]


@dataclass(frozen=True)
class Neighbour:
    """An object linked to this one; `exists` is whether its system knows it."""

    role: str
    direction: str
    object_type: str
    object_key: str
    exists: bool
    amount: Decimal | None
    currency: str


@dataclass(frozen=True)
class Explanation:
    """What is known of one object as of (V, K). `headline` is the short answer; lists are in business order.

    `hop` is where its traces show the first failure since it waits for what is open. `logs` are what programs logged in these
    traces, `set_aside` the records of imports and probes that name it and could not be used.
    """

    workflow: str
    object_type: str
    object_key: str
    title: str
    headline: str
    as_of: datetime
    known_at: datetime
    timeline: list[Entry] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)
    neighbours: list[Neighbour] = field(default_factory=list)
    states: list[dict[str, Any]] = field(default_factory=list)
    spans: list[dict[str, Any]] = field(default_factory=list)
    logs: list[dict[str, Any]] = field(default_factory=list)
    set_aside: list[dict[str, Any]] = field(default_factory=list)
    hop: Hop | None = None


def find(store: Store, text: str) -> list[dict[str, Any]]:
    """Objects that `text` may mean: rows of workflow, object_type, object_key, events; best first."""
    hits = store.rows(read(SQL / "find_objects.sql"), {"text": text.strip()})
    if hits:
        return hits
    states = store.rows(read(SQL / "find_snapshots.sql"), {"text": text.strip()})
    return [
        {"workflow": "", **{key: row[key] for key in ("object_type", "object_key")}, "events": 0}
        for row in states
    ]


def explain(
    store: Store,
    workflows: Mapping[str, Workflow],
    workflow_name: str,
    object_type: str,
    object_key: str,
    as_of: datetime,
    known_at: datetime,
) -> Explanation:
    """The whole story of one object. Findings of its direct neighbours are included where they fail.

    The verdicts of expectations take the engine as long to plan as all the rest together, so that is read beside them.
    """
    workflow = workflows[workflow_name]
    where = {
        "workflow": workflow_name, "object_type": object_type, "object_key": object_key,
        "as_of": as_of, "known_at": known_at, "steps": list(workflow.steps),
    }  # fmt: skip
    things = _things(store, where)
    around = {
        **where, "items": sorted({key for _, key in things}), "types": sorted({kind for kind, _ in things}),
    }  # fmt: skip
    with ThreadPoolExecutor(max_workers=1) as beside:
        reading = beside.submit(_evidence, store, where, around)
        expected = store.rows(_flat("expectation_verdicts_of_items"), around)
        evidence = reading.result()
    own_items = {(object_type, object_key), *(("", row["event_id"]) for row in evidence.events)}
    verdicts = _own_first([*expected, *evidence.matches], own_items, things)
    events, states = evidence.events, evidence.states
    windows = windows_of(store, workflow, verdicts)
    steps = {row["event_id"]: _title(workflow, row["step"]) for row in events}
    findings = [
        _finding(
            workflow, evidence.rules, row, as_of, windows.get(place, ""),
            f"{_kind(workflow, row['item_type'])} {row['item_key']}" if row["item_type"] else steps.get(row["item_key"], row["item_key"]),
        )
        for place, row in enumerate(verdicts)
    ]  # fmt: skip
    own = [finding for finding in findings if (finding.item_type, finding.item_key) in own_items]
    return Explanation(
        workflow=workflow_name,
        object_type=object_type,
        object_key=object_key,
        title=_kind(workflow, object_type),
        headline=_headline(workflow, object_type, object_key, events, findings, own, as_of),
        as_of=as_of,
        known_at=known_at,
        timeline=sorted(
            [*(_event(workflow, row) for row in events), *_due(own), *(_state(row) for row in states)],
            key=lambda entry: entry.at,
        ),
        findings=findings,
        neighbours=evidence.neighbours,
        states=states,
        spans=evidence.spans,
        logs=evidence.logs,
        set_aside=evidence.set_aside,
        hop=_hop(own, evidence.spans),
    )


def _hop(own: list[Finding], spans: list[dict[str, Any]]) -> Hop | None:
    """Nothing is looked for where nothing is wrong: what failed and came after all was got over."""
    waits = [finding.facts["opened_at"] for finding in own if finding.failing]
    return first_failing_hop(spans, min(waits)) if waits else None


@dataclass(frozen=True)
class _Evidence:
    """What was seen of one object and around it, before anything is concluded."""

    events: list[dict[str, Any]]
    states: list[dict[str, Any]]
    neighbours: list[Neighbour]
    spans: list[dict[str, Any]]
    logs: list[dict[str, Any]]
    set_aside: list[dict[str, Any]]
    matches: list[dict[str, Any]]
    rules: dict[str, dict[str, Any]]


def _evidence(store: Store, where: Mapping[str, Any], around: Mapping[str, Any]) -> _Evidence:
    with store.another() as beside:
        events = beside.rows(read(SQL / "timeline.sql"), where)
        states = beside.rows(read(SQL / "states.sql"), where)
        neighbours = [_neighbour(row) for row in beside.rows(read(SQL / "neighbours.sql"), where)]
        traces = sorted({row["trace_id"] for row in events if row["trace_id"]})[:20]
        seen = {"traces": traces, "as_of": where["as_of"], "known_at": where["known_at"]}
        spans = beside.rows(read(SQL / "spans.sql"), seen) if traces else []
        logs = beside.rows(read(SQL / "logs.sql"), seen) if traces else []
        set_aside = beside.rows(read(SQL / "set_aside.sql"), where)
        # A leg of events has the events of an object for items.
        told = {
            **around, "items": [*around["items"], *(row["event_id"] for row in events)], "types": [*around["types"], ""],
        }  # fmt: skip
        matches = beside.rows(_flat("match_verdicts_of_items"), told)
        rules = sorted({row["expectation"] for row in matches})
        known = beside.rows(read(SQL / "matching_rules.sql"), {**where, "rules": rules}) if rules else []
    return _Evidence(
        events,
        states,
        neighbours,
        spans,
        logs,
        set_aside,
        matches,
        {row["rule"]: json.loads(row["content"]) for row in known},
    )


def _things(store: Store, where: Mapping[str, Any]) -> set[tuple[str, str]]:
    """The object and those it is linked to."""
    linked = {(row["object_type"], row["object_key"]) for row in store.rows(read(SQL / "linked.sql"), where)}
    return linked | {(where["object_type"], where["object_key"])}


def _own_first(
    rows: list[dict[str, Any]], items: set[tuple[str, str]], things: set[tuple[str, str]]
) -> list[dict[str, Any]]:
    """Own verdicts first, then failing ones of neighbours."""
    rows = sorted(rows, key=lambda row: (row["opened_at"], row["expectation"]))
    own = [row for row in rows if (row["item_type"], row["item_key"]) in items]
    near = [
        row
        for row in rows
        if row not in own and row["failing"] and (row["item_type"], row["item_key"]) in things
    ]
    return own + near


@cache
def _flat(query: str) -> str:
    """On the texts of its views: the engine plans a view anew at every level that reads it."""
    return without_comments(flattened(read(SQL / f"{query}.sql").text, bodies(VIEWS)))


def _event(workflow: Workflow, row: Mapping[str, Any]) -> Entry:
    step = workflow.steps.get(row["step"])
    others = ", ".join(f"{kind} {key}" for kind, key in row["others"][:6])
    more = f" and {len(row['others']) - 6} more" if len(row["others"]) > 6 else ""
    try_text = f"try {row['attempt']}" if row["attempt"] > 1 else ""
    return Entry(
        at=row["at"],
        kind="failed" if row["outcome"] == "failed" or (step and step.failed) else "event",
        title=step.title if step else f"unmapped: {row['step']}",
        detail="; ".join(part for part in (try_text, f"with {others}{more}" if others else "") if part),
        step=row["step"],
        actor=row["actor"],
        source=f"{row['source']} {row['source_ref']}".strip(),
        amount=row["amount"],
        currency=row["currency"],
        trace_id=row["trace_id"],
        event_id=row["event_id"],
    )


def _due(findings: list[Finding]) -> list[Entry]:
    """Hollow entries: what should have come and did not."""
    return [
        Entry(
            at=finding.facts["due_at"], kind="due", title=f"Due: {finding.title}",
            detail=f"{finding.state}, owner {finding.owner}", step=finding.expectation,
        )
        for finding in findings
        if finding.state in ("MISSING", "UNKNOWN", "NOT_DUE", "IN_FLIGHT") and finding.facts["closed_at"] is None
    ]  # fmt: skip


def _state(row: Mapping[str, Any]) -> Entry:
    fields = ", ".join(f"{name} = {value}" for name, value in sorted(row["fields"].items()) if value)
    return Entry(
        at=row["valid_from"],
        kind="state",
        title=f"{row['system'] or row['source']} says"
        if not row["deleted"]
        else f"{row['system']} no longer has it",
        detail=fields,
        source=row["source"],
        amount=row["amount"],
        currency=row["currency"],
    )


def _neighbour(row: Mapping[str, Any]) -> Neighbour:
    return Neighbour(
        role=row["role"], direction=row["direction"], object_type=row["object_type"], object_key=row["object_key"],
        exists=bool(row["has_state"]), amount=row["amount"], currency=row["currency"],
    )  # fmt: skip


def _finding(
    workflow: Workflow,
    matching: Mapping[str, Mapping[str, Any]],
    row: Mapping[str, Any],
    as_of: datetime,
    window: str,
    item: str,
) -> Finding:
    rule = next((rule for rule in workflow.expectations if rule.name == row["expectation"]), None)
    matched = matching.get(row["expectation"], {})
    title, runbook = (
        (rule.title, rule.runbook) if rule else (matched.get("title", ""), matched.get("runbook", ""))
    )
    return Finding(
        expectation=row["expectation"],
        title=title or row["expectation"],
        state=row["state"],
        failing=bool(row["failing"]),
        sentence=_match_sentence(matched, row) if matched else _sentence(workflow, rule, row, as_of, window),
        todo=runbook if row["failing"] else "",
        owner=row["owner"],
        exception_id=row["exception_id"],
        item_type=row["item_type"],
        item_key=row["item_key"],
        item=item,
        facts=dict(row),
    )


def _sentence(
    workflow: Workflow, rule: Rule | None, row: Mapping[str, Any], as_of: datetime, window: str
) -> str:
    opened = f"{_title(workflow, row['opened_step'])} on {_day(row['opened_at'])}"
    if row["kind"] == "tie_out":
        return _tie_out_sentence(rule, row) + (
            f" {_doubt(row)}" if row["state"] == "UNKNOWN" and not row["covered"] else ""
        )
    if row["kind"] == "once":
        came = f"{_title(workflow, row['opened_step'])} came again on {_day(row['opened_at'])}"
        taken = (
            f" and was taken back on {_day(row['reversed_at'])}"
            if row["reversed_at"]
            else " and still stands"
        )
        return came + taken + "."
    if row["kind"] == "precedence":
        if row["state"] == "UNKNOWN":
            return f"{opened}; what must come before is not seen. {_doubt(row)}"
        late = f"; it came on {_day(row['closed_at'])}" if row["closed_at"] else "; it has not come since"
        return f"{opened}, but what must come before had not come{late}."
    if row["kind"] == "reference":
        there = (
            f"exists since {_day(row['closed_at'])}"
            if row["closed_at"]
            else "does not exist in the state of its system"
        )
        doubt = f" {_doubt(row)}" if row["state"] == "UNKNOWN" else ""
        return f"It names {row['opened_by']}, which {there}.{doubt}"
    if row["kind"] == "landed":
        return f"{opened}; {_landed(row, as_of, window)}"
    if row["kind"] == "traced":
        return f"In the state of its system since {_day(row['opened_at'])}, {_traced(workflow, row)}"
    return f"{opened}; due {_day(row['due_at'])}{window}: {_outcome(row, as_of)}."


def _landed(row: Mapping[str, Any], as_of: datetime, window: str) -> str:
    """Whether what a step brought is there."""
    if row["closed_at"]:
        late = row["closed_at"] - row["due_at"]
        by = f", {_span(late)} late" if late > timedelta(0) else ""
        return f"it is in the state of its system since {_day(row['closed_at'])}{by}."
    if row["state"] == "NOT_DUE":
        return f"it is expected in the state of its system by {_day(row['due_at'])}{window}."
    if row["state"] == "UNKNOWN":
        return f"it is not in the state of its system. {_doubt(row)}"
    overdue = f"{_span(as_of - row['due_at'])} overdue{window}"
    return f"it is not in the state of its system, {overdue}, which is complete through {_day(row['watermark'])}."


def _traced(workflow: Workflow, row: Mapping[str, Any]) -> str:
    """Whether what is there came by its step."""
    step = _title(workflow, row["opened_step"])
    if row["closed_as"] == "arrived":
        late = f", seen on {_day(row['closed_at'])}" if row["closed_at"] > row["due_at"] else ""
        return f"and came there by '{step}'{late}."
    told = f"and no trace of '{step}' tells how it came there"
    if row["closed_as"]:
        return f"{told}; it is gone since {_day(row['closed_at'])}."
    if row["state"] == "UNKNOWN":
        heard = "Its source was not heard all the time from when it may have come"
        return f"{told}. {heard}, so nobody can say that it has none."
    return f"{told}; its source was heard all the time." if row["failing"] else f"{told} so far."


def _outcome(row: Mapping[str, Any], as_of: datetime) -> str:
    late = row["closed_at"] is not None and row["closed_at"] > row["due_at"]
    late_by = f", {_span(row['closed_at'] - row['due_at'])} late" if late else ""
    failed = f" after {row['failures']} failed tries" if row["failures"] else ""
    if row["state"] == "REVERSED":
        return f"came on {_day(row['closed_at'])} and was taken back on {_day(row['reversed_at'])}"
    if row["closed_as"] == "arrived":
        return f"came on {_day(row['closed_at'])}{late_by}{failed}"
    if row["closed_as"]:
        return f"{row['closed_as'].replace('_', ' ')} on {_day(row['closed_at'])}{late_by}"
    if row["state"] in ("NOT_DUE", "IN_FLIGHT"):
        return f"not yet due{failed}"
    overdue = _span(as_of - row["due_at"])
    if row["state"] == "UNKNOWN":
        return f"not seen, but its sources are complete only through {_through(row)}, so nobody can say it is missing"
    return (
        f"has not come, {overdue} overdue{failed}; its sources are complete through {_day(row['watermark'])}"
    )


def _doubt(row: Mapping[str, Any]) -> str:
    return f"Its sources are complete only through {_through(row)}, so nobody can say yet."


def _through(row: Mapping[str, Any]) -> str:
    return _day(row["watermark"]) if row["watermark"] else "no time at all"


def _match_sentence(matched: Mapping[str, Any], row: Mapping[str, Any]) -> str:
    """What a matching rule says: of its legs, and of their money where it compares any."""
    doubt = f" {_doubt(row)}" if row["state"] == "UNKNOWN" and not row["covered"] else ""
    compared = next((one for one in matched["compare"].values() if one["means"] != "text"), None)
    if compared and row["residual"] is not None:
        return _sides_sentence([compared["expected"], compared["actual"]], row) + doubt
    if row["state"] in ("MISSING", "ORPHAN", "NOT_DUE", "IN_FLIGHT", "UNKNOWN"):
        return f"{row['opened_by']} is not there; due {_day(row['due_at'])}.{doubt}"
    return f"{' and '.join(matched['legs'])}: {row['state'].lower()}.{doubt}"


def _tie_out_sentence(rule: Rule | None, row: Mapping[str, Any]) -> str:
    names = list(rule.legs) if rule and rule.kind == "tie_out" else ["expected", "actual"]
    return _sides_sentence(names, row)


def _sides_sentence(names: Sequence[str], row: Mapping[str, Any]) -> str:
    expected, actual = _money(row["expected"], row["currency"]), _money(row["actual"], row["currency"])
    if row["residual"] is None:
        return f"{names[0]} {expected}, {names[1]} {actual}: they cannot be compared."
    if row["residual"] == 0:
        return f"{names[0]} and {names[1]} are both {expected}."
    more = "more" if row["residual"] > 0 else "less"
    return (
        f"{names[0]} {expected}, {names[1]} {actual}: {_money(abs(row['residual']), row['currency'])} {more}."
    )


def _headline(
    workflow: Workflow, object_type: str, object_key: str, events: list[dict[str, Any]],
    findings: list[Finding], own: list[Finding], as_of: datetime,
) -> str:  # fmt: skip
    title = _kind(workflow, object_type)
    if not events:
        return f"{title} {object_key} is only referred to; no event of it is known by {_day(as_of)}."
    # A try that failed has not reached its step.
    came = [row for row in events if row["outcome"] != "failed" or _is_failing(workflow, row["step"])]
    last = (came or events)[-1]
    stands = f"{title} {object_key} stands at '{_title(workflow, last['step'])}' since {_day(last['at'])}"
    failing = [finding for finding in own if finding.failing] or [
        finding for finding in findings if finding.failing
    ]
    if not failing:
        waiting = [finding for finding in own if finding.state in ("NOT_DUE", "IN_FLIGHT", "UNKNOWN")]
        return f"{stands}; " + (f"next: {waiting[-1].title.lower()}." if waiting else "nothing is open.")
    # The newest trouble says where it stands; the whole way from end to end only says that it is late.
    first = max(
        failing, key=lambda finding: (finding.facts["clock"] != "end_to_end", finding.facts["opened_at"])
    )
    owners = ", ".join(dict.fromkeys(finding.owner for finding in [first, *failing]))
    whose = "" if first in own else " in what it is linked to"
    which = (
        first.title
        if first in own
        else f"{_kind(workflow, first.item_type)} {first.item_key}, {first.title.lower()}"
    )
    count = f"{len(failing)} open exception{'s' * (len(failing) > 1)}"
    return f"{stands}; {count}{whose}, owner {owners}. {which}: {first.sentence}"


def _kind(workflow: Workflow, object_type: str) -> str:
    return workflow.objects[object_type].title if object_type in workflow.objects else object_type


def _is_failing(workflow: Workflow, step: str) -> bool:
    return step in workflow.steps and workflow.steps[step].failed


def _title(workflow: Workflow, step: str) -> str:
    return workflow.steps[step].title if step in workflow.steps else step or "it"


def _day(moment: datetime | None) -> str:
    return f"{moment:%Y-%m-%d %H:%M} UTC" if moment else "unknown"


def _span(span: timedelta) -> str:
    """Days when there are any, else hours and minutes."""
    return f"{span.days} days" if span.days >= 2 else format_duration(span)


def _money(amount: Decimal | None, currency: str) -> str:
    if amount is None:
        return "unknown"
    return f"{amount:,.2f} {currency if currency != 'XXX' else '(no currency)'}".strip()
