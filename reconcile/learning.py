"""Windows learned from lags: one for each day, from what had ended and was known when the day began.

What is learned by a midnight depends on nothing that became known later, so it is written once and stays: it is what
decided. Facts are worked on up to each midnight before it is learned by.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, time, timedelta
from pathlib import Path
from typing import Any

from core.duration import BusinessTime, counted, format_duration, format_window
from reconcile.marks import text
from store.client import Store
from store.sqlfile import read
from workflows import model as rules
from workflows.model import Learn, Workflow

SQL = Path(__file__).parent / "sql"
DAY = timedelta(days=1)
# A cap that never caps, in any unit.
_FOREVER = timedelta(days=36_500)


@dataclass(frozen=True)
class Learner:
    """One version of what learns windows: `windows` by the name they have in `learned_windows`, each with the fixed one that
    holds while there is too little to learn from.

    `first_known` and `arrivals` are queries that take `given`: when there was something to learn from, and what arrived as was known
    at a midnight: `expectation`, `calendar`, `opened_at`, `closed_at`, and the `unit` to count in.
    """

    workflow: str
    version: str
    windows: Mapping[str, tuple[timedelta | BusinessTime, Learn]]
    first_known: str
    arrivals: str
    given: Mapping[str, Any] = field(default_factory=dict)

    @property
    def named(self) -> dict[str, Any]:
        """What its queries take."""
        return {**self.given, "workflow": self.workflow, "version": self.version}


def learner_of(workflow: Workflow, version: str, given: Mapping[str, Any] | None = None) -> Learner:
    """What a workflow's expectations learn; who learns says by which calendars it counts."""
    fixed = {
        rule.name: rule.within
        for rule in workflow.expectations
        if isinstance(rule, rules.Sequence | rules.Landed) and rule.learn is not None
    }
    return Learner(
        workflow.workflow,
        version,
        {name: (fixed[name], how) for name, how in workflow.learns.items()},
        read(SQL / "first_known.sql").code,
        read(SQL / "arrivals.sql").code,
        given or {},
    )


def midnights_to_learn(store: Store, learner: Learner, until: datetime) -> Iterator[datetime]:
    """Each midnight (UTC) up to `until` by which this version has not learned yet, in order; none where nothing is learned."""
    if not learner.windows:
        return
    last = store.value(read(SQL / "learned_until.sql"), learner.named) or store.value(
        learner.first_known, learner.named
    )
    midnight = midnight_of(last) + DAY if last else until + DAY
    while midnight <= until:
        yield midnight
        midnight += DAY


def learn(store: Store, learner: Learner, midnight: datetime) -> None:
    """Writes what each window is by `midnight`, from arrivals that have been written."""
    learns = [
        (
            name, counted(fixed)[1], how.quantile, counted(how.over)[0], how.least, counted(how.floor)[0],
            counted(how.cap or _FOREVER)[0],
        )
        for name, (fixed, how) in learner.windows.items()
    ]  # fmt: skip
    by_clock = all(unit == "s" for _, unit, *_ in learns)
    lags = read(SQL / ("lags.sql" if by_clock else "lags_by_calendar.sql")).code
    statement = read(SQL / "learn_windows.sql").code
    statement = statement.replace("{arrivals}", learner.arrivals).replace("{lags}", lags)
    store.command(statement, {**learner.named, "midnight": text(midnight), "learns": learns})


def with_learned_windows(query: str) -> str:
    """The same rows with the windows that hold for them, of a query that gives `expectation`, `within`, `unit`, `opened_at` and
    `known_at`.
    """
    return read(SQL / "with_learned_windows.sql").code.replace("{query}", query)


def windows_of(store: Store, workflow: Workflow, verdicts: Sequence[Mapping[str, Any]]) -> dict[int, str]:
    """In words, in brackets, by what window each of `verdicts` was due, by its place; only of expectations with `learn`."""
    asked = {
        place: (row["version"], row["expectation"], midnight_of(min(row["opened_at"], row["known_at"])))
        for place, row in enumerate(verdicts)
        if row["expectation"] in workflow.learns
    }
    told = in_words(store, learner_of(workflow, ""), asked.values())
    return {place: f" ({told[one]})" for place, one in asked.items()}


# The version, the name of a window, and the midnight by which it was learned.
Day = tuple[str, str, datetime]


def in_words(store: Store, learner: Learner, days: Iterable[Day]) -> dict[Day, str]:
    """What held on each of `days`: which window, learned from how much, or the fixed one."""
    asked = sorted(set(days))
    if not asked:
        return {}
    rows = store.rows(read(SQL / "learned_windows_of.sql"), {"workflow": learner.workflow, "asked": asked})
    found = {(row["version"], row["expectation"], row["learned_at"]): row for row in rows}
    return {one: _window(*learner.windows[one[1]], found.get(one)) for one in asked}


def _window(fixed: timedelta | BusinessTime, how: Learn, learned: Mapping[str, Any] | None) -> str:
    if learned is None or not learned["learned"]:
        lags = learned["lags"] if learned else 0
        return (
            f"window {format_window(fixed)}, fixed: {lags:,} of the {how.least:,} lags it takes to learn one"
        )
    day, quantile = f"{learned['learned_at']:%Y-%m-%d}", f"{learned['quantile'].normalize():f}"
    return f"window {_span(learned)}, learned {day} from {learned['lags']:,} lags, quantile {quantile}"


def _span(learned: Mapping[str, Any]) -> str:
    if learned["unit"] == "bd":
        return f"{learned['window_bd']}bd"
    span = format_duration(timedelta(seconds=learned["window_s"]))
    return f"{span} of working time" if learned["unit"] == "bs" else span


def midnight_of(moment: datetime) -> datetime:
    """The beginning of its day, UTC."""
    return datetime.combine(moment.astimezone(UTC).date(), time(), UTC)
