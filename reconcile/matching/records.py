"""What goes into a decision and what comes out: records of the legs, decisions with gates and faults."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Literal, NamedTuple

Verdict = Literal[
    "none", "open", "matched", "matched_tol", "partial", "mismatch", "ambiguous", "duplicate", "reversed", "unusable"
]  # fmt: skip
Cause = Literal["quantity", "price", "fx", "tax_freight", "rounding", "unexplained"]


# Of a window that is fixed.
NOT_LEARNED = datetime(1970, 1, 1, tzinfo=UTC)


class Due(NamedTuple):
    """From when the window of a leg counts, when the leg is due, and the midnight (UTC) by which the window was learned,
    if one was by then.
    """

    counts_from: datetime
    due_at: datetime
    learned_at: datetime = NOT_LEARNED


@dataclass(frozen=True)
class Record:
    """One record of a leg as it stands: numbers in base unit and the rule's currency, in the order of the rule.

    `at`: business time since which it says what it says, `day`: its business day. `rate`: exchange rate that was used; `worth`:
    its money.
    `original`: key of the record it takes back. `problem`: code of what makes it unusable, `wrong`: the
    field of the source and what stands in it. `due`: when each leg is, by this record alone; `dated`: from a date it names. `business_day`: which of the rule's calendar it counts for,
    where a window asks for it.
    """

    leg: str
    key: str
    at: datetime
    day: date
    numbers: tuple[Decimal | None, ...]
    texts: tuple[str, ...] = ()
    currency: str = ""
    rate: Decimal = Decimal(1)
    worth: Decimal | None = None
    original: str = ""
    problem: str = ""
    wrong: tuple[str, ...] = ()
    due: tuple[Due, ...] = ()
    dated: bool = False
    business_day: int = 0

    @property
    def order(self) -> tuple[str, date, str]:
        """A place among others that does not depend on when it arrived."""
        return (self.leg, self.day, self.key)


@dataclass(frozen=True)
class Gate:
    """One test of a decision. `passed` is None when a side is not there or not known."""

    name: str
    leg: str
    expected: str
    actual: str
    passed: bool | None
    difference: Decimal | None = None
    allowed: Decimal | None = None


@dataclass(frozen=True)
class Fault:
    """One broken expectation: exception code, field or leg it is about, what was expected and what was found."""

    code: str
    field: str
    leg: str
    expected: str
    actual: str
    amount: Decimal | None = None


@dataclass(frozen=True)
class Decision:
    """What was decided of some records of one key: each record is in exactly one decision.

    `expected`, `actual`, `residual`: money compared, None where the rule compares none. `variance`: the residual
    by cause, summing to it exactly. `waits`: legs that are not there yet. `options`: groupings between which
    nothing decides. `margin`: how much worse the next best pairing is, in money. `nearest`: what nearly matched.
    """

    verdict: Verdict
    records: tuple[Record, ...]
    gates: tuple[Gate, ...] = ()
    faults: tuple[Fault, ...] = ()
    expected: Decimal | None = None
    actual: Decimal | None = None
    residual: Decimal | None = None
    variance: Mapping[Cause, Decimal] = field(default_factory=dict)
    waits: tuple[str, ...] = ()
    options: tuple[tuple[str, ...], ...] = ()
    margin: Decimal | None = None
    nearest: str = ""
