"""What a rule would do that does not decide yet: worked out over history and held against the one that does."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from reconcile.matching.model import Ruling
from reconcile.matching.run import active_version, match, with_calendars
from store.client import Store
from store.sqlfile import read
from workflows.model import Workflow

SQL = Path(__file__).parent / "sql"


@dataclass(frozen=True)
class Backtest:
    """`before` and `after`: totals by currency. `changes`: how many records and how much money go from which state
    to which. `active` is empty when no version of the rule decides yet.
    """

    rule: str
    active: str
    tried: str
    before: list[dict[str, Any]]
    after: list[dict[str, Any]]
    changes: list[dict[str, Any]]


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
    given = {"as_of": as_of, "known_at": known_at}
    # A name that no version has, so that nothing is found.
    old = active or "none"
    return Backtest(
        rule=rule,
        active=active,
        tried=ruling.version,
        before=store.rows(read(SQL / "backtest_totals.sql"), {**given, "version": old}),
        after=store.rows(read(SQL / "backtest_totals.sql"), {**given, "version": ruling.version}),
        changes=store.rows(read(SQL / "backtest.sql"), {**given, "old": old, "new": ruling.version}),
    )
