"""The golden vectors of the measurement contract that speak of matching, at the core that decides."""

from __future__ import annotations

from decimal import Decimal
from itertools import permutations

import pytest
from matching_rules import group, order_rule, record, rule, subset, told, tolerant

from reconcile.matching.compare import allowed
from reconcile.matching.decide import decide
from reconcile.matching.model import Limit, MatchingRule
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


def test_sums_of_one_key_hide_no_rows_that_differ() -> None:
    """100 and 200 are not 150 and 150, in one key or not; copies within tolerance are."""

    def rows(*ledger: str) -> list[Record]:
        banked = [record("bank", f"b{n}", amount) for n, amount in enumerate((100, 200))]
        return [*banked, *(record("ledger", f"l{n}", amount) for n, amount in enumerate(ledger))]

    (found,) = decided(group(), rows("150", "150"))
    assert (found.verdict, [(one.code, one.leg) for one in found.faults]) == (
        "duplicate",
        [("DUP_SUSPECT", "bank"), ("DUP_SUSPECT", "ledger")],
    )
    assert [one.verdict for one in decided(group(), rows("200", "100"))] == ["matched"]
    near = tolerant({"abs": 1}, "group")
    assert [one.verdict for one in decided(near, rows("200.5", "99.6"))] == ["matched_tol"]
    (more,) = decided(near, rows("250", "100"))
    assert [(one.code, one.amount) for one in more.faults] == [("AMOUNT", Decimal(50))]


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


@pytest.mark.parametrize(
    ("limit", "expected", "most"),
    [
        ({"abs": 5, "pct": 1}, 100, "5"),
        ({"abs": 5, "pct": 10}, 100, "10"),
        ({"pct": 10, "cap": 8}, 100, "8"),
        ({"pct": 10}, -100, "10"),
        ({"abs": 1, "tiers": [{"above": 1000, "pct": 2}, {"above": 100, "abs": 3}]}, 99, "1"),
        ({"abs": 1, "tiers": [{"above": 1000, "pct": 2}, {"above": 100, "abs": 3}]}, 100, "3"),
        ({"abs": 1, "tiers": [{"above": 1000, "pct": 2}, {"above": 100, "abs": 3}], "cap": 30}, 2000, "30"),
    ],
)
def test_a_limit_is_the_larger_of_both_by_tier_and_at_most_the_cap(
    limit: dict[str, object], expected: int, most: str
) -> None:
    assert allowed(Limit.model_validate(limit), Decimal(expected)) == Decimal(most)


def test_limits_are_signed() -> None:
    amount = {
        "field": "amount",
        "means": "amount",
        "expected": "bank",
        "actual": "ledger",
        "over": {"abs": 2},
        "under": {"any": True},
    }
    of = rule(compare={"amount": amount})
    verdicts = [
        decided(of, [record("bank", "b", 100), record("ledger", "l", n)])[0].verdict for n in (103, 102, 1)
    ]
    assert verdicts == ["mismatch", "matched_tol", "matched_tol"]


def test_money_of_two_currencies_is_never_added_or_compared() -> None:
    rows = [record("bank", "b", 100), record("ledger", "l", 100, currency="EUR")]
    assert told(decided(tolerant({"abs": 1000}, "subset"), rows)) == [("open", ("b",)), ("open", ("l",))]
    (found,) = decided(group(), rows)
    assert (found.verdict, found.residual, [f.code for f in found.faults]) == ("mismatch", None, ["FX_RATE"])


def test_a_search_that_does_not_come_to_its_end_only_suggests() -> None:
    amounts = [3 ** (n % 7) * 100 + n for n in range(24)]
    rows = [record("ledger", f"l{n:02}", amount) for n, amount in enumerate(amounts)]
    of = subset(budget={"max_nodes": 300})
    found = decided(of, [record("bank", "b", sum(amounts[3:9])), *rows])
    assert {one.verdict for one in found} <= {"open", "ambiguous"}
    assert all("the search ended after 300 steps" in one.nearest for one in found)
    few = decided(subset(budget={"max_items": 5}), [record("bank", "b", sum(amounts[3:9])), *rows])
    assert all("more than the 5 that are searched together" in one.nearest for one in few)


def test_every_code_that_a_decision_can_have_may_be_given_an_owner() -> None:
    codes = {
        "MISSING", "ORPHAN", "QTY_OVER", "QTY_UNDER", "PRICE", "AMOUNT", "PARTIAL_OPEN", "FIELD_DRIFT", "FX_RATE", "DATE_WINDOW",
        "KEY_AMBIGUOUS", "KEY_UNMAPPED", "UOM_FACTOR", "TRANSFORM_ERROR", "DUP_SUSPECT", "REVERSAL_UNPAIRED",
    }  # fmt: skip
    of = rule(owners={code: f"team of {code}" for code in codes})
    assert {of.owner_of(code) for code in codes} == {f"team of {code}" for code in codes}
    assert of.owner_of("UNEXPLAINED") == "treasury"


