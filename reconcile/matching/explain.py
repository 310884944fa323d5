"""Why a record is matched or is not: which rule and key, which gates passed, what came nearest, what would have done."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import Any

from reconcile.learning import in_words
from reconcile.matching.compare import would_match
from reconcile.matching.decide import decide
from reconcile.matching.hand import Hand, HandAct, Identity
from reconcile.matching.model import MatchingRule, Ruling
from reconcile.matching.moments import Version, due_by, earliest, lasting, standing
from reconcile.matching.records import Decision, Due, Gate, Record
from reconcile.matching.results import results
from reconcile.matching.rows import BY_HAND, version_of
from reconcile.matching.run import active_version, decider, hand_of, learner_of, with_calendars
from store.client import Store
from store.sqlfile import read

SQL = Path(__file__).parent / "sql"
_WORDS = {
    "open": "waits for {waits}",
    "matched": "is matched exactly",
    "matched_tol": "is matched within tolerance",
    "partial": "is matched in part",
    "mismatch": "does not agree",
    "ambiguous": "could be matched in several ways, so nothing was decided",
    "duplicate": "is there more than once",
    "reversed": "was taken back",
    "unusable": "cannot be used",
}


@dataclass(frozen=True)
class Line:
    """One record of a decision."""

    leg: str
    record: str
    day: str
    amount: str
    currency: str


@dataclass(frozen=True)
class Story:
    """What one rule made of a record as of (V, K). `would_match`: what change would have let it match.
    `windows`: when each leg that learns its window is due, and by which. `candidates`: what `candidates` says of it while it waits.
    `by_hand`: what people did with it by K, and
    `rule_alone` what the first key would say had nobody decided anything; `key_number` 0 is a decision by hand.
    """

    rule: str
    title: str
    version: str
    key: str
    key_number: int
    verdict: str
    headline: str
    lines: list[Line]
    gates: list[Gate]
    would_match: list[str]
    windows: list[str]
    nearest: str
    candidates: list[dict[str, Any]]
    said: list[dict[str, Any]]
    by_hand: list[HandAct] = field(default_factory=list)
    rule_alone: str = ""


def explain_match(
    store: Store,
    rulings: Mapping[str, Ruling],
    record: str,
    as_of: datetime,
    known_at: datetime,
    now: datetime,
) -> list[Story]:
    """What each rule says of the record with this key; an empty list when no rule reads it.

    The decision is made again from the records, by the same code, so it holds for any (V, K). Raises ConfigurationError
    when a calendar that a rule counts by is not in the store.
    """
    rulings = {name: with_calendars(store, ruling) for name, ruling in rulings.items()}
    versions = [
        (name, ruling.version)
        for name, ruling in rulings.items()
        if active_version(store, name, now) == ruling.version
    ]
    given = {"record": record, "versions": versions, "as_of": as_of, "known_at": known_at}
    stories: dict[str, Story] = {}
    hands = {name: hand_of(store, name, known_at) for name, _ in versions}
    alone: dict[str, str] = {}
    for row in store.rows(read(SQL / "records_of.sql"), given) if versions else []:
        name = row["rule"]
        told = [version_of(rulings[name].rule, one) for one in row["versions"]]
        story = _story(store, rulings[name], row, told, record, as_of, known_at, hands[name])
        # A later key decides on what an earlier one left open.
        if story is not None and (name not in stories or story.verdict not in ("open", "none")):
            stories[name] = story
        if row["pass"] == 1:
            alone[name] = _rule_alone(rulings[name].rule, told, record) or alone.get(name, "")
    return [
        replace(story, by_hand=acts, rule_alone=alone.get(name, "")) if acts else story
        for name, story in stories.items()
        for acts in [[act for act in hands[name].acts if any(key == record for _, key in act.members)]]
    ]


def _rule_alone(rule: MatchingRule, told: list[Version], record: str) -> str:
    """What the first key says of the record among all that systems tell, whatever people decided; empty when it is not there."""
    there = standing(lasting(one for one in told if not one.is_by_hand))
    found = [one for one in decide(rule, rule.keys[0], there) if record in {r.key for r in one.records}]
    return _headline(rule, 1, found[0], record) if found else ""


def _story(
    store: Store,
    ruling: Ruling,
    row: Mapping[str, Any],
    told: list[Version],
    record: str,
    as_of: datetime,
    known_at: datetime,
    hand: Hand,
) -> Story | None:
    rule, number = ruling.rule, int(row["pass"])
    seen = lasting(told)
    there = standing(seen)
    decision = next(
        (
            one
            for one in decider(rule, number, row["key"], hand)(there, known_at)
            if any(member.key == record for member in one.records)
        ),
        None,
    )
    if decision is None and number == BY_HAND:
        return None
    if decision is None:
        return _absent(ruling, row, record) if any(one.record.key == record for one in told) else None
    itself = next(member for member in decision.records if member.key == record)
    failed = [gate for gate in decision.gates if gate.passed is False]
    return Story(
        rule=rule.rule,
        title=rule.title,
        version=ruling.version,
        key=row["key"].replace("\x1f", " / "),
        key_number=number,
        verdict=decision.verdict,
        headline=_headline(rule, number, decision, record),
        lines=[_line(member) for member in decision.records],
        gates=list(decision.gates),
        would_match=[would_match(gate) for gate in failed],
        windows=_windows(store, ruling, decision, due_by(there, seen), known_at),
        nearest=decision.nearest,
        candidates=list(candidates(store, rule, ruling.version, row["key"], itself, as_of, known_at))
        if decision.waits and number != BY_HAND
        else [],
        said=results(store, as_of, known_at, rule=rule.rule, items=[record]),
    )


def _absent(ruling: Ruling, row: Mapping[str, Any], record: str) -> Story:
    """A record that is under this key no longer, or not yet."""
    gates = ", ".join(
        f"{field} {' or '.join(values)}"
        for leg in ruling.rule.legs.values()
        for field, values in leg.when.items()
    )
    when = f" or is not in a state that counts ({gates})" if gates else ""
    return Story(
        ruling.rule.rule, ruling.rule.title, ruling.version, row["key"].replace("\x1f", " / "), int(row["pass"]), "none",
        f"{record} does not take part: it was deleted, has another key by now{when}.", [], [], [], [], "", [], [],
    )  # fmt: skip


def _windows(
    store: Store,
    ruling: Ruling,
    decision: Decision,
    due: Mapping[Identity, tuple[Due, ...]],
    now: datetime,
) -> list[str]:
    """Of each leg that learns its window when it is due, and by which."""
    rule, learner = ruling.rule, learner_of(ruling, now)
    if not rule.learns:
        return []
    first = dict(
        zip(rule.leg_names, earliest(due[one.leg, one.key] for one in decision.records), strict=True)
    )
    days = {leg: (learner.version, rule.learned_as(leg), first[leg].learned_at) for leg in rule.learns}
    told = in_words(store, learner, days.values())
    return [f"{leg} due {first[leg].due_at:%Y-%m-%d %H:%M} UTC ({told[day]})" for leg, day in days.items()]


def window_of(
    store: Store,
    rule: MatchingRule,
    version: str,
    leg: str,
    members: Sequence[Identity],
    as_of: datetime,
    known_at: datetime,
) -> str:
    """By what window `leg` of a decision on these records was due, in words; empty where it learns none."""
    if leg not in rule.learns:
        return ""
    given = {
        "rule": rule.rule, "version": version, "place": rule.leg_names.index(leg) + 1, "as_of": as_of, "known_at": known_at,
        "members": list(members), "records": [record for _, record in members],
    }  # fmt: skip
    learned_at = store.value(read(SQL / "window_of.sql"), given)
    learner = learner_of(Ruling(rule, {}), known_at)
    day = (version, rule.learned_as(leg), learned_at)
    return in_words(store, learner, [day])[day] if learned_at else ""


def _headline(rule: MatchingRule, number: int, decision: Decision, record: str) -> str:
    words = _WORDS[decision.verdict].format(waits=" and ".join(decision.waits) or "nothing")
    by = "by hand" if number == BY_HAND else f"by {', '.join(rule.keys[number - 1].fields)}"
    if decision.verdict == "reversed" and number == BY_HAND:
        words = "is cancelled"
    if decision.verdict in ("matched_tol", "reversed") and any(
        gate.passed is False for gate in decision.gates
    ):
        words = f"is {'cancelled' if decision.verdict == 'reversed' else 'matched'} with a difference that was accepted"
    others = len(decision.records) - 1
    together = f" together with {others} other record{'s' if others > 1 else ''}" if others else ""
    why = "; ".join(
        f"{fault.code}: {fault.field} {fault.actual or 'nothing'}, expected {fault.expected or 'nothing'}"
        for fault in decision.faults
    )
    return f"{record} {words}{together}, {by}" + (f": {why}" if why else "") + "."


def _line(record: Record) -> Line:
    amount = "" if record.worth is None else format(record.worth.normalize(), "f")
    return Line(record.leg, record.key, record.day.isoformat(), amount, record.currency)


def candidates(
    store: Store,
    rule: MatchingRule,
    version: str,
    key: str,
    record: Record,
    as_of: datetime,
    known_at: datetime,
) -> Iterator[dict[str, Any]]:
    """What nearly belongs to a record that stands under `key` of the first pass, the nearest first: leg, record, amount, day.

    `would_match` says what would have to be otherwise.
    """
    found = store.rows(
        read(SQL / "candidates.sql"),
        {
            "rule": rule.rule, "version": version, "leg": record.leg, "key": key, "worth": record.worth,
            "day": record.day, "as_of": as_of, "known_at": known_at,
        },
    )  # fmt: skip
    names = rule.keys[0].fields
    mine = key.split("\x1f")
    for one in found:
        if one["leg"] == record.leg:
            yield {**one, "would_match": "they cancel each other: tieout match join"}
            continue
        theirs = one["key"].split(" / ")
        off = [f"{name} {a!r} were {b!r}" for name, a, b in zip(names, mine, theirs, strict=False) if a != b]
        yield {**one, "would_match": "if " + " and ".join(off) if off else ""}


def near(
    store: Store, rule: MatchingRule, version: str, record: str, as_of: datetime, known_at: datetime
) -> list[dict[str, Any]]:
    """`candidates` of a record by its name alone; none when the rule reads no such record."""
    given = {"records": [record], "versions": [(rule.rule, version)], "as_of": as_of, "known_at": known_at}
    return [
        one
        for row in store.rows(read(SQL / "standing_records.sql"), given)
        for one in candidates(
            store, rule, version, row["newest_key"], version_of(rule, row["newest"]).record, as_of, known_at
        )
    ]
