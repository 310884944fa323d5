"""The difference of two legs explained by cause, nothing left over and nothing left out."""

from __future__ import annotations

from decimal import Decimal

from matching_rules import tolerant
from matching_world import CASH, complete, day, state

from reconcile.matching.model import Ruling
from reconcile.matching.results import bridge
from reconcile.matching.run import match
from store.client import Store

FIELDS = {"account": "account", "amount": "@amount"}


def test_causes_sum_to_all_of_one_leg_less_all_of_the_other(store: Store) -> None:
    of = tolerant(
        {"abs": 5},
        rounding="0.05",
        legs={
            "bank": {"type": "bank_line", "fields": FIELDS, "within": "2d", "sources": ["bank"]},
            "ledger": {"type": "ledger_line", "fields": FIELDS, "within": "2d", "sources": ["ledger"]},
        },
    )
    # Account, day, what the bank says and what the ledger says; one of two that are equal is a tie of the two.
    for account, at, banked, booked in (
        ("exact", 1, ["100"], ["100"]), ("cent", 1, ["10.02"], ["10"]), ("accepted", 1, ["50"], ["47"]), ("differs", 1, ["80"], ["20"]),
        ("missing", 2, ["7"], []), ("orphan", 2, [], ["9"]), ("not proven", 11, [], ["33"]), ("not due", 19, ["13"], []),
        ("reversed", 3, [], ["500", "-500"]), ("tie", 3, ["40"], ["41", "39"]),
    ):  # fmt: skip
        for kind, amounts in (("bank_line", banked), ("ledger_line", booked)):
            for number, amount in enumerate(amounts):
                state(store, kind, f"{kind[0]} {account} {number}", amount, at, account=account)
    state(store, "ledger_line", "euro", 60, 1, account="euro", currency="EUR")
    complete(store, 10, source="bank")
    complete(store, 60, source="ledger")
    match(store, [Ruling(of, {})], {"cash": CASH}, day(50))

    euro, dollar = bridge(store, day(20), day(50))
    assert (euro["currency"], euro["net"], euro["causes"]) == ("EUR", 60, {"orphan": 60})
    assert dollar["causes"] == {
        "rounding": Decimal("-0.02"), "unexplained": -63, "missing": -7, "orphan": 9, "not_proven": 33, "not_due": -13,
    }  # fmt: skip
    totals = store.one(
        "SELECT sumIf(amount, object_type = 'ledger_line') - sumIf(amount, object_type = 'bank_line') AS net FROM snapshots "
        "WHERE currency = 'USD' AND fields['account'] != 'tie'"
    )
    assert dollar["net"] == sum(dollar["causes"].values()) == totals["net"]
    assert (dollar["gross"], dollar["differing"], dollar["unknown"]) == (Decimal("125.02"), 7, 3)
    # A period: what was due in it.
    (later,) = bridge(store, day(20), day(50), due_after=day(5))
    assert later["causes"] == {"not_proven": 33, "not_due": -13}
    assert bridge(store, day(20), day(50), rule="other") == []
