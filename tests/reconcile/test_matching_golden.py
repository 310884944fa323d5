"""The golden vectors of the measurement contract that speak of matching, at the core that decides."""

from __future__ import annotations

from decimal import Decimal
from itertools import permutations

import pytest
from matching_rules import group, order_rule, record, rule, subset, told, tolerant

from reconcile.matching.decide import decide
from reconcile.matching.model import MatchingRule
from reconcile.matching.records import Decision, Record

LEDGER = [record("ledger", f"l{amount}", amount) for amount in (120, 200, 160, 75, 5)]


def decided(of: MatchingRule, records: list[Record]) -> list[Decision]:
    return decide(of, of.keys[0], records)


def test_a_bank_line_is_covered_by_the_only_ledger_lines_that_add_up_to_it() -> None:
    found = told(decided(subset(), [record("bank", "b", 480), *LEDGER]))
    assert found == [("matched", ("b", "l120", "l160", "l200")), ("open", ("l5",)), ("open", ("l75",))]


def test_two_ways_to_add_up_are_a_suggestion_and_never_a_match() -> None:
    more = [record("ledger", "l235", 235), record("ledger", "l245", 245)]
    found = decided(subset(), [record("bank", "b", 480), *LEDGER, *more])
    (tie,) = [one for one in found if one.verdict == "ambiguous"]
    assert tie.options == (("b", "l120", "l160", "l200"), ("b", "l160", "l245", "l75"), ("b", "l235", "l245"))
    assert tie.margin == 0
    assert [fault.code for fault in tie.faults] == ["KEY_AMBIGUOUS"]
    assert not [one for one in found if one.verdict == "matched"]


@pytest.mark.parametrize("method", ["pair", "subset"])
def test_of_two_external_rows_one_meets_the_ledger_row_whatever_the_order(method: str) -> None:
    rows = [record("bank", "x", 100), record("bank", "y", 100), record("ledger", "l", 100)]
    found = {tuple(told(decided(tolerant({}, method), list(order)))) for order in permutations(rows)}
    assert found == {(("matched", ("l", "x")), ("open", ("y",)))}


@pytest.mark.parametrize("method", ["pair", "subset"])
def test_a_credit_and_its_reversal_leave_one_match_and_no_exception(method: str) -> None:
    rows = [record("bank", "a", 250), record("bank", "b", -250, day=1), record("bank", "c", 250, day=2)]
    found = decided(tolerant({}, method), [*rows, record("ledger", "l", 250)])
    assert told(found) == [("matched", ("c", "l")), ("reversed", ("a", "b"))]


def test_the_same_in_a_group_that_is_summed() -> None:
    rows = [record("bank", "a", 250), record("bank", "b", -250, day=1), record("bank", "c", 250, day=2)]
    found = decided(group(), [*rows, record("ledger", "l", 250)])
    assert told(found) == [("matched", ("c", "l")), ("reversed", ("a", "b"))]


def test_over_invoicing_is_a_quantity_exception_and_the_variance_is_quantity_and_price() -> None:
    rows = [
        record("po", "p", 100, 10), record("receipt", "r1", 60, None), record("receipt", "r2", 30, None),
        record("invoice", "i", 95, "10.15"),
    ]  # fmt: skip
    (found,) = decided(order_rule(), rows)
    assert found.verdict == "mismatch"
    assert [(f.code, f.expected, f.actual, f.amount) for f in found.faults] == [
        ("QTY_OVER", "90", "95", Decimal(50))
    ]
    assert (found.expected, found.actual, found.residual) == (900, Decimal("964.25"), Decimal("64.25"))
    assert found.variance == {"quantity": Decimal("50.00"), "price": Decimal("14.25")}
    price = next(gate for gate in found.gates if gate.name == "price")
    assert price.passed
    assert price.difference == Decimal("0.15")


def test_the_same_key_twice_on_both_sides_is_no_difference() -> None:
    rows = [record(leg, f"{leg}{n}", 70) for leg in ("bank", "ledger") for n in (1, 2)]
    assert {one.verdict for one in decided(rule(), rows)} == {"matched"}
    assert {one.verdict for one in decided(group(), rows)} == {"matched"}


def test_a_better_later_pair_is_not_lost_to_the_first_acceptable_one() -> None:
    within_five = tolerant({"abs": 5})
    rows = [
        record("bank", "a", 100),
        record("bank", "b", 104),
        record("ledger", "c", 103),
        record("ledger", "d", 97),
    ]
    assert told(decided(within_five, rows)) == [("matched_tol", ("a", "d")), ("matched_tol", ("b", "c"))]
    margins = [one.margin for one in decided(within_five, rows)]
    assert margins == [None, None]
