"""K07 by cause: what plain Python makes of the records, to the last digit, and all of it summing to the net difference."""

from __future__ import annotations

import random
import sys
from collections import defaultdict
from decimal import Decimal
from pathlib import Path

from kpi_world import shipped

sys.path.append(str(Path(__file__).parents[1] / "reconcile"))

from matching_rules import order_rule, tolerant
from matching_world import CASH, LAST, complete, day, state

from kpis.run import EPOCH, compute
from reconcile.matching.model import Ruling
from reconcile.matching.results import bridge
from reconcile.matching.run import match
from store.client import Store

Causes = dict[tuple[str, str], Decimal]


def told(store: Store, pick: random.Random) -> tuple[Causes, Causes]:
    """Order lines that differ in quantity, price or both, and bank lines in two currencies; net and gross by cause and currency."""
    net: Causes = defaultdict(Decimal)
    gross: Causes = defaultdict(Decimal)

    def differ(code: str, **parts: Decimal) -> None:
        for cause, value in parts.items():
            if value:
                net[cause, code] += value
                gross[cause, code] += abs(value)

    for number in range(25):
        po = {"po": f"{number}"}
        price, billed = (Decimal(pick.choice(["10", "10.15", "9.5", "12.345"])) for _ in range(2))
        received, invoiced = pick.randrange(1, 9), pick.randrange(1, 9)
        state(store, "order_line", f"P{number}", None, 1, quantity=9, price=price, **po)
        state(store, "receipt_line", f"R{number}", None, 1, quantity=received, **po)
        state(store, "invoice_line", f"I{number}", None, 1, quantity=invoiced, price=billed, **po)
        differ("USD", quantity=(invoiced - received) * price, price=invoiced * (billed - price))
    for number in range(25):
        account, code = {"account": f"{number}"}, pick.choice(["USD", "EUR"])
        bank, ledger = (Decimal(pick.choice(["100", "100", "100.01", "97.3"])) for _ in range(2))
        legs = pick.choice([("bank",), ("ledger",), ("bank", "ledger"), ("bank", "ledger")])
        for leg, amount in (("bank", bank), ("ledger", ledger)):
            if leg in legs:
                state(store, f"{leg}_line", f"{leg}{number}", amount, 1, currency=code, **account)
        if len(legs) == 2:
            rest = ledger - bank
            differ(code, **{"rounding" if abs(rest) <= Decimal("0.01") else "unexplained": rest})
        elif legs == ("bank",):
            differ(code, missing=-bank)
        else:
            differ(code, orphan=ledger)
    return net, gross


def test_causes_are_what_the_records_say_and_sum_to_the_difference(store: Store) -> None:
    net, gross = told(store, random.Random(20261121))
    complete(store, 60)
    rules = [order_rule(rule="lines"), tolerant({"abs": "0.05"}, rounding="0.01")]
    match(store, [Ruling(one, {}) for one in rules], {"cash": CASH}, LAST)

    def figures(dimension: str) -> dict[tuple[str, str, str], Decimal]:
        rows = compute(store, shipped()["K07"], "cash", dimension, day(40), LAST, EPOCH)
        assert all(row["segment"] for row in rows)
        return {(row["measure"], row["segment"], row["unit"]): row["numerator"] for row in rows}

    found, whole = figures("cause"), figures("")
    for measure, expected in (("net", net), ("gross", gross)):
        assert {key[1:]: value for key, value in found.items() if key[0] == measure} == expected
    codes = {code for _, code in net}
    assert {"USD", "EUR"} == codes
    for code in codes:
        assert (
            sum(value for key, value in found.items() if key[0] == "net" and key[2] == code)
            == whole["net", "total", code]
        )
        assert (
            sum(value for key, value in found.items() if key[0] == "tolerated" and key[2] == code)
            == whole["tolerated", "total", code]
        )
        # What `tieout match bridge` says of the rules that have it.
        told_by_rules: dict[str, Decimal] = defaultdict(Decimal)
        for row in bridge(store, day(40), LAST):
            for cause, value in row["causes"].items():
                if row["currency"] == code and value:
                    told_by_rules[cause] += value
        assert told_by_rules == {cause: value for (cause, unit), value in net.items() if unit == code}


def test_a_cause_is_held_against_all_money_that_was_due(store: Store) -> None:
    """Of 300 due in three lines, 5 are not explained, one line is missing, and one has no amount."""
    for number, (bank, ledger) in enumerate([(100, 95), (100, None), (100, 100), (None, 10)]):
        state(store, "bank_line", f"B{number}", bank, 1, account=f"{number}")
        if ledger is not None:
            state(store, "ledger_line", f"L{number}", ledger, 1, account=f"{number}")
    complete(store, 60)
    match(store, [Ruling(tolerant({"abs": "0.05"}, method="group"), {})], {"cash": CASH}, LAST)
    rows = compute(store, shipped()["K07"], "cash", "cause", day(40), LAST, EPOCH)
    rates = {
        row["segment"]: (row["value"], row["denominator"]) for row in rows if row["measure"] == "gross_rate"
    }
    assert rates == {"unexplained": (5 / 300, 300), "missing": (100 / 300, 300)}
    unknown = {row["segment"]: row["value"] for row in rows if row["measure"] == "unknown"}
    assert unknown == {"unexplained": 0, "missing": 0, "not_known": 1}