def test_tax_and_rounding_are_causes_of_their_own() -> None:
    of = tolerant(
        {"abs": 100},
        legs={
            leg: {"type": f"{leg}_line", "fields": {"account": "a", "amount": "@amount", "tax": "tax"}}
            for leg in ("bank", "ledger")
        },
        numbers={"amount": {}, "tax": {}},
        tax_freight=["tax"],
        rounding="0.05",
    )
    (found,) = decided(of, [record("bank", "b", 100, 0), record("ledger", "l", "108.03", 8)])
    assert found.variance == {"tax_freight": Decimal(8), "rounding": Decimal("0.03")}
    (found,) = decided(of, [record("bank", "b", 100, 0), record("ledger", "l", "109", 8)])
    assert found.variance == {"tax_freight": Decimal(8), "unexplained": Decimal(1)}


def test_a_record_and_the_one_it_takes_back_leave_both_sides() -> None:
    rows = [
        record("ledger", "l1", 250),
        record("ledger", "l2", -250, original="l1"),
        record("ledger", "l3", 250),
    ]
    of = rule(reversals={"self_cancelling": False})
    assert told(decided(of, [*rows, record("bank", "b", 250)])) == [
        ("matched", ("b", "l3")),
        ("reversed", ("l1", "l2")),
    ]
    unknown = record("ledger", "l4", -9, original="l9")
    (alone,) = decided(of, [unknown])
    assert [fault.code for fault in alone.faults] == ["REVERSAL_UNPAIRED"]
    # Without a reference nothing cancels here; with it, only the amount it is about.
    (kept,) = [one for one in decided(of, [record("bank", "b", -250), rows[0]]) if one.verdict != "open"]
    assert kept.verdict == "mismatch"


@pytest.mark.parametrize("original", ["", "i1"])
def test_as_many_at_another_price_take_nothing_back(original: str) -> None:
    lines = [record("po", "p1", 10, 5), record("receipt", "r1", 10, None), record("invoice", "i1", 10, 5)]
    credit = record("invoice", "i2", -10, 7, original=original)
    (found,) = decided(order_rule(), [*lines, credit])
    assert (found.verdict, len(found.records)) == ("partial", 4)
    assert told(decided(order_rule(), [*lines, record("invoice", "i2", -10, 5, original=original)]))[1] == (
        "reversed",
        ("i1", "i2"),
    )


def test_a_credit_that_both_sides_have_is_matched_and_not_cancelled() -> None:
    rows = [record(leg, f"{leg}{amount}", amount) for leg in ("bank", "ledger") for amount in (250, -250)]
    assert told(decided(rule(), rows)) == [
        ("matched", ("bank-250", "ledger-250")),
        ("matched", ("bank250", "ledger250")),
    ]


def test_each_of_several_comparisons_carries_the_money_of_its_own_difference() -> None:
    fields = {"account": "account", "amount": "@amount"}
    legs = {name: {"type": "bank_line", "fields": fields} for name in ("bank", "advice", "ledger")}
    amount = {"field": "amount", "means": "amount"}
    compare = {
        "advised": {**amount, "expected": "bank", "actual": "advice"},
        "booked": {**amount, "expected": "advice", "actual": "ledger"},
    }
    of = rule(legs=legs, keys=[{"fields": ["account"]}], compare=compare)
    (found,) = decided(of, [record("bank", "b", 900), record("advice", "a", 900), record("ledger", "l", 650)])
    assert (found.verdict, found.residual) == ("mismatch", 0)
    assert [(one.field, one.amount) for one in found.faults] == [("booked", 250)]


def test_a_quantity_that_is_short_is_worth_the_price_that_was_expected() -> None:
    records = [
        record("po", "p", 6, "85.50"), record("receipt", "r", 6, None), record("invoice", "i", 4, "85.50"),
    ]  # fmt: skip
    (found,) = decided(order_rule(), records)
    assert found.verdict == "partial"
    assert [(one.code, one.amount) for one in found.faults] == [("QTY_UNDER", Decimal(171))]


def test_who_clears_it_follows_from_the_code_then_from_the_leg_then_from_the_rule() -> None:
    legs = {
        "bank": {"type": "bank_line", "fields": {"account": "account", "amount": "@amount"}},
        "ledger": {
            "type": "ledger_line", "fields": {"account": "account", "amount": "@amount"}, "owner": "books",
        },
    }  # fmt: skip
    of = rule(legs=legs, owners={"AMOUNT": "audit"})
    assert of.owner_of("AMOUNT", "ledger") == "audit"
    assert of.owner_of_absence("ledger") == "books"
    assert of.owner_of_absence("bank") == of.owner_of("FX_RATE") == "treasury"
