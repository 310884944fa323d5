"""How far a job has read, and whether facts came in behind it since."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, cast

from store.client import Store
from store.sqlfile import read

SQL = Path(__file__).parent / "sql"
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
# Marks that are looked at for going back; before them, everything is read again.
MOST_MARKS = 100_000


def last_mark(store: Store, job: str) -> dict[str, Any]:
    """The newest mark of a job as `read_up_to` and `facts_then`, or an empty dict."""
    return store.one(read(SQL / "mark.sql"), {"job": job, "most": 1})


def facts(store: Store, until: datetime) -> int:
    """Facts of all workflows known up to `until`."""
    return int(store.value(read(SQL / "facts.sql"), {"until": text(until)}))


def read_up_to(store: Store, job: str, last: Mapping[str, Any]) -> datetime:
    """The newest mark behind which no fact came in since it was set; the epoch when there is none."""
    if not last:
        return EPOCH
    if facts(store, last["read_up_to"]) == last["facts_then"]:
        return cast(datetime, last["read_up_to"])
    marks = store.rows(read(SQL / "mark.sql"), {"job": job, "most": MOST_MARKS})
    # A late fact is behind every mark after its time: newest first, the marks that add up are the last ones.
    first = bisect_left(marks, True, key=lambda row: facts(store, row["read_up_to"]) == row["facts_then"])
    return cast(datetime, marks[first]["read_up_to"]) if first < len(marks) else EPOCH


def set_mark(store: Store, job: str, until: datetime, counted: int, now: datetime) -> None:
    """Everything known up to `until` is done; `counted` facts were known up to then."""
    store.insert("marks", [{"job": job, "mark": until, "facts": counted, "at": now}])


def text(moment: datetime) -> str:
    """A time as parameters take it."""
    return moment.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S.%f")
