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
