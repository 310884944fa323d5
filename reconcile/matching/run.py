"""The match job: reads what became known since its mark and writes the decisions that follow from it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Set
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

from reconcile.calendar_versions import newest_calendars
from reconcile.learning import Learner, learn, midnights_to_learn, with_learned_windows
from reconcile.marks import EPOCH, facts, last_mark, read_up_to, set_mark, text
from reconcile.matching.decide import by_hand, decide
from reconcile.matching.hand import Hand
from reconcile.matching.model import Leg, MatchingRule, Ruling
from reconcile.matching.moments import Decide, moments
from reconcile.matching.parameters import group_parameters, leg_parameters
from reconcile.matching.rows import BY_HAND, act_of, rows_of, version_of
from reconcile.run import SETTLE
from store.client import Store
from store.sqlfile import read
from workflows.model import Workflow

SQL = Path(__file__).parent / "sql"

# Facts worked on at once, by which memory is bounded: a large history is done in shares of its keys.
FACTS_AT_ONCE = 1_500_000
# From so many facts on it pays to look first for keys that have one state a leg.
MANY_FACTS = 100_000
# Hashes of records that are grouped at once, and how many there may be.
HASHES_AT_ONCE = 5_000_000
HASHES = 1 << 64
# Rows of decisions written at once.
ROWS_AT_ONCE = 20_000
# A version that is only tried out is known and does not decide.
NEVER = datetime(2299, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Matched:
    """What one run did for one rule: decisions written, and how many of them needed more than equality."""

    rule: str
    version: str
    decisions: int
    judged: int
    until: datetime


def match(
    store: Store,
    rulings: Iterable[Ruling],
    workflows: Mapping[str, Workflow],
    now: datetime,
    *,
    settle: timedelta = SETTLE,
    activate: bool = True,
) -> list[Matched]:
    """Brings decisions of all `rulings` up to what was known `settle` before `now`.

    Idempotent: a second run, or one after a crash, adds nothing. A changed rule or table is a new version, worked
    out over all history; older views keep the version that decided then. Without `activate` a version is worked
    out and decides nothing yet. Raises ConfigurationError when a calendar is not in the store.
    """
    return [
        _one(
            store, with_calendars(store, ruling), workflows[ruling.rule.workflow], now, now - settle, activate
        )
        for ruling in rulings
    ]


def with_calendars(store: Store, ruling: Ruling) -> Ruling:
    """The rule with the versions of its calendars that hold now: they are part of what decides.

    Raises ConfigurationError when one is not in the store.
    """
    rule = ruling.rule
    return replace(ruling, calendars=newest_calendars(store, rule.calendars, f"matching rule {rule.rule!r}"))


def _one(
    store: Store, ruling: Ruling, workflow: Workflow, now: datetime, until: datetime, activate: bool
) -> Matched:
    rule, version = ruling.rule, ruling.version
    _keep_tables(store, ruling)
    job = f"match/{rule.rule}/{version}"
    last = last_mark(store, job)
    known = facts(store, until)
    mark = read_up_to(store, job, last)
    done = Matched(rule.rule, version, 0, 0, until)
    if not last or mark != last["read_up_to"] or known != last["facts_then"]:
        done = _follow(store, ruling, workflow, mark, until, now)
        if not last or until > last["read_up_to"]:
            set_mark(store, job, until, known, now)
    # Only what is worked out decides: a view never shows half a version.
    if activate:
        _activate(store, ruling, now)
    elif not last:
        _keep_version(store, ruling, NEVER)
    return done


def _follow(
    store: Store, ruling: Ruling, workflow: Workflow, mark: datetime, until: datetime, now: datetime
) -> Matched:
    """Decides what became known in (mark, until]; where windows are learned, up to each midnight before it is learned by."""
    decisions = judged = 0
    learner = learner_of(ruling, now)
    seen = facts(store, mark) if learner.windows else 0
    for midnight in midnights_to_learn(store, learner, until):
        if (known := facts(store, midnight)) > seen:
            done = _work(store, ruling, workflow, mark, midnight, now)
            decisions, judged = decisions + done.decisions, judged + done.judged
            mark, seen = midnight, known
        learn(store, learner, midnight)
    done = _work(store, ruling, workflow, mark, until, now)
    return replace(done, decisions=decisions + done.decisions, judged=judged + done.judged)


def learner_of(ruling: Ruling, now: datetime) -> Learner:
    """What of a rule is learned: how long its legs may take."""
    rule, legs = ruling.rule, ruling.rule.legs
    return Learner(
        rule.workflow,
        ruling.version,
        {rule.learned_as(name): (legs[name].within, how) for name, how in rule.learns.items()},
        read(SQL / "first_known.sql").code,
        read(SQL / "arrivals.sql").code,
        {
            "rule": rule.rule, "calendars": list(ruling.calendars), "calendars_at": now,
            "types": [leg.type for leg in legs.values() if leg.type],
            "steps": [step for leg in legs.values() for step in leg.steps],
            "legs": [
                (rule.learned_as(name), leg.calendar or rule.calendar or "") for name, leg in legs.items()
            ],
        },
    )  # fmt: skip


def _work(
    store: Store, ruling: Ruling, workflow: Workflow, mark: datetime, until: datetime, now: datetime
) -> Matched:
    rule = ruling.rule
    since = {
        "rule": rule.rule, "version": ruling.version, "mark": text(mark), "until": text(until), "everything": mark == EPOCH,
        "calendars_at": now,
    }  # fmt: skip
    _read_legs(store, ruling, workflow, since)
    hand = hand_of(store, rule.rule, until)
    if hand.acts:
        store.command(read(SQL / "by_hand.sql"), {**since, "turns": _turns(hand)})
    before = int(store.value(read(SQL / "decisions.sql"), since))
    judged = 0
    for number in range(BY_HAND if hand.acts else 1, len(rule.keys) + 1):
        given = {**group_parameters(ruling, workflow, number), **since, "by_hand": bool(hand.acts)}
        for share in _shares(store, given):
            judged += _decide(store, ruling, workflow, number, mark, {**given, **share}, hand)
        if BY_HAND < number < len(rule.keys):
            store.command(read(SQL / "hand_on.sql"), given)
    after = int(store.value(read(SQL / "decisions.sql"), since))
    return Matched(rule.rule, ruling.version, after - before, judged, until)


def _read_legs(store: Store, ruling: Ruling, workflow: Workflow, since: Mapping[str, Any]) -> None:
    """Writes what became known of the records of all legs, under every key that they ever had."""
    for name in ruling.rule.legs:
        leg = {**leg_parameters(ruling, workflow, name), **since}
        if store.value(read(SQL / "leg_news.sql"), leg):
            store.command(_extract(ruling.rule, ruling.rule.legs[name]), leg)
    if _some_moved(store, {**since, "pass": 1}):
        store.command(read(SQL / "moved.sql"), since)


def _some_moved(store: Store, given: Mapping[str, Any]) -> bool:
    """Whether a record with news has ever stood under another key; looks at a share of all records at a time."""
    shares = 1 + int(store.value(read(SQL / "news.sql"), given)) // HASHES_AT_ONCE
    bounds = [share * HASHES // shares for share in range(shares + 1)]
    return any(
        store.value(read(SQL / "several_keys.sql"), {**given, "from_hash": low, "to_hash": high - 1})
        for low, high in pairwise(bounds)
    )


def _extract(rule: MatchingRule, leg: Leg) -> str:
    """The query that reads a leg. Tables, voids and calendars cost the engine's planner as much as half of it, so only who
    asks pays.
    """
    due = read(SQL / ("due_by_calendar.sql" if rule.clocks else "due.sql")).code
    due = due.replace(
        "{windows}", with_learned_windows("SELECT * FROM asked") if rule.learns else "SELECT * FROM asked"
    )
    told = read(SQL / ("told_by_tables.sql" if leg.lookup else "told.sql")).code
    voided = read(SQL / "voided.sql").code if leg.void_by else ""
    return (
        read(SQL / "extract.sql")
        .code.replace("{told}", told)
        .replace("{voided}", voided)
        .replace("{due}", due)
    )


def _shares(store: Store, given: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Ranges of keys that together hold all that became known since the mark, each with a bounded part of it."""
    news = int(store.value(read(SQL / "news.sql"), given))
    shares = 1 + news // FACTS_AT_ONCE
    cuts = store.value(read(SQL / "ranges.sql"), {**given, "shares": shares}) if shares > 1 else []
    return [
        {"from_key": low, "to_key": high or "", "to_end": high is None, "many": news >= MANY_FACTS}
        for low, high in zip(["", *cuts], [*cuts, None], strict=True)
    ]


