"""Windows learned from lags: one for each day, from what had ended and was known when the day began.

What is learned by a midnight depends on nothing that became known later, so it is written once and stays: it is what
decided. Facts are worked on up to each midnight before it is learned by.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, time, timedelta
from pathlib import Path
from typing import Any

from core.duration import format_duration
from reconcile.marks import text
from store.client import Store
from store.sqlfile import read
from workflows.model import Learn, Workflow

SQL = Path(__file__).parent / "sql"
DAY = timedelta(days=1)
# A cap that never caps.
_FOREVER = timedelta(days=36_500)


def midnights_to_learn(store: Store, workflow: Workflow, version: str, until: datetime) -> Iterator[datetime]:
    """Each midnight (UTC) up to `until` by which this version has not learned yet, in order; none without `learn`."""
    if not workflow.learns:
        return
    known = store.one(read(SQL / "learned_until.sql"), {"workflow": workflow.workflow, "version": version})
    last = known["learned_at"] or known["first_known_at"]
    midnight = midnight_of(last) + DAY if last else until + DAY
    while midnight <= until:
        yield midnight
        midnight += DAY


def learn(store: Store, workflow: Workflow, version: str, midnight: datetime) -> None:
    """Writes what each expectation with `learn` learns by `midnight`, from expectations that are written."""
    learns = [
        (
            name,
            one.quantile,
            _seconds(one.over),
            one.least,
            _seconds(one.floor),
            _seconds(one.cap or _FOREVER),
        )
        for name, one in workflow.learns.items()
    ]
    given: dict[str, Any] = {"workflow": workflow.workflow, "version": version, "midnight": text(midnight)}
    store.command(read(SQL / "learn_windows.sql"), {**given, "learns": learns})


def windows_of(store: Store, workflow: Workflow, verdicts: Sequence[Mapping[str, Any]]) -> dict[int, str]:
    """In words, in brackets, by what window each of `verdicts` was due, by its place; only of expectations with `learn`."""
    places = {
        place: (row["version"], row["expectation"], midnight_of(min(row["opened_at"], row["known_at"])))
        for place, row in enumerate(verdicts)
        if row["expectation"] in workflow.learns
    }
    if not places:
        return {}
    asked = {"workflow": workflow.workflow, "asked": sorted(set(places.values()))}
    found = {
        (row["version"], row["expectation"], row["learned_at"]): row
        for row in store.rows(read(SQL / "learned_windows_of.sql"), asked)
    }
    return {
        place: _window(verdicts[place], workflow.learns[at[1]], found.get(at)) for place, at in places.items()
    }


def _window(verdict: Mapping[str, Any], how: Learn, learned: Mapping[str, Any] | None) -> str:
    span = format_duration(verdict["due_at"] - verdict["opened_at"])
    if learned is None or not learned["learned"]:
        lags = learned["lags"] if learned else 0
        return f" (window {span}, fixed: {lags:,} of the {how.least:,} lags it takes to learn one)"
    day, quantile = f"{learned['learned_at']:%Y-%m-%d}", f"{learned['quantile'].normalize():f}"
    return f" (window {span}, learned {day} from {learned['lags']:,} lags, quantile {quantile})"


def midnight_of(moment: datetime) -> datetime:
    """The beginning of its day, UTC."""
    return datetime.combine(moment.astimezone(UTC).date(), time(), UTC)


def _seconds(span: timedelta) -> int:
    return int(span.total_seconds())
