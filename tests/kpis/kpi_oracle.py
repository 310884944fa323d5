"""The same figures in plain Python: lists, fractions and decimals over raw rows. Shares no code with the queries."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from math import ceil
from typing import Any

Row = dict[str, Any]
Number = int | Fraction | Decimal


@dataclass(frozen=True)
class Verdict:
    """What is to be said of one expectation."""

    row: Row
    state: str
    due: bool
    detected: datetime | None
    resolved: datetime | None
    failures: tuple[datetime, ...]
    closed: datetime | None
    closed_as: str

    @property
    def item(self) -> tuple[str, str]:
        return self.row["item_type"], self.row["item_key"]

    @property
    def money(self) -> Decimal | None:
        return None if self.row["amount"] is None else abs(self.row["amount"])

    @property
    def currency(self) -> str:
        return self.row["currency"] or "XXX"

    @property
    def immature(self) -> bool:
        return self.state in ("NOT_DUE", "IN_FLIGHT")

    @property
    def open_exception(self) -> bool:
        return self.detected is not None and self.resolved is None


@dataclass(frozen=True)
class View:
    """The moment figures speak of: as of, start of the period, how far the source is complete."""

    as_of: datetime
    start: datetime
    complete: datetime | None


@dataclass(frozen=True)
class Figure:
    """One expected figure; `None` where there is none."""

    value: Fraction | None
    low: Fraction | None = None
    high: Fraction | None = None
    n: int | None = None


Figures = dict[tuple[str, str], Figure]


def judge(row: Row, view: View) -> Verdict | None:
    """The verdict on one row as of the moment; None when it had not begun."""
    if row["opened_at"] > view.as_of:
        return None
    over = row["closed_at"] is not None and row["closed_at"] <= view.as_of
    closed, closed_as = (row["closed_at"], row["closed_as"]) if over else (None, "")
    reversed_now = row["reversed_at"] is not None and row["reversed_at"] <= view.as_of
    failures = tuple(moment for moment in row["failed_at"] if moment <= view.as_of)
    past = row["due_at"] <= view.as_of
    covered = view.complete is not None and view.complete >= row["due_at"]
    detected = resolved = None
    if row["kind"] == "once":
        state = "REVERSED" if reversed_now else "DUP_CONFIRMED"
        detected = row["opened_at"]
        resolved = row["reversed_at"] if reversed_now else None
    elif row["kind"] == "precedence":
        state = "MATCHED" if closed_as == "arrived" else "ORPHAN" if covered else "UNKNOWN"
        detected, resolved = (None, None) if state == "UNKNOWN" else (row["opened_at"], closed)
    else:
        state = _state(closed_as, reversed_now, past, bool(failures), covered)
        late = closed is not None and closed > row["due_at"]
        if past and (late or state == "MISSING"):
            detected, resolved = row["due_at"], closed
    due = row["kind"] == "sequence" and past and state not in ("VOID", "REVERSED")
    return Verdict(row, state, due, detected, resolved, failures, closed, closed_as)


def _state(closed_as: str, reversed_now: bool, past: bool, failed: bool, covered: bool) -> str:
    ended = {
        "arrived": "REVERSED" if reversed_now else "MATCHED",
        "voided": "VOID",
        "written_off": "WRITTEN_OFF",
    }
    if closed_as:
        return ended[closed_as]
    if not past:
        return "IN_FLIGHT" if failed else "NOT_DUE"
    return "MISSING" if covered else "UNKNOWN"


def segments(rows: Iterable[Row], view: View, dimension: str) -> dict[str, list[Verdict]]:
    """Verdicts by segment."""
    found: dict[str, list[Verdict]] = defaultdict(list)
    for row in rows:
        verdict = judge(row, view)
        if verdict:
            found[segment_of(row, dimension)].append(verdict)
    return found


def segment_of(row: Row, dimension: str) -> str:
    if not dimension:
        return "total"
    own = {"owner": row["owner"], "expectation": row["expectation"], "opened_step": row["opened_step"]}
    return {**row["dims"], **own}.get(dimension) or "unmapped"


def share(good: Number, unclear: Number, whole: Number, n: int) -> Figure:
    if not whole:
        return Figure(None, n=n)
    if unclear:
        return Figure(None, Fraction(good) / Fraction(whole), Fraction(good + unclear) / Fraction(whole), n)  # type: ignore[operator]
    return Figure(Fraction(good) / Fraction(whole), n=n)


def amount(known: Number, unclear: Number = 0, n: int | None = None) -> Figure:
    if unclear:
        return Figure(None, Fraction(known), Fraction(known + unclear), n)  # type: ignore[operator]
    return Figure(Fraction(known), n=n)


def _money(verdicts: Iterable[Verdict], code: str) -> Decimal:
    return sum((v.money for v in verdicts if v.money is not None and v.currency == code), Decimal(0))


def _codes(verdicts: Iterable[Verdict]) -> list[str]:
    return sorted({v.currency for v in verdicts if v.money is not None})


def _items(verdicts: Iterable[Verdict]) -> int:
    return len({v.item for v in verdicts})


def _rank(sorted_values: list[Any], percent: int) -> Any:
    return sorted_values[ceil(Fraction(percent * len(sorted_values), 100)) - 1]


def k01(all_of: list[Verdict], view: View) -> Figures:
    new = [v for v in all_of if v.detected and v.detected > view.start]
    still = [v for v in all_of if v.open_exception]
    first: dict[Any, datetime] = {}
    for v in all_of:
        if v.row["kind"] == "sequence":
            first[v.item] = min(first.get(v.item, v.row["opened_at"]), v.row["opened_at"])
    entering = sum(moment > view.start for moment in first.values())
    return {
        ("detected", "count"): amount(len(new)),
        ("detected_items", "count"): amount(_items(new)),
        ("open", "count"): amount(len(still)),
        ("open_items", "count"): amount(_items(still)),
        ("per_1000", "per_1000"): share(1000 * len(new), 0, entering, entering),
    }


def k02(all_of: list[Verdict], view: View) -> Figures:
    rows = [v for v in all_of if v.row["due_at"] > view.start]
    due = [v for v in rows if v.due]
    faulty = [v for v in due if v.detected]
    unclear = [v for v in due if v.state == "UNKNOWN"]
    items = {v.item for v in due}
    bad = {v.item for v in rows if v.detected} & items
    maybe = {v.item for v in unclear} - bad
    young = sum(v.immature for v in rows)
    found = {
        ("rate", "ratio"): share(len(bad), len(maybe), len(items), len(items)),
        ("expectation_rate", "ratio"): share(len(faulty), len(unclear), len(due), len(due)),
        ("without_amount", "count"): amount(sum(v.money is None for v in due)),
        ("immature", "ratio"): share(young, 0, len(due) + young, len(due) + young),
    }
    return found | _priced("amount", "value_rate", faulty, unclear, due)


def _priced(
    name: str, rate: str, good: list[Verdict], unclear: list[Verdict], whole: list[Verdict]
) -> Figures:
    """Money of `good` and perhaps `unclear`, a currency each, and its share where there is one currency."""
    found: Figures = {}
    codes = _codes(whole)
    for code in codes:
        parts = _money(good, code), _money(unclear, code), _money(whole, code)
        found[name, code] = amount(parts[0], parts[1])
        if rate and len(codes) == 1:
            found[rate, "ratio"] = share(*parts, len(whole))
    return found


def k03(all_of: list[Verdict], view: View) -> Figures:
    still = [v for v in all_of if v.open_exception]
    found = {
        ("open", "count"): amount(len(still)),
        ("items", "count"): amount(_items(still)),
        ("without_amount", "count"): amount(sum(v.money is None for v in still)),
        ("unknown", "count"): amount(sum(v.state == "UNKNOWN" for v in all_of)),
    }
    return found | {("amount", code): amount(_money(still, code)) for code in _codes(still)}


BUCKETS = (
    ("0_1", 0, 1),
    ("2_3", 2, 3),
    ("4_7", 4, 7),
    ("8_30", 8, 30),
    ("31_60", 31, 60),
    ("61_90", 61, 90),
    ("over_90", 91, 10**9),
)


def k04(all_of: list[Verdict], view: View) -> Figures:
    ever = [v for v in all_of if v.detected]
    if not ever:
        return {}
    aged = [
        ((view.as_of.date() - v.detected.date()).days, v) for v in ever if v.open_exception and v.detected
    ]
    ages = sorted(age for age, _ in aged)
    many = len(ages) >= 20
    codes = _codes(v for _, v in aged)
    worth = sum((v.money or Decimal(0) for _, v in aged), Decimal(0))
    weighted = sum((age * v.money for age, v in aged if v.money is not None), Decimal(0))
    found = {
        ("p50", "days"): Figure(Fraction(_rank(ages, 50)) if many else None),
        ("p90", "days"): Figure(Fraction(_rank(ages, 90)) if many else None),
        ("oldest", "days"): Figure(Fraction(ages[-1]) if ages else None),
        ("weighted_mean", "days"): Figure(
            Fraction(weighted) / Fraction(worth) if len(codes) == 1 and worth else None
        ),
        ("without_amount", "count"): amount(sum(v.money is None for _, v in aged)),
    }
    for name, least, most in BUCKETS:
        inside = [v for age, v in aged if least <= age <= most]
        found[f"count_{name}", "count"] = amount(len(inside), n=len(aged))
        found |= {(f"amount_{name}", code): amount(_money(inside, code)) for code in codes}
    return found


def _by_item(verdicts: Iterable[Verdict]) -> dict[Any, list[Verdict]]:
    found: dict[Any, list[Verdict]] = defaultdict(list)
    for v in verdicts:
        found[v.item].append(v)
    return found


def _largest(items: Iterable[list[Verdict]]) -> dict[str, Decimal]:
    """Of each item the largest amount a currency, added up."""
    found: dict[str, Decimal] = defaultdict(Decimal)
    for verdicts in items:
        for code in _codes(verdicts):
            found[code] += max(v.money for v in verdicts if v.money is not None and v.currency == code)
    return found


def _one_each(name: str, known: list[list[Verdict]], unclear: list[list[Verdict]]) -> Figures:
    sure, maybe = _largest(known), _largest(unclear)
    return {
        (name, code): amount(sure.get(code, Decimal(0)), maybe.get(code, Decimal(0)))
        for code in {*sure, *maybe}
    }


def k05(all_of: list[Verdict], view: View) -> Figures:
    if not any(v.row["kind"] == "sequence" for v in all_of):
        return {}
    late = [v for v in all_of if v.row["kind"] == "sequence" and v.state in ("MISSING", "UNKNOWN")]
    groups = list(_by_item(late).values())
    known = [group for group in groups if any(v.state == "MISSING" for v in group)]
    unclear = [group for group in groups if all(v.state == "UNKNOWN" for v in group)]
    past = {
        id(group): max((view.as_of.date() - v.row["due_at"].date()).days for v in group) for group in groups
    }
    days = [past[id(group)] for group in known]
    found = {
        ("items", "count"): amount(len(known), len(unclear)),
        ("without_amount", "count"): amount(sum(all(v.money is None for v in group) for group in groups)),
    }
    for name, least, most in BUCKETS:
        inside = [sum(least <= past[id(group)] <= most for group in part) for part in (known, unclear)]
        found[f"count_{name}", "count"] = amount(*inside)
    if days:
        found["oldest", "days"] = amount(max(days))
    return found | _one_each("amount", known, unclear)


def k06(all_of: list[Verdict], view: View) -> Figures:
    rows = [v for v in all_of if v.row["due_at"] > view.start]
    due = [v for v in rows if v.due]
    good = [v for v in due if v.state == "MATCHED"]
    clean = [v for v in good if not v.failures and not v.detected]
    unclear = [v for v in due if v.state == "UNKNOWN"]
    young = sum(v.immature for v in rows)
    found = {
        ("eventual", "ratio"): share(len(good), len(unclear), len(due), len(due)),
        ("first_pass", "ratio"): share(len(clean), len(unclear), len(due), len(due)),
        ("without_amount", "count"): amount(sum(v.money is None for v in due)),
        ("immature", "ratio"): share(young, 0, len(due) + young, len(due) + young),
    }
    return found | _priced("allocated", "value_rate", good, unclear, due)


def k08(all_of: list[Verdict], view: View) -> Figures:
    rows = [v for v in all_of if v.row["due_at"] > view.start and v.row["kind"] == "sequence"]
    due = [v for v in rows if v.due]
    gaps = [v for v in due if v.state == "MISSING"]
    unclear = [v for v in due if v.state == "UNKNOWN"]
    young = sum(v.immature for v in rows)
    found = {
        ("gap_rate", "ratio"): share(len(gaps), len(unclear), len(due), len(due)),
        ("missing", "count"): amount(len(gaps), len(unclear)),
        ("without_amount", "count"): amount(sum(v.money is None for v in gaps)),
        ("immature", "ratio"): share(young, 0, len(due) + young, len(due) + young),
    }
    return found | _priced("amount", "", gaps, unclear, due)


def k15(all_of: list[Verdict], view: View) -> Figures:
    rows = [
        v for v in all_of
        if view.start < v.row["due_at"] <= view.as_of and v.row["kind"] == "sequence" and v.state in ("MATCHED", "REVERSED")
    ]  # fmt: skip
    back = [v for v in rows if v.state == "REVERSED"]
    found = {
        ("rate", "ratio"): share(len(back), 0, len(rows), len(rows)),
        ("reversed", "count"): amount(len(back)),
    }
    return found | _priced("amount", "", back, [], rows)


def k20(all_of: list[Verdict], view: View) -> Figures:
    rows = [v for v in all_of if v.row["kind"] == "sequence"]
    new = sum(v.row["opened_at"] > view.start for v in rows)
    ended = [v for v in rows if v.closed and v.closed > view.start]
    done = [v for v in ended if v.closed_as == "arrived"]
    hours = Fraction(int((view.as_of - view.start) / timedelta(microseconds=1)), 3_600_000_000)
    found = {
        ("arrivals", "count"): amount(new),
        ("completions", "count"): amount(len(done)),
        ("withdrawn", "count"): amount(len(ended) - len(done)),
        ("backlog_slope", "count"): amount(new - len(done)),
        ("backlog", "count"): amount(sum(v.closed is None for v in rows)),
        ("per_hour", "per_hour"): share(len(done), 0, hours, len(done)),
    }
    return found | {("amount", code): amount(_money(done, code)) for code in _codes(done)}


def k21(all_of: list[Verdict], view: View) -> Figures:
    rows = [v for v in all_of if v.row["kind"] == "sequence"]
    stuck = [v for v in rows if v.state == "MISSING"]
    unclear = [v for v in rows if v.state == "UNKNOWN"]
    found = {
        ("stuck", "count"): amount(len(stuck), len(unclear)),
        ("without_amount", "count"): amount(sum(v.money is None for v in stuck)),
        ("waiting", "count"): amount(sum(v.immature for v in rows)),
    }
    if stuck:
        found["oldest", "days"] = amount(
            max((view.as_of.date() - v.row["due_at"].date()).days for v in stuck)
        )
    for code in _codes(stuck + unclear):
        found["amount", code] = amount(_money(stuck, code), _money(unclear, code))
    return found


def k24(all_of: list[Verdict], view: View) -> Figures:
    rows = [
        v
        for v in all_of
        if v.row["due_at"] > view.start and v.row["clock"] == "end_to_end" and v.row["kind"] == "sequence"
    ]
    due = [v for v in rows if v.due]
    arrived = [v for v in due if v.state == "MATCHED" and v.closed]
    good = [v for v in arrived if v.closed and v.closed <= v.row["due_at"]]
    unclear = [v for v in due if v.state == "UNKNOWN"]
    young = sum(v.immature for v in rows)
    found = {
        ("rate", "ratio"): share(len(good), len(unclear), len(due), len(due)),
        ("late", "count"): amount(len(arrived) - len(good)),
        ("without_amount", "count"): amount(sum(v.money is None for v in due)),
        ("immature", "ratio"): share(young, 0, len(due) + young, len(due) + young),
    }
    return found | _priced("amount", "value_rate", good, unclear, due)


def k25(all_of: list[Verdict], view: View) -> Figures:
    rows = [v for v in all_of if v.row["kind"] == "sequence" and (v.row["due_at"] > view.start or v.failures)]
    recent = [v for v in rows if v.row["due_at"] > view.start]
    due = {v.item for v in recent if v.due}
    bad = [v for v in recent if v.due and v.failures and v.state in ("MISSING", "WRITTEN_OFF")]
    unclear = [v for v in recent if v.failures and v.state == "UNKNOWN"]
    bad_items = {v.item for v in bad}
    both = _by_item(bad + unclear)
    known = [group for item, group in both.items() if item in bad_items]
    maybe = [group for item, group in both.items() if item not in bad_items]
    tries = {(v.item, moment) for v in rows for moment in v.failures if moment > view.start}
    found = {
        ("rate", "ratio"): share(len(known), len(maybe), len(due), len(due)),
        ("items", "count"): amount(len(known), len(maybe)),
        ("attempts", "count"): amount(len(tries)),
        ("without_amount", "count"): amount(sum(all(v.money is None for v in group) for group in known)),
    }
    return found | _one_each("amount", known, maybe)


def k26(all_of: list[Verdict], view: View) -> Figures:
    rows = [v for v in all_of if v.row["kind"] == "sequence" and v.row["due_at"] > view.start]
    due = [v for v in rows if v.due]
    tries = {id(v): len(v.failures) + (v.closed_as == "arrived") for v in due}
    most = {item: max(tries[id(v)] for v in group) for item, group in _by_item(due).items()}
    failed = {(v.item, moment) for v in due for moment in v.failures}
    good = {(v.item, v.row["closed_by"]) for v in due if v.closed_as == "arrived"}
    tried = sum(count > 0 for count in most.values())
    again = sum(count > 1 for count in most.values())
    young = sum(v.immature for v in rows)
    return {
        ("rate", "ratio"): share(again, 0, tried, tried),
        ("retried", "count"): amount(again),
        ("attempts_per_success", "number"): share(len(failed) + len(good), 0, len(good), len(good)),
        ("immature", "ratio"): share(young, 0, len(due) + young, len(due) + young),
    }


def k73(all_of: list[Verdict], view: View) -> Figures:
    rows = [v for v in all_of if v.row["kind"] == "sequence" and v.row["due_at"] > view.start]
    due = [v for v in rows if v.due]
    unclear = sum(v.state == "UNKNOWN" for v in due)
    found = {
        ("coverage", "ratio"): share(len(due) - unclear, 0, len(due), len(due)),
        ("unknown", "count"): amount(unclear),
    }
    if view.complete and rows:
        lag = (view.as_of - view.complete) / timedelta(microseconds=1)
        found["watermark_lag", "seconds"] = amount(Fraction(int(lag), 1_000_000))
    return found


@dataclass(frozen=True)
class Span:
    """A wait: from when it was watched, how long, and how it ended (done, left, open); in microseconds."""

    entry: int | None
    length: int
    ended: str


def latency(spans: list[Span], levels: Iterable[int], unit: str, size: int, done: str) -> Figures:
    """Aalen-Johansen by hand: one step an observed time, every risk set counted anew."""
    if not spans:
        return {}
    found: Figures = {}
    curve, waiting, reached = [], Fraction(1), Fraction(0)
    for t in sorted({span.length for span in spans if span.ended != "open"}):
        at_risk = sum(span.length >= t and (span.entry is None or span.entry < t) for span in spans)
        finished = sum(span.length == t and span.ended == "done" for span in spans)
        dropped = sum(span.length == t and span.ended == "left" for span in spans)
        reached += waiting * Fraction(finished, at_risk)
        waiting *= 1 - Fraction(finished + dropped, at_risk)
        if finished:
            curve.append((t, reached))
    last = max(span.length for span in spans)
    for level in levels:
        time = next((t for t, share_done in curve if share_done >= Fraction(level, 100)), None)
        if len(spans) < 20:
            found[f"p{level}", unit] = Figure(None, n=len(spans))
        elif time is None:
            found[f"p{level}", unit] = Figure(None, Fraction(last, size), None, len(spans))
        else:
            found[f"p{level}", unit] = Figure(Fraction(time, size), n=len(spans))
    ages = sorted(span.length for span in spans if span.ended == "open")
    for percent in (50, 90):
        shown = Fraction(_rank(ages, percent), size) if len(ages) >= 20 else None
        found[f"open_p{percent}", unit] = Figure(shown, n=len(ages))
    found["open_oldest", unit] = Figure(Fraction(ages[-1], size) if ages else None)
    for name, ended in ((done, "done"), ("withdrawn", "left"), ("open", "open")):
        found[name, "count"] = amount(sum(span.ended == ended for span in spans))
    found["negative", "count"] = amount(sum(span.length < 0 for span in spans))
    return found


def span(started: datetime, ended: datetime | None, how: str, view: View) -> Span | None:
    """None when it was over before the period began."""
    one = timedelta(microseconds=1)
    length = int(((ended or view.as_of) - started) / one)
    if started > view.start:
        return Span(None, length, how if ended else "open")
    if ended and ended <= view.start:
        return None
    return Span(int((view.start - started) / one), length, how if ended else "open")


def step_latency(
    clock: str, levels: tuple[int, ...], unit: str, size: int
) -> Callable[[list[Verdict], View], Figures]:
    def figures(all_of: list[Verdict], view: View) -> Figures:
        waits = [
            span(v.row["opened_at"], v.closed, "done" if v.closed_as == "arrived" else "left", view)
            for v in all_of
            if v.row["kind"] == "sequence" and v.row["clock"] == clock
        ]
        return latency([wait for wait in waits if wait], levels, unit, size, "completed")

    return figures


def k12(all_of: list[Verdict], view: View) -> Figures:
    waits = [
        span(v.detected, v.resolved, "left" if v.closed_as == "voided" else "done", view)
        for v in all_of
        if v.detected
    ]
    return latency([wait for wait in waits if wait], (50, 75, 90), "hours", 3_600_000_000, "resolved")


ORACLES: dict[str, Callable[[list[Verdict], View], Figures]] = {
    "K01": k01, "K02": k02, "K03": k03, "K04": k04, "K05": k05, "K06": k06, "K08": k08, "K12": k12, "K15": k15,
    "K16": step_latency("sync", (50, 95, 99), "seconds", 1_000_000),
    "K17": step_latency("end_to_end", (50, 90, 95), "hours", 3_600_000_000),
    "K18": step_latency("step", (50, 90, 95), "seconds", 1_000_000),
    "K20": k20, "K21": k21, "K24": k24, "K25": k25, "K26": k26, "K73": k73,
}  # fmt: skip
