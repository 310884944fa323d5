"""What matching says, as rows for people and programs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

from reconcile.matching.hand import HandDecision, HandState
from reconcile.matching.run import hand_of
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


def suggestions(
    store: Store,
    as_of: datetime,
    known_at: datetime,
    *,
    workflow: str = "",
    rule: str = "",
    at_most: Decimal | None = None,
    limit: int = 1000,
) -> list[dict[str, Any]]:
    """What rules suggest and nobody has decided yet, one way each, the smallest difference first.

    What people decided is looked up in their acts up to K, so that nothing waits for the match job to take it in. `at_most`:
    only differences up to this.
    """
    given = {
        "as_of": as_of, "known_at": known_at, "workflow": workflow, "rule": rule, "at_most": at_most, "limit": limit,
    }  # fmt: skip
    rows = store.rows(read(SQL / "suggestions.sql"), given)
    decided = {
        name: list(hand_of(store, name, known_at).decisions().values())
        for name in {row["rule"] for row in rows}
    }
    return [row for row in rows if not _is_decided(decided[row["rule"]], row)]


def _is_decided(decisions: Iterable[HandDecision], row: Mapping[str, Any]) -> bool:
    """Whether people put one of its records elsewhere, or took exactly these apart."""
    records = frozenset(zip(row["legs"], row["records"], strict=True))
    held = (HandState.TOGETHER, HandState.REQUESTED)
    return any(
        (one.state in held and one.members & records)
        or (one.state is HandState.APART and one.members == records)
        for one in decisions
    )


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
