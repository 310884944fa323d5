"""Records that no rule can mean as they stand: each is told of by itself, matches nothing, and stops no other."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import pytest
from matching_rules import rule
from matching_world import CASH, complete, day, state

from reconcile.matching.model import Ruling
from reconcile.matching.results import results
from reconcile.matching.run import match
from reconcile.matching.tables import load_tables, not_numbers
from store.client import Store

FIELDS = {"account": "account", "reference": "reference", "amount": "sum", "booked": "booked", "unit": "unit"}
# What stands in a field, and the number that it is.
NUMBERS = {
    "12.50": "12.5", " 7 ": "7", "1e3": "1000", "+7": "7", ".5": "0.5", "999999999999999": "999999999999999",
    "1,234.50": None, "100.00-": None, "1.2.3": None, "-": None, "$5": None, "(12)": None,
    # A number of a pallet or a bank account in the wrong column.
    "340123450000000012": None, "99999999999999999999999999": None, "1e25": None,
}  # fmt: skip
# What stands in a field, and the day in March 2026 that it is where it may mean several, by leg.
DAYS = {
    "2026-03-04": (4, 4), "20260304": (4, 4), "2026-03-04 10:00": (4, 4), "4 Mar 2026": (4, 4), "03/04/2026": (None, 4), "3.4.26": (None, 4),
    "2026": (None, None), "12": (None, None), "4 Mar": (None, None), "46085": (None, None), "soon": (None, None),
}  # fmt: skip


def test_numbers_and_dates_are_read_or_told_of_and_stop_no_other_record(store: Store, tmp_path: Path) -> None:
    (tmp_path / "packs.csv").write_text("from,to\neach,1\npallet,100000000000\n")
    (tmp_path / "accounts.csv").write_text("from,to\n1,1\n9,9\n")
    tables, findings = load_tables(tmp_path)
    assert findings == []
    of = rule(
        legs={
            "bank": {"type": "bank_line", "fields": FIELDS, "date": "booked"},
            "ledger": {"type": "ledger_line", "fields": FIELDS, "date": "booked", "dates": "mdy"},
        },
        normalise={"account": [{"map": "accounts"}]},
        keys=[
            {"fields": ["account", "reference"], "method": "pair"},
            {"fields": ["account"], "method": "pair"},
        ],
        numbers={"amount": {"unit": ["unit"], "factors": "packs"}},
    )
    shared = {"account": "1", "unit": "each", "booked": "2026-03-04"}
    for name, text in enumerate(NUMBERS):
        state(store, "bank_line", f"N{name}", None, 1, **{**shared, "reference": f"N{name}", "sum": text})
    for name, text in enumerate(DAYS):
        for kind, key in (("bank_line", "B"), ("ledger_line", "L")):
            state(
                store,
                kind,
                f"{key}{name}",
                None,
                1,
                **{**shared, "reference": f"{key}{name}", "sum": "3", "booked": text},
            )
    # More than fits, once it is in base units.
    state(
        store,
        "bank_line",
        "P1",
        None,
        1,
        **{**shared, "unit": "pallet", "reference": "P1", "sum": "999999999999"},
    )
    state(store, "bank_line", "U1", None, 1, **{**shared, "unit": "crate", "reference": "U1", "sum": "5"})
    # Nothing stands where the first key looks; a code that no table has is another matter.
    state(store, "bank_line", "K1", None, 1, **{**shared, "account": "9", "reference": "", "sum": "88"})
    state(store, "ledger_line", "K2", None, 1, **{**shared, "account": "9", "reference": "X", "sum": "88"})
    state(store, "bank_line", "K3", None, 1, **{**shared, "account": "8", "reference": "X", "sum": "88"})
    state(store, "bank_line", "K4", None, 1, **{**shared, "account": "", "reference": "", "sum": "88"})
    complete(store, 60)
    match(store, [Ruling(of, tables)], {"cash": CASH}, day(50))

    found = {
        row["record"]: row
        for row in store.rows("SELECT record, day, numbers, problem FROM match_records WHERE pass = 1")
    }
    for name, number in enumerate(NUMBERS.values()):
        row = found[f"N{name}"]
        assert row["numbers"] == [None if number is None else Decimal(number)], (name, row)
        assert row["problem"] == ("TRANSFORM_ERROR" if number is None else "")
    for name, days in enumerate(DAYS.values()):
        for leg, on in zip("BL", days, strict=True):
            row = found[f"{leg}{name}"]
            assert row["problem"] == ("TRANSFORM_ERROR" if on is None else ""), (leg, name)
            assert on is None or row["day"] == day(on - 1).date(), (leg, name)
    rows = {"+".join(row["records"]): row for row in results(store, day(40), day(50))}
    for name, field, text in (
        ("N6", "sum", "1,234.50"),
        ("B4", "booked", "03/04/2026"),
        ("K3", "account", "8"),
        ("U1", "unit", "crate"),
    ):
        told = rows[name]
        assert (told["state"], told["field"], told["field_actual"], told["leg"]) == (
            "UNKNOWN",
            field,
            text,
            "bank",
        ), told
        assert told["field_expected"]
    said = {name: (row["state"], row["code"]) for name, row in rows.items()}
    assert said["P1"] == ("UNKNOWN", "TRANSFORM_ERROR")
    assert said["U1"] == ("UNKNOWN", "UOM_FACTOR")
    assert said["K1+K2"] == ("MATCHED", "")
    assert said["K3"] == said["K4"] == ("UNKNOWN", "KEY_UNMAPPED")


@pytest.mark.parametrize("rate", ["NaN", "Infinity", "1000000000000"])
def test_a_rate_that_nobody_can_mean_is_found(tmp_path: Path, rate: str) -> None:
    (tmp_path / "fx.csv").write_text(f"from,to\nEUR,{rate}\n")
    tables, _ = load_tables(tmp_path)
    (finding,) = not_numbers(tables["fx"])
    assert "number above zero" in finding.message


def test_a_record_without_the_number_it_is_paired_by_is_told_of_whether_or_not_another_is_there(
    store: Store,
) -> None:
    """Sets and the core say the same: it cannot be used, which is not the same as missing."""
    fields = {"account": "account", "amount": "@amount"}
    of = rule(
        legs={
            "bank": {"type": "bank_line", "fields": fields},
            "ledger": {"type": "ledger_line", "fields": fields},
        }
    )
    state(store, "bank_line", "B1", None, 1, account="1")
    state(store, "bank_line", "B2", None, 1, account="2")
    state(store, "ledger_line", "L2", 5, 1, account="2")
    complete(store, 60)
    match(store, [Ruling(of, {})], {"cash": CASH}, day(50))
    said = {"+".join(row["records"]): (row["state"], row["code"]) for row in results(store, day(40), day(50))}
    assert said == {
        "B1": ("UNKNOWN", "TRANSFORM_ERROR"), "B2": ("UNKNOWN", "TRANSFORM_ERROR"), "L2": ("ORPHAN", "ORPHAN"),
    }  # fmt: skip


def test_prices_of_two_currencies_are_compared_and_told_in_one(store: Store, tmp_path: Path) -> None:
    """An order in euro and its invoice in dollar; and one of which only the rate changed between both."""
    (tmp_path / "fx.csv").write_text(
        "from,to,valid_from,valid_until\nEUR,1.10,,2026-03-05\nEUR,1.20,2026-03-05,\n"
    )
    tables, _ = load_tables(tmp_path)
    fields = {"account": "account", "quantity": "quantity", "price": "price", "currency": "@currency"}
    of = rule(
        legs={
            "bank": {"type": "order_line", "fields": fields},
            "ledger": {"type": "invoice_line", "fields": fields},
        },
        keys=[{"fields": ["account"]}],
        numbers={"quantity": {}, "price": {"currency": "currency", "rates": "fx"}},
        compare={
            name: {"field": name, "means": name, "expected": "bank", "actual": "ledger"}
            for name in ("quantity", "price")
        },
    )
    for number, (kind, at, price, currency) in enumerate(
        [
            ("order_line", 1, "2.00", "EUR"),
            ("invoice_line", 2, "2.20", "USD"),
            ("order_line", 1, "2.00", "EUR"),
            ("invoice_line", 8, "2.00", "EUR"),
        ]
    ):
        state(
            store,
            kind,
            f"R{number}",
            None,
            at,
            account=str(number // 2),
            quantity=100,
            price=price,
            currency=currency,
        )
    complete(store, 60)
    match(store, [Ruling(of, tables)], {"cash": CASH}, day(50))
    same, moved = results(store, day(40), day(50))
    assert (same["state"], same["residual"], same["currency"]) == ("MATCHED", 0, "USD")
    assert (moved["state"], moved["code"], moved["currency"]) == ("MISMATCH", "PRICE", "USD")
    assert (moved["residual"], moved["variance"]) == (20, {"fx": Decimal(20)})
