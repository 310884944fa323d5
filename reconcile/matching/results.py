"""What matching says, as rows for people and programs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

from reconcile.marks import EPOCH
from reconcile.matching.hand import Hand, HandState, Identity
from reconcile.matching.run import NEVER, hand_of
from store.client import Store
from store.sqlfile import read

SQL = Path(__file__).parent / "sql"
MOST = 4_000_000_000
# More items than this are not handed to the engine by name.
MOST_NAMED = 1_000
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


def with_ages(
    store: Store, rows: Sequence[Mapping[str, Any]], as_of: datetime, known_at: datetime
) -> list[dict[str, Any]]:
    """`rows` of `results` with the age of those that are exceptions, as `exceptions_at` counts it; the others have none."""
    found = [row for row in rows if row["detected_at"] is not None]
    items = sorted({row["item_key"] for row in found})
    asked = {
        "as_of": as_of, "known_at": known_at, "items": items if len(items) <= MOST_NAMED else [],
        "ids": [row["exception_id"] for row in found],
    }  # fmt: skip
    told = (
        {row.pop("exception_id"): row for row in store.rows(read(SQL / "ages.sql"), asked)} if found else {}
    )
    unknown = {"age_days": None, "age_business_days": None}
    return [{**row, **told.get(row["exception_id"], unknown)} for row in rows]


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

    `names` of a row are its records as `MatchRequest` takes them. `at_most`: only differences up to this. What people
    decided is looked up in their acts up to K, so that nothing waits for the match job to take it in.
    """
    given = {
        "as_of": as_of, "known_at": known_at, "workflow": workflow, "rule": rule, "at_most": at_most, "limit": limit,
    }  # fmt: skip
    rows = store.rows(read(SQL / "suggestions.sql"), given)
    decided = {name: _decided(hand_of(store, name, known_at)) for name in {row["rule"] for row in rows}}
    return [row for row in rows if _is_open(row, *decided[row["rule"]])]


def _decided(hand: Hand) -> tuple[set[Identity], set[frozenset[Identity]]]:
    """Records that people put somewhere or want to, and sets that they took apart."""
    standing = hand.decisions().values()
    held = (HandState.TOGETHER, HandState.REQUESTED)
    return (
        {record for one in standing if one.state in held for record in one.members},
        {one.members for one in standing if one.state is HandState.APART},
    )


def _is_open(row: Mapping[str, Any], held: set[Identity], apart: set[frozenset[Identity]]) -> bool:
    records = frozenset(zip(row["legs"], row["records"], strict=True))
    return held.isdisjoint(records) and records not in apart


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


def bridge(
    store: Store,
    as_of: datetime,
    known_at: datetime,
    *,
    rule: str = "",
    due_after: datetime = EPOCH,
    due_by: datetime = NEVER,
) -> list[dict[str, Any]]:
    """What the legs differ by, a row a rule and currency: net, gross, and by cause, the causes summing to net.

    A record without its counterpart differs by all its money; `not_due` may still come, `not_proven` may be there.
    `unknown`: records of which nothing can be said in money. `due_after` and `due_by`: only what was due then, such as in a period.
    """
    given = {"as_of": as_of, "known_at": known_at, "rule": rule, "due_after": due_after, "due_by": due_by}
    return store.rows(read(SQL / "bridge.sql"), given)
