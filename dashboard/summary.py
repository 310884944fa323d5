"""What the rows of a few queries add up to: rates with their intervals, stocks, movers, and one sentence. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from dashboard import words

Rows = Sequence[Mapping[str, Any]]


@dataclass(frozen=True)
class Rate:
    """Good ones of those due. Unknown ones make it an interval; with nothing due there is no rate."""

    good: int
    due: int
    unknown: int

    @property
    def low(self) -> float | None:
        """The rate if all unknown ones fail."""
        return self.good / self.due if self.due else None

    @property
    def high(self) -> float | None:
        """The rate if all unknown ones pass."""
        return (self.good + self.unknown) / self.due if self.due else None

    @property
    def exact(self) -> float | None:
        """The rate where no item is unknown."""
        return self.low if not self.unknown else None

    def text(self) -> str:
        """`96.2 %`, `91.0 – 96.2 %`, or a dash."""
        return words.interval(self.low, self.high)

    def change(self, before: Rate) -> float | None:
        """Difference to an earlier rate; null where one of them is an interval or not there."""
        return None if self.exact is None or before.exact is None else self.exact - before.exact


@dataclass(frozen=True)
class Stock:
    """Open exceptions now and one period earlier, what began and ended in between, and the money in them."""

    now: int
    before: int
    begun: int
    ended: int
    old_now: int
    old_before: int
    amounts: Mapping[str, Decimal]
    old_amounts: Mapping[str, Decimal]
    without_amount: int


@dataclass(frozen=True)
class Mover:
    """One segment with what is open in it now and one period earlier."""

    segment: str
    now: int
    before: int
    begun: int
    ended: int

    @property
    def change(self) -> int:
        return self.now - self.before


def match_rate(cohorts: Rows, period: int = 0) -> Rate:
    """K06: matched of what fell due in a period; 0 is the present one."""
    return _rate(cohorts, "matched_items", period)


def success_rate(cohorts: Rows, period: int = 0) -> Rate:
    """K24: items that reached their end in time, over expectations with clock end_to_end."""
    return _rate([row for row in cohorts if row["clock"] == "end_to_end"], "on_time_items", period)


def trend(cohorts: Rows, rate: Callable[[Rows, int], Rate]) -> list[float]:
    """A rate by period, oldest first, of what fell due then and stands now; its low end where it is an interval."""
    periods = range(max((row["period"] for row in cohorts), default=-1), -1, -1)
    lows = (rate(cohorts, period).low for period in periods)
    return [low for low in lows if low is not None]


def stock(rows: Rows) -> Stock:
    """K03 and K04 of the rows of `open.sql`."""
    return Stock(
        now=_sum(rows, "open_now"), before=_sum(rows, "open_before"), begun=_sum(rows, "begun"), ended=_sum(rows, "ended"),
        old_now=_sum(rows, "old_now"), old_before=_sum(rows, "old_before"),
        amounts=_amounts(rows, "open_amount"), old_amounts=_amounts(rows, "old_amount"),
        without_amount=_sum(rows, "open_without_amount"),
    )  # fmt: skip


def movers(rows: Rows, by: str, limit: int = 5) -> list[Mover]:
    """The segments whose open exceptions changed most in the period, largest change first."""
    found = [
        Mover(
            name, _sum(part, "open_now"), _sum(part, "open_before"), _sum(part, "begun"), _sum(part, "ended")
        )
        for name, part in grouped(rows, by).items()
    ]
    moved = [mover for mover in found if mover.begun or mover.ended]
    return sorted(moved, key=lambda mover: (-abs(mover.change), -mover.begun, mover.segment))[:limit]


def grouped(rows: Rows, by: str) -> dict[str, list[Mapping[str, Any]]]:
    """Rows by the value of a column, in order of first appearance."""
    groups: dict[str, list[Mapping[str, Any]]] = {}
    for row in rows:
        groups.setdefault(row[by], []).append(row)
    return groups


def open_by(rows: Rows, by: str) -> dict[str, int]:
    """Open exceptions by the value of a column; values without any are left out."""
    sums = {name: _sum(part, "open_now") for name, part in grouped(rows, by).items()}
    return {name: number for name, number in sums.items() if number}


def closing(movement: Rows, now: int, periods: int) -> list[dict[str, int]]:
    """Begun, ended and open at the end of each period, oldest first; the last one ends with `now`."""
    by_period = {row["period"]: row for row in movement}
    history = []
    stock_at_end = now
    for period in range(periods):
        begun = by_period.get(period, {}).get("begun", 0)
        ended = by_period.get(period, {}).get("ended", 0)
        history.append({"period": period, "begun": begun, "ended": ended, "closing": stock_at_end})
        stock_at_end -= begun - ended
    return history[::-1]


def sentence(
    match: Rate, before: Rate, open_ones: Stock, by_team: Mapping[str, int], period: str, as_of: datetime
) -> str:
    """What a board wants to know first, in words. Markdown; names of teams are code spans."""
    return f"{_matching(match, before, period, as_of)} {_standing(open_ones, by_team)}"


def _matching(match: Rate, before: Rate, period: str, as_of: datetime) -> str:
    when = f"In the {period} to {words.day(as_of)}"
    if not match.due:
        return f"{when} nothing fell due."
    due = words.plural(match.due, "expected step")
    if match.unknown:
        return (
            f"{when} between **{words.interval(match.low, match.high)}** of {due} matched: "
            f"{match.unknown:,} cannot be decided, because their sources are silent."
        )
    change = match.change(before)
    if change is None or abs(change) < 0.0005:
        compared = "" if change is None else f", as in the {period} before"
    else:
        compared = f", {words.points(abs(change)).lstrip('+')} {'more' if change > 0 else 'less'} than in the {period} before"
    return f"{when} **{match.text()}** of {due} matched{compared}."


def _standing(open_ones: Stock, by_team: Mapping[str, int]) -> str:
    if not open_ones.now:
        return "No exception is open."
    top, held = max(by_team.items(), key=lambda team: (team[1], team[0]))
    share = (
        f"; {words.code(top)} holds {words.percent(held / open_ones.now)} of them"
        if len(by_team) > 1
        else f", all with {words.code(top)}"
    )
    money = f" worth {words.money(open_ones.amounts)}" if open_ones.amounts else ""
    verb = "is" if open_ones.now == 1 else "are"
    old = (
        f" {open_ones.old_now:,} {'is' if open_ones.old_now == 1 else 'are'} older than 30 days."
        if open_ones.old_now
        else ""
    )
    return f"**{words.plural(open_ones.now, 'exception')}**{money} {verb} open{share}.{old}"


def _rate(cohorts: Iterable[Mapping[str, Any]], good: str, period: int) -> Rate:
    rows = [row for row in cohorts if row["period"] == period]
    return Rate(_sum(rows, good), _sum(rows, "due_items"), _sum(rows, "unknown_items"))


def _sum(rows: Iterable[Mapping[str, Any]], column: str) -> int:
    return sum(int(row[column]) for row in rows)


def _amounts(rows: Iterable[Mapping[str, Any]], column: str) -> dict[str, Decimal]:
    """Sums by currency; a currency with no known amount is left out."""
    sums: dict[str, Decimal] = {}
    for row in rows:
        if row[column] is not None:
            sums[row["currency_code"]] = sums.get(row["currency_code"], Decimal(0)) + row[column]
    return sums
