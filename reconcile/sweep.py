"""What tieout does with exceptions by itself: what was taken on lapses, and rules give what nobody has to somebody.

An acknowledgement or a waiver lapses when its time is over, or when more money or more failed tries are at stake
than were accepted. Everything here may run again at any time.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from reconcile.acts import Desk, Request
from reconcile.life import Action
from store.client import Store
from store.sqlfile import read

SQL = Path(__file__).parent / "sql"
# Exceptions of one workflow done in one run; the next run goes on.
MOST = 5_000


def sweep(store: Store, desk: Desk, pairs: Mapping[str, datetime], now: datetime) -> int:
    """Does what is to be done, for each workflow of `pairs` as of its business time V; gives the number of acts.

    Raises StoreError, ChainBusyError.
    """
    return sum(_one(store, desk, workflow, as_of, now) for workflow, as_of in pairs.items())


def _one(store: Store, desk: Desk, workflow: str, as_of: datetime, now: datetime) -> int:
    growth = desk.policy.file.growth
    rows = store.rows(
        read(SQL / "sweep.sql"),
        {
            "workflow": workflow, "as_of": as_of, "known_at": now, "most": MOST, "growth_abs": growth.abs,
            "growth_pct": growth.pct, "rules": [(*rule.test, rule.name, rule.to) for rule in desk.policy.file.assign],
        },
    )  # fmt: skip
    requests = [*_lapses(rows), *_assignments(rows)]
    return sum(outcome.done for request in requests for outcome in desk.do_by_machine(request, now))


def _lapses(rows: Sequence[Mapping[str, Any]]) -> Iterable[Request]:
    for cause in sorted({row["lapse"] for row in rows} - {""}):
        found = [row for row in rows if row["lapse"] == cause]
        # Each time it was taken on lapses once.
        name = _name("lapse", *(row["taken_by"] for row in found))
        yield Request(Action.LAPSED, _ids(found), act_id=name, seen=_seen(found), reason=cause)


def _assignments(rows: Sequence[Mapping[str, Any]]) -> Iterable[Request]:
    for rule, to in sorted({(row["rule_name"], row["assign_to"]) for row in rows if row["assign_to"]}):
        found = [row for row in rows if row["rule_name"] == rule and row["assign_to"]]
        name = _name("assign", rule, to, *_ids(found))
        yield Request(Action.ASSIGNED, _ids(found), act_id=name, owner=to, note=f"by rule {rule}")


def _ids(rows: Iterable[Mapping[str, Any]]) -> tuple[str, ...]:
    return tuple(row["exception_id"] for row in rows)


def _seen(rows: Iterable[Mapping[str, Any]]) -> dict[str, int]:
    """Who acted since the rows were read had a reason: it does not lapse under their hands."""
    return {row["exception_id"]: int(row["version"]) for row in rows}


def _name(*parts: str) -> str:
    return hashlib.sha256(" ".join(parts).encode()).hexdigest()[:32]