def _turns(hand: Hand) -> list[tuple[str, str, str, str, str, int, list[str]]]:
    """Turns as `by_hand.sql` takes them, each with the number of turns that its record has by now."""
    turns = hand.turns()
    counts = Counter(turn.record for turn in turns)
    return [
        (*turn.record, text(turn.since), text(turn.until), turn.place, counts[turn.record], list(turn.places))
        for turn in turns
    ]


def _decide(
    store: Store,
    ruling: Ruling,
    workflow: Workflow,
    number: int,
    mark: datetime,
    given: Mapping[str, Any],
    hand: Hand,
) -> int:
    """Decides one share of the keys set by set, and what is then left by the core; gives how many those were.

    What people joined is pass 0, which the core decides alone.
    """
    there = _written(store, given)
    told = {**given, "fresh": not there}
    if number != BY_HAND and (given["everything"] or given["many"]):
        _decide_most(store, ruling.rule, told)
        if told["fresh"] and not store.value(read(SQL / "left_over.sql"), told):
            return 0
        if there:
            # What differs was decided just now as the core decides it: it must not come a second time.
            there = _written(store, given)
    if number != BY_HAND:
        store.command(read(SQL / "plain.sql"), told)
    return _judge(store, ruling, workflow, number, mark, told, there, hand)


