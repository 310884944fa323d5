"""What a rule would do that does not decide yet: worked out over history and held against the one that does."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import orjson

from reconcile.matching.model import Ruling
from reconcile.matching.run import NEVER, active_version, match, with_calendars
from store.client import Store
from store.sqlfile import read
from workflows.model import Workflow

SQL = Path(__file__).parent / "sql"


@dataclass(frozen=True)
class Changed:
    """A setting of the rule that is another one in the version tried; empty where it is not set."""

    setting: str
    now: str
    tried: str


@dataclass(frozen=True)
class Backtest:
    """`before` and `after`: totals by currency. `changes`: how many records and how much money go from which state
    to which. `settings`: what the two versions say otherwise. `active` is empty when no version of the rule decides yet.
    """

    rule: str
    active: str
    tried: str
    before: list[dict[str, Any]]
    after: list[dict[str, Any]]
    changes: list[dict[str, Any]]
    settings: list[Changed]


def backtest(
    store: Store,
    ruling: Ruling,
    workflows: Mapping[str, Workflow],
    as_of: datetime,
    known_at: datetime,
    now: datetime,
) -> Backtest:
    """Works the version out, once, and compares as of (V, K). Nothing that anybody sees changes."""
    rule, ruling = ruling.rule.rule, with_calendars(store, ruling)
    active = active_version(store, rule, now)
    if active != ruling.version:
        match(store, [ruling], workflows, now, activate=False)
    return compared(store, rule, active, ruling.version, as_of, known_at)


def compared(
    store: Store, rule: str, active: str, tried: str, as_of: datetime, known_at: datetime
) -> Backtest:
    """Two versions of a rule that have been worked out, as of (V, K); reads only."""
    given = {"as_of": as_of, "known_at": known_at}
    # A name that no version has, so that nothing is found.
    old = active or "none"
    return Backtest(
        rule=rule,
        active=active,
        tried=tried,
        before=store.rows(read(SQL / "backtest_totals.sql"), {**given, "version": old}),
        after=store.rows(read(SQL / "backtest_totals.sql"), {**given, "version": tried}),
        changes=store.rows(read(SQL / "backtest.sql"), {**given, "old": old, "new": tried}),
        settings=_settings(store, rule, old, tried),
    )


def tried_versions(store: Store, workflow: str) -> list[dict[str, Any]]:
    """Versions of a workflow's rules that were tried and never decided, the newest first: rule, version, tried_at, and
    `until`, the known time up to which each was worked out (UTC).
    """
    return store.rows(read(SQL / "tried.sql"), {"workflow": workflow, "never": NEVER})


def _settings(store: Store, rule: str, old: str, new: str) -> list[Changed]:
    rows = store.rows(read(SQL / "contents.sql"), {"rule": rule, "versions": [old, new]})
    said = {row["version"]: dict(_leaves("", orjson.loads(row["content"]))) for row in rows}
    before, after = said.get(old, {}), said.get(new, {})
    return [
        Changed(name, before.get(name, ""), after.get(name, ""))
        for name in dict.fromkeys([*before, *after])
        if before and before.get(name, "") != after.get(name, "")
    ]


def _leaves(path: str, value: Any) -> Iterator[tuple[str, str]]:
    """Every single value of a rule with the way to it: `compare.amount.over.pct`."""
    if isinstance(value, dict) and value:
        for name, inner in value.items():
            yield from _leaves(f"{path}.{name}" if path else name, inner)
    elif value not in (None, "", [], {}):
        yield path, value if isinstance(value, str) else orjson.dumps(value).decode()
