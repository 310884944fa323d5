"""Records of one leg that people cancelled against each other: two ledger lines, a payment and its return.

What a rule finds of that kind by itself is in `reversals.py`. People may cancel more than two, and accept what is left.
"""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal, localcontext

from reconcile.matching.compare import (
    EXACT,
    MONEY,
    ZERO,
    first_of,
    number,
    one_currency,
    rest_cause,
    total,
    value_text,
)
from reconcile.matching.hand import Accepted
from reconcile.matching.model import MatchingRule
from reconcile.matching.records import Decision, Fault, Gate, Record
from workflows.model import ExceptionCode


def cancelled(rule: MatchingRule, records: Sequence[Record], accepted: frozenset[Accepted]) -> Decision:
    """`reversed` when nothing is left of these records of one leg, or exactly what was accepted; else what is wrong.

    What is left is money of their leg, so the difference has the sign that it has when the other leg is not there.
    """
    leg, left = records[0].leg, _money(rule, records)
    tests = _tests(rule, records, left)
    failed = [test for test in tests if test.passed is False]
    unknown = [test for test in tests if test.passed is None]
    faults = tuple(_fault(rule, test, left) for test in failed) or tuple(
        Fault("TRANSFORM_ERROR", test.name, leg, test.expected, test.actual) for test in unknown
    )
    if unknown or not tests:
        return Decision("unusable", tuple(records), tests, faults)
    if any(test.name == "currency" for test in failed):
        return Decision("mismatch", tuple(records), tests, faults)
    is_accepted = {Accepted(test.name, test.expected, test.actual) for test in failed} <= accepted
    sides = (left, ZERO) if _says_what_should_be(rule, leg) else (ZERO, left)
    expected, actual = (None, None) if left is None else sides
    residual = None if expected is None or actual is None else actual - expected
    return Decision(
        "reversed" if is_accepted else "mismatch", tuple(records), tests, () if is_accepted else faults,
        expected, actual, residual, {rest_cause(rule, residual): residual} if residual else {},
    )  # fmt: skip


def _tests(rule: MatchingRule, records: Sequence[Record], left: Decimal | None) -> tuple[Gate, ...]:
    """That the amounts sum to nothing; where a rule compares none, that quantities do, and their money as far as it is known."""
    leg, amount = records[0].leg, first_of(rule, "amount")
    of = amount or first_of(rule, "quantity")
    if of is None:
        return ()
    name = next(name for name, one in rule.compare.items() if one is of)
    sums = {name: total(rule, records, of.field)}
    if amount is None and left is not None:
        sums["money"] = left
    tests = [
        Gate(test, leg, "0", value_text(value), None if value is None else not value, value, ZERO)
        for test, value in sums.items()
    ]
    return (*tests, *one_currency(rule, records))


def _money(rule: MatchingRule, records: Sequence[Record]) -> Decimal | None:
    """Money that is left of the records, None where it is not known of each of them."""
    amount, quantity, price = (first_of(rule, means) for means in ("amount", "quantity", "price"))
    if amount is not None:
        left = total(rule, records, amount.field)
        return None if left is None else left.quantize(MONEY, context=EXACT)
    if quantity is None or price is None:
        return None
    factors = [(number(rule, one, quantity.field), number(rule, one, price.field)) for one in records]
    with localcontext(EXACT):
        worth = [count * each for count, each in factors if count is not None and each is not None]
        return sum(worth, ZERO).quantize(MONEY) if len(worth) == len(records) else None


def _says_what_should_be(rule: MatchingRule, leg: str) -> bool:
    """Whether the leg is the expected side of the money that is compared."""
    compared = first_of(rule, "amount") or first_of(rule, "price")
    return compared is not None and compared.expected == leg


def _fault(rule: MatchingRule, failed: Gate, left: Decimal | None) -> Fault:
    codes: dict[str, ExceptionCode] = {"currency": "FX_RATE", "money": "AMOUNT"}
    more = failed.difference is not None and failed.difference > 0
    by_quantity: ExceptionCode = "QTY_OVER" if more else "QTY_UNDER"
    is_quantity = failed.name in rule.compare and rule.compare[failed.name].means == "quantity"
    code = by_quantity if is_quantity else codes.get(failed.name, "AMOUNT")
    stake = None if left is None or failed.name == "currency" else abs(left)
    return Fault(code, failed.name, failed.leg, failed.expected, failed.actual, stake)
