"""The match job: reads what became known since its mark and writes the decisions that follow from it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Set
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from reconcile.marks import EPOCH, facts, last_mark, read_up_to, set_mark, text
from reconcile.matching.model import Leg, MatchingRule, Ruling
from reconcile.matching.moments import moments
from reconcile.matching.parameters import group_parameters, leg_parameters
from reconcile.matching.rows import rows_of, version_of
from reconcile.run import SETTLE
from store.client import Store
from store.sqlfile import read
from workflows.model import Workflow

SQL = Path(__file__).parent / "sql"

# Facts worked on at once, by which memory is bounded: a large history is done in shares of its keys.
FACTS_AT_ONCE = 500_000
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
    out and decides nothing yet.
    """
    return [
        _one(store, ruling, workflows[ruling.rule.workflow], now, now - settle, activate)
        for ruling in rulings
    ]


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
        done = _work(store, ruling, workflow, mark, until, known)
        if not last or until > last["read_up_to"]:
            set_mark(store, job, until, known, now)
    # Only what is worked out decides: a view never shows half a version.
    if activate:
        _activate(store, ruling, now)
    elif not last:
        _keep_version(store, ruling, NEVER)
    return done


def _work(
    store: Store, ruling: Ruling, workflow: Workflow, mark: datetime, until: datetime, known: int
) -> Matched:
    rule, times = ruling.rule, {"mark": text(mark), "until": text(until)}
    fresh = _legs_with_news(store, rule, times)
    if not fresh:
        return Matched(rule.rule, ruling.version, 0, 0, until)
    for name in fresh:
        store.command(_extract(rule.legs[name]), {**leg_parameters(ruling, workflow, name), **times})
    news = {"rule": rule.rule, "version": ruling.version, **times}
    if store.value(read(SQL / "several_keys.sql"), news):
        store.command(read(SQL / "moved.sql"), news)
    shares = 1 + (known - facts(store, mark)) // FACTS_AT_ONCE
    count = {"rule": rule.rule, "version": ruling.version}
    before = int(store.value(read(SQL / "decisions.sql"), count))
    judged = 0
    for number in range(1, len(rule.keys) + 1):
        given = {**group_parameters(ruling, workflow, number), **times, "shares": shares}
        for share in range(shares):
            told = {**given, "share": share}
            there = {_identity(row) for row in store.rows(read(SQL / "decided.sql"), told)}
            store.command(read(SQL / "plain.sql"), told)
            judged += _judge(store, ruling, workflow, number, mark, told, there)
        if number < len(rule.keys):
            store.command(read(SQL / "hand_on.sql"), given)
    after = int(store.value(read(SQL / "decisions.sql"), count))
    return Matched(rule.rule, ruling.version, after - before, judged, until)


def _legs_with_news(store: Store, rule: MatchingRule, times: Mapping[str, str]) -> list[str]:
    """The legs that something became known of: to ask is cheap, to read a leg takes the engine long to plan."""
    given = {
        **times, "workflow": rule.workflow, "types": [leg.type for leg in rule.legs.values() if leg.type],
        "steps": [step for leg in rule.legs.values() for step in leg.steps],
    }  # fmt: skip
    kinds = {row["kind"] for row in store.rows(read(SQL / "kinds_of_news.sql"), given)}
    return [name for name, leg in rule.legs.items() if kinds & {leg.type, *leg.steps}]


def _extract(leg: Leg) -> str:
    """The query that reads a leg. Tables and voids cost the engine's planner as much as half of it, so only who asks pays."""
    told = read(SQL / ("told_by_tables.sql" if leg.lookup else "told.sql")).code
    voided = read(SQL / "voided.sql").code if leg.void_by else ""
    return read(SQL / "extract.sql").code.replace("{told}", told).replace("{voided}", voided)


def _judge(
    store: Store,
    ruling: Ruling,
    workflow: Workflow,
    number: int,
    mark: datetime,
    given: Mapping[str, Any],
    there: Set[tuple[Any, ...]],
) -> int:
    """Decides what is not plain, key by key, and writes what was not there before."""
    judged = 0
    waiting: list[dict[str, Any]] = []
    for row in store.rows(read(SQL / "undecided.sql"), {**given, "fresh": not there}):
        versions = [version_of(told) for told in row["versions"]]
        for moment in moments(ruling.rule, ruling.rule.keys[number - 1], versions, mark):
            decided = rows_of(ruling, workflow, number, row["key"], moment, versions)
            waiting += [one for one in decided if _identity(one) not in there]
        judged += 1
        if len(waiting) >= ROWS_AT_ONCE:
            store.insert("matches", waiting)
            waiting = []
    store.insert("matches", waiting)
    return judged


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


def _activate(store: Store, ruling: Ruling, now: datetime) -> None:
    """The first version decides on everything; a later one from now on."""
    known = active_version(store, ruling.rule.rule, now)
    if known != ruling.version:
        _keep_version(store, ruling, now if known else EPOCH)


def active_version(store: Store, rule: str, now: datetime) -> str:
    """The version of a rule that decides now, empty when none does."""
    return str(store.value(read(SQL / "active_version.sql"), {"rule": rule, "now": now}) or "")


def _keep_version(store: Store, ruling: Ruling, activated_at: datetime) -> None:
    store.insert(
        "matching_versions",
        [
            {
                "rule": ruling.rule.rule, "version": ruling.version, "workflow": ruling.rule.workflow,
                "content": ruling.rule.model_dump_json(), "activated_at": activated_at,
            }
        ],
    )  # fmt: skip
