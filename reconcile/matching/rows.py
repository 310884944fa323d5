"""Between tables and the core: states as records, decisions as rows of `matches`."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import orjson

from core.duration import counted
from reconcile.matching.hand import Accepted, HandAct, HandAction
from reconcile.matching.model import MatchingRule, Ruling
from reconcile.matching.moments import Held, Moment, Version
from reconcile.matching.parameters import sources_of
from reconcile.matching.records import Decision, Due, Record
from workflows.model import Workflow

MONEY = Decimal("0.000001")
# The pass of what people joined.
BY_HAND = 0
# Ranks of points: a fault that stands, a leg that is waited for, the whole, a fault that is over.
STANDS, WAITS, WHOLE, ENDED = 1, 2, 3, 4
_POINT: dict[str, Any] = {
    "rank": 0, "code": "", "field": "", "leg": "", "said": "", "found": "", "amount": None, "owner": "", "since": None,
    "until": None, "due_at": None, "sources": [],
}  # fmt: skip
_OUTCOMES = {
    "none": "none", "open": "wait", "partial": "except", "mismatch": "except", "ambiguous": "suggest",
    "duplicate": "except", "reversed": "clear", "unusable": "except",
}  # fmt: skip


def version_of(rule: MatchingRule, told: Any) -> Version:
    """One state as `undecided.sql` gives it."""
    values = list(told.values()) if isinstance(told, dict) else list(told)
    leg, key, origin, at, known_at, row_hash, gone, *said = values
    (
        day,
        numbers,
        texts,
        currency,
        rate,
        worth,
        original,
        problem,
        dims,
        counts_from,
        due,
        dated,
        business_day,
    ) = said
    code = "" if problem == "UNPOSTED" else problem
    # Of a record that cannot be used, the field and what stands in it come after its texts.
    size = len(texts) - (2 if code else 0)
    record = Record(
        leg, key, at, day, tuple(numbers), tuple(texts[:size]), currency, rate, worth, original, code, tuple(texts[size:]),
        _due(rule, counts_from, due), bool(dated), business_day,
    )  # fmt: skip
    return Version(record, at, known_at, row_hash, bool(gone), origin, problem != "UNPOSTED", dims)


def _due(rule: MatchingRule, counts_from: datetime, stored: Iterable[Any]) -> tuple[Due, ...]:
    """When each leg is due by a record: as it is stored, or a fixed window of the clock after what the record counts from."""
    if rule.clocks:
        return tuple(Due(*(one.values() if isinstance(one, dict) else one)) for one in stored)
    spans = (timedelta(seconds=counted(leg.within)[0]) for leg in rule.legs.values())
    return tuple(Due(counts_from, counts_from + span) for span in spans)


def act_of(row: Mapping[str, Any]) -> HandAct:
    """One row of `match_acts`."""
    return HandAct(
        **{
            **row, "action": HandAction(row["action"]), "members": tuple(tuple(one) for one in row["members"]),
            "amounts": tuple(row["amounts"]),
            "accepted": tuple(Accepted(**one) for one in orjson.loads(row["accepted"] or "[]")),
        }
    )  # fmt: skip


def row_of(act: HandAct) -> dict[str, Any]:
    """The same as a row for the table."""
    row = asdict(act)
    members, amounts = row.pop("members"), row.pop("amounts")
    return {
        **row, "members.leg": [leg for leg, _ in members], "members.record": [record for _, record in members],
        "members.amount": list(amounts), "accepted": orjson.dumps(row["accepted"]).decode(),
    }  # fmt: skip


def rows_of(
    ruling: Ruling, workflow: Workflow, number: int, group: str, moment: Moment, versions: Iterable[Version]
) -> Iterator[dict[str, Any]]:
    """The rows of `matches` that say what holds from this moment on."""
    rule = ruling.rule
    dims = {(one.record.leg, one.record.key): one.dims for one in versions}
    base = {
        "rule": rule.rule, "version": ruling.version, "workflow": rule.workflow, "pass": number, "group_key": group,
        "occurred_at": moment.occurred_at, "known_at": moment.known_at, "evidence": moment.evidence,
    }  # fmt: skip
    if not moment.held:
        nothing = Held(Decision("none", ()), (), moment.occurred_at, {})
        yield {**base, "item": 1, **_row(rule, workflow, number, nothing, {})}
    for item, held in enumerate(moment.held, start=1):
        yield {**base, "item": item, **_row(rule, workflow, number, held, dims)}


def _row(
    rule: MatchingRule,
    workflow: Workflow,
    number: int,
    held: Held,
    dims: Mapping[tuple[str, str], Mapping[str, str]],
) -> dict[str, Any]:
    decision = held.decision
    records = sorted(decision.records, key=lambda one: (rule.leg_names.index(one.leg), one.day, one.key))
    first = records[0] if records else None
    matched = decision.verdict in ("matched", "matched_tol")
    due_at = max((due.due_at for due in held.due.values()), default=held.opened_at)
    lags = _lags(rule, held) if matched and rule.learns else []
    aged_from = due_at
    if rule.age_by == "record" and records:
        day = min(record.day for record in records)
        aged_from = datetime(day.year, day.month, day.day, tzinfo=held.opened_at.tzinfo)
    return {
        "verdict": decision.verdict,
        "outcome": ("clear" if rule.outcome.auto_clear or number == BY_HAND else "suggest")
        if matched
        else _OUTCOMES[decision.verdict],
        "final": decision.verdict != "open" or number in (BY_HAND, len(rule.keys)),
        "members.leg": [record.leg for record in records],
        "members.type": [rule.legs[record.leg].type or "" for record in records],
        "members.record": [record.key for record in records],
        "members.day": [record.day for record in records],
        "members.amount": [record.worth for record in records],
        "header": "\x1f".join(first.texts[rule.text_names.index(field)] for field in rule.header)
        if first
        else "",
        "opened_at": held.opened_at,
        "due_at": due_at,
        "closed_at": max(record.at for record in records) if matched else None,
        "lags.from": [begins for begins, _ in lags],
        "lags.until": [ends for _, ends in lags],
        "expected": decision.expected,
        "actual": decision.actual,
        "residual": decision.residual,
        "currency": next((record.currency for record in records if record.currency), ""),
        "variance": dict(decision.variance),
        **_nested("points", points_of(rule, workflow, held, due_at)),
        "gates": orjson.dumps([_plain(vars(gate)) for gate in decision.gates]).decode(),
        "options": orjson.dumps(decision.options).decode(),
        "margin": _money(decision.margin),
        "nearest": decision.nearest,
        "aged_from": aged_from,
        "calendar": rule.calendar or "",
        "dims": dict(dims.get((first.leg, first.key), {})) if first else {},
    }


def points_of(rule: MatchingRule, workflow: Workflow, held: Held, due_at: datetime) -> list[dict[str, Any]]:
    """What there is to say of a decision, each with its own due time and owner; the first one counts."""
    decision = held.decision
    matched = decision.verdict in ("matched", "matched_tol")
    within = {leg: held.due[leg].due_at for leg in decision.waits}
    grows = within if decision.verdict == "partial" else {}
    points = []
    for spell in held.spells:
        fault, since = spell.fault, spell.since
        if spell.growing and spell.until is not None:
            # What was made up for before it was due was never wrong.
            since = max(since, held.due[fault.leg].due_at)
            if spell.until <= since:
                continue
        points.append({
            "rank": STANDS if spell.until is None else ENDED, "code": fault.code, "field": fault.field or fault.leg,
            "leg": fault.leg, "said": fault.expected, "found": fault.actual, "amount": _money(fault.amount),
            "owner": rule.owner_of(fault.code, fault.leg), "since": since, "until": spell.until,
            "due_at": grows.get(fault.leg, due_at),
            "sources": list(sources_of(rule, workflow, fault.leg)) if fault.leg in grows else [],
        })  # fmt: skip
    short = {point["leg"] for point in points if point["leg"] in grows}
    points += [
        {
            **_POINT, "rank": WAITS, "code": "ORPHAN" if leg == rule.leg_names[0] else "MISSING", "field": leg, "leg": leg,
            "owner": rule.owner_of_absence(leg), "since": within[leg], "due_at": within[leg],
            "sources": list(sources_of(rule, workflow, leg)),
        }
        for leg in decision.waits
        if leg not in short
    ]  # fmt: skip
    if decision.records and not any(point["rank"] in (STANDS, WAITS) for point in points):
        last = max(decision.records, key=lambda one: (rule.leg_names.index(one.leg), one.day, one.key)).leg
        late = matched and max(record.at for record in decision.records) > due_at
        points.append({
            **_POINT, "rank": WHOLE, "code": "LATE" if late else "", "field": last, "leg": last, "owner": rule.owner,
            "since": due_at, "due_at": due_at,
        })  # fmt: skip
    return sorted(points, key=lambda point: (point["rank"], point["since"], point["code"], point["field"]))


def _lags(rule: MatchingRule, held: Held) -> list[tuple[datetime, datetime]]:
    """Of each leg of a match from when its window counted, and when it was whole."""
    return [
        (
            held.due[leg].counts_from,
            max(record.at for record in held.decision.records if record.leg == leg),
        )
        for leg in rule.leg_names
    ]


def _nested(name: str, rows: list[dict[str, Any]]) -> dict[str, list[Any]]:
    return {f"{name}.{column}": [row[column] for row in rows] for column in _POINT}


def _money(value: Decimal | None) -> Decimal | None:
    return None if value is None else value.quantize(MONEY)


def _plain(gate: Mapping[str, Any]) -> dict[str, Any]:
    return {name: format(value, "f") if isinstance(value, Decimal) else value for name, value in gate.items()}
