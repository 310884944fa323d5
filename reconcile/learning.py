"""Windows learned from lags: one for each day, from what had ended and was known when the day began.

What is learned by a midnight depends on nothing that became known later, so it is written once and stays: it is what
decided. Facts are worked on up to each midnight before it is learned by.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, time, timedelta
from pathlib import Path
from typing import Any

from core.duration import BusinessTime, counted, format_duration, format_window
from reconcile.marks import text
from store.client import Store
from store.sqlfile import read
from workflows import model as rules
from workflows.model import Workflow

SQL = Path(__file__).parent / "sql"
DAY = timedelta(days=1)
# A cap that never caps, in any unit.
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


def learn(store: Store, workflow: Workflow, base: Mapping[str, Any], midnight: datetime) -> None:
    """Writes what each expectation with `learn` learns by `midnight`, from expectations that are written.

    `base` says of which version, and by which calendars it counts.
    """
    units = {name: counted(window)[1] for name, window in _fixed(workflow).items()}
    learns = [
        (
            name, units[name], one.quantile, counted(one.over)[0], one.least,
            counted(one.floor)[0], counted(one.cap or _FOREVER)[0],
        )
        for name, one in workflow.learns.items()
    ]  # fmt: skip
    by_clock = all(unit == "s" for unit in units.values())
    lags = read(SQL / ("lags.sql" if by_clock else "lags_by_calendar.sql")).code
    statement = read(SQL / "learn_windows.sql").code.replace("{lags}", lags)
    store.command(statement, {**base, "midnight": text(midnight), "learns": learns})


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
    fixed = _fixed(workflow)
    return {
        place: _window(fixed[name], workflow.learns[name].least, found.get((version, name, day)))
        for place, (version, name, day) in places.items()
    }


def _fixed(workflow: Workflow) -> dict[str, timedelta | BusinessTime]:
    """The windows that hold while there is too little to learn from, by the name of their expectation."""
    return {
        rule.name: rule.within
        for rule in workflow.expectations
        if isinstance(rule, rules.Sequence | rules.Landed) and rule.learn is not None
    }


def _window(fixed: timedelta | BusinessTime, least: int, learned: Mapping[str, Any] | None) -> str:
    if learned is None or not learned["learned"]:
        lags = learned["lags"] if learned else 0
        return (
            f" (window {format_window(fixed)}, fixed: {lags:,} of the {least:,} lags it takes to learn one)"
        )
    day, quantile = f"{learned['learned_at']:%Y-%m-%d}", f"{learned['quantile'].normalize():f}"
    return f" (window {_span(learned)}, learned {day} from {learned['lags']:,} lags, quantile {quantile})"


def _span(learned: Mapping[str, Any]) -> str:
    if learned["unit"] == "bd":
        return f"{learned['window_bd']}bd"
    span = format_duration(timedelta(seconds=learned["window_s"]))
    return f"{span} of working time" if learned["unit"] == "bs" else span


def midnight_of(moment: datetime) -> datetime:
    """The beginning of its day, UTC."""
    return datetime.combine(moment.astimezone(UTC).date(), time(), UTC)