def _written(store: Store, given: Mapping[str, Any]) -> set[tuple[Any, ...]]:
    """Names of the decisions that are there since the mark."""
    return {_identity(row) for row in store.rows(read(SQL / "decided.sql"), given)}


def _decide_most(store: Store, rule: MatchingRule, given: Mapping[str, Any]) -> None:
    """Decides keys that have one state a leg, which is quicker than to look for the state that stands."""
    store.command(read(SQL / ("two_legs.sql" if len(rule.legs) == 2 else "single.sql")), given)


def _judge(
    store: Store,
    ruling: Ruling,
    workflow: Workflow,
    number: int,
    mark: datetime,
    given: Mapping[str, Any],
    there: Set[tuple[Any, ...]],
    hand: Hand,
) -> int:
    """Decides what is not plain, key by key, and writes what was not there before."""
    judged = 0
    waiting: list[dict[str, Any]] = []
    for row in store.rows(read(SQL / "undecided.sql"), given):
        versions = [version_of(ruling.rule, told) for told in row["versions"]]
        decided_by = decider(ruling.rule, number, row["key"], hand)
        for moment in moments(ruling.rule, decided_by, versions, mark):
            decided = rows_of(ruling, workflow, number, row["key"], moment, versions)
            waiting += [one for one in decided if _identity(one) not in there]
        judged += 1
        if len(waiting) >= ROWS_AT_ONCE:
            store.insert("matches", waiting)
            waiting = []
    store.insert("matches", waiting)
    return judged


def decider(rule: MatchingRule, number: int, key: str, hand: Hand) -> Decide:
    """What decides on the records under `key` of the pass with this number; 0 holds what people joined."""
    if number == BY_HAND:
        opening = hand.decisions()[key].opening
        members, accepted = frozenset(opening.members), frozenset(opening.accepted)
        return lambda records, _known_at: by_hand(rule, records, members, accepted)
    return lambda records, known_at: decide(
        rule, rule.keys[number - 1], records, hand.apart(known_at, [(one.leg, one.key) for one in records])
    )


def hand_of(store: Store, rule: str, known_at: datetime) -> Hand:
    """What people decided on matches of a rule by K."""
    rows = store.rows(read(SQL / "acts_of_rule.sql"), {"rule": rule, "known_at": known_at})
    return Hand(act_of(row) for row in rows)


def _identity(row: Mapping[str, Any]) -> tuple[Any, ...]:
    return tuple(row[name] for name in ("group_key", "occurred_at", "known_at", "evidence", "item"))


def _keep_tables(store: Store, ruling: Ruling) -> None:
    """Writes the tables of a rule once for each of their versions."""
    for table in ruling.tables.values():
        given = {"name": table.name, "version": table.version}
        if store.value(read(SQL / "table_entries.sql"), given) != len(table.entries):
            store.insert(
                "matching_tables",
                [
                    {
                        **given, "value": entry.value, "result": entry.result, "valid_from": entry.valid_from,
                        "valid_until": entry.valid_until,
                    }
                    for entry in table.entries
                ],
            )  # fmt: skip


def retire(store: Store, rules: Iterable[str], now: datetime) -> list[str]:
    """Names of the rules that decide no longer from `now` on, since they are not among `rules`: their files are gone.

    Earlier views keep what they said.
    """
    rows = store.rows(read(SQL / "without_file.sql"), {"rules": list(rules), "now": now})
    store.insert(
        "matching_versions", [{**row, "version": "", "activated_at": now, "calendars": {}} for row in rows]
    )
    return [row["rule"] for row in rows]


def _activate(store: Store, ruling: Ruling, now: datetime) -> None:
    """The first version decides on everything; a later one from now on."""
    known = store.value(read(SQL / "active_version.sql"), {"rule": ruling.rule.rule, "now": now})
    if known != ruling.version:
        _keep_version(store, ruling, EPOCH if known is None else now)


def active_version(store: Store, rule: str, now: datetime) -> str:
    """The version of a rule that decides now, empty when none does."""
    return str(store.value(read(SQL / "active_version.sql"), {"rule": rule, "now": now}) or "")


def _keep_version(store: Store, ruling: Ruling, activated_at: datetime) -> None:
    store.insert(
        "matching_versions",
        [
            {
                "rule": ruling.rule.rule, "version": ruling.version, "workflow": ruling.rule.workflow,
                "content": ruling.rule.model_dump_json(), "activated_at": activated_at, "calendars": dict(ruling.calendars),
            }
        ],
    )  # fmt: skip
