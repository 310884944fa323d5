"""What matching says, as rows for people and programs."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from store.client import Store
from store.sqlfile import read

SQL = Path(__file__).parent / "sql"
MOST = 4_000_000_000
WORST_FIRST = (
    "MISMATCH", "DUP_SUSPECT", "MISSING", "ORPHAN", "PARTIAL", "UNKNOWN", "IN_FLIGHT", "NOT_DUE", "MATCHED_TOL", "MATCHED",
    "REVERSED",
)  # fmt: skip


def results(
    store: Store,
    as_of: datetime,
    known_at: datetime,
    *,
    rule: str = "",
    items: Sequence[str] = (),
    states: Sequence[str] = (),
    ended: bool = True,
    limit: int = MOST,
    offset: int = 0,
) -> list[dict[str, Any]]:
    """States of all decisions as of (V, K): a row for the decision, and one more for each further broken expectation.

    `items`: only decisions on these records. `states`: only these. Without `ended`, faults that are over are left out.
    """
    return store.rows(
        read(SQL / "results.sql"),
        {
            "as_of": as_of, "known_at": known_at, "rule": rule, "items": list(items), "states": list(states),
            "ended": ended, "limit": limit, "offset": offset,
        },
    )  # fmt: skip


def headers(
    store: Store,
    as_of: datetime,
    known_at: datetime,
    *,
    rule: str = "",
    states: Sequence[str] = (),
    limit: int = MOST,
    offset: int = 0,
) -> list[dict[str, Any]]:
    """Decisions rolled up to the `header` of their rule: items, how many match, sums; the state is the worst of theirs."""
    return store.rows(
        read(SQL / "headers.sql"),
        {
            "as_of": as_of, "known_at": known_at, "rule": rule, "states": list(states), "limit": limit, "offset": offset,
            "worst_first": list(WORST_FIRST),
        },
    )  # fmt: skip


def bridge(store: Store, as_of: datetime, known_at: datetime, *, rule: str = "") -> list[dict[str, Any]]:
    """What all decisions differ by, a row a rule and currency: net, gross, and by cause, the causes summing to net."""
    return store.rows(read(SQL / "bridge.sql"), {"as_of": as_of, "known_at": known_at, "rule": rule})
