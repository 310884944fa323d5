"""In which currency money is that names none, on every way that decides: set by set, key by key, and when it explains."""

from __future__ import annotations

from itertools import product
from typing import Any

import pytest
from matching_rules import order_rule, rule
from matching_world import CASH, LAST, complete, day, state

from reconcile.matching import run as job
from reconcile.matching.explain import explain_match
from reconcile.matching.model import MatchingRule, Ruling
from reconcile.matching.results import results
from store.client import Store

CODES = ("", "USD", "EUR")
PAIRS = list(product(CODES, CODES))
NAMED: dict[str, Any] = {
    "legs": {
        leg: {
            "type": f"{leg}_line",
            "fields": {"account": "account", "amount": "@amount", "currency": "@currency"},
        }
        for leg in ("bank", "ledger")
    },
    "numbers": {"amount": {"currency": "currency"}},
}


def decided(store: Store, of: MatchingRule) -> dict[str, list[tuple[str, str]]]:
    """State and code by account, and the same from the core, which explains."""
    ruling = Ruling(of, {})
    job.match(store, [ruling], {"cash": CASH}, LAST)
    found: dict[str, list[tuple[str, str]]] = {}
    for row in results(store, day(40), LAST):
        account = row["records"][0].partition(".")[2]
        found.setdefault(account, []).append((row["state"], row["code"]))
        for key in row["records"]:
            (story,) = explain_match(store, {"bank": ruling}, key, day(40), LAST, LAST)
            verdict = {"MATCHED": "matched", "MISMATCH": "mismatch", "UNKNOWN": "unusable"}.get(
                row["state"], "open"
            )
            assert story.verdict == verdict, key
    return {account: sorted(said) for account, said in found.items()}


@pytest.mark.parametrize(
    "method",
    [pytest.param("pair", marks=pytest.mark.slow), "group", pytest.param("subset", marks=pytest.mark.slow)],
)
@pytest.mark.parametrize("names", [False, True])
def test_money_that_names_no_currency_is_never_cleared_against_another(
    store: Store, method: str, names: bool
) -> None:
    """Once as a whole, which looks for plain keys first, and once as news, record by record."""
    complete(store, 60)
    expected: dict[str, list[tuple[str, str]]] = {}
    for number, (bank, ledger) in enumerate(PAIRS):
        for way, known in (("whole", 0), ("news", 5)):
            account = f"{way}{number}"
            state(store, "bank_line", f"B.{account}", 10, 1, known, account=account, currency=bank)
            state(store, "ledger_line", f"L.{account}", 10, 1, known * 2, account=account, currency=ledger)
            apart = (
                [("MISMATCH", "FX_RATE")]
                if method != "subset"
                else [("MISSING", "MISSING"), ("ORPHAN", "ORPHAN")]
            )
            is_one = (bank or "USD") == (ledger or "USD")
            expected[account] = [("MATCHED", "")] if is_one else apart
            if names and "" in (bank, ledger):
                alone = [("ORPHAN", "ORPHAN") if ledger else ("MISSING", "MISSING")] if bank or ledger else []
                expected[account] = sorted([*alone, *[("UNKNOWN", "FX_RATE")] * (bank, ledger).count("")])
    of = rule(keys=[{"fields": ["account"], "method": method}], **(NAMED if names else {}))
    job.match(store, [Ruling(of, {})], {"cash": CASH}, day(3))
    job.match(store, [Ruling(of, {})], {"cash": CASH}, day(7))
    assert decided(store, of) == expected


@pytest.mark.parametrize("whole", [pytest.param(True, marks=pytest.mark.slow), False])
def test_records_without_money_are_in_no_currency(
    store: Store, whole: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A receipt says no price: what its system calls its currency, if anything, does not matter, also on the quick way."""
    monkeypatch.setattr(job, "MANY_FACTS", 1 if whole else 10**9)
    for number, code in enumerate(CODES):
        po = {"po": f"{number}"}
        state(store, "order_line", f"P.{number}", None, 1, currency="EUR", quantity=5, price=2, **po)
        state(store, "receipt_line", f"R.{number}", None, 1, currency=code, quantity=5, **po)
        state(store, "invoice_line", f"I.{number}", None, 1, currency="", quantity=5, price=2, **po)
    complete(store, 60)
    for currency, said in (("EUR", [("MATCHED", "")]), ("USD", [("MISMATCH", "FX_RATE")])):
        of = order_rule(currency=currency)
        assert decided(store, of) == {f"{number}": said for number in range(3)}
        rows = store.rows(
            "SELECT DISTINCT currency FROM matches WHERE version = {v:String} AND verdict = 'matched'",
            {"v": Ruling(of, {}).version},
        )
        assert rows == [{"currency": "EUR"}] * (currency == "EUR")


@pytest.mark.parametrize(
    "method",
    [pytest.param("pair", marks=pytest.mark.slow), "group", pytest.param("subset", marks=pytest.mark.slow)],
)
def test_a_rule_that_compares_no_money_asks_for_no_currency(store: Store, method: str) -> None:
    for number, (bank, ledger) in enumerate(PAIRS):
        for kind, code in (("bank", bank), ("ledger", ledger)):
            state(
                store, f"{kind}_line", f"{kind}.{number}", None, 1, account=number, quantity=3, currency=code
            )
    complete(store, 60)
    fields = {"account": "account", "quantity": "quantity"}
    of = rule(
        keys=[{"fields": ["account"], "method": method}],
        legs={leg: {"type": f"{leg}_line", "fields": fields} for leg in ("bank", "ledger")},
        numbers={"quantity": {}},
        compare={
            "quantity": {"field": "quantity", "means": "quantity", "expected": "bank", "actual": "ledger"}
        },
    )
    assert decided(store, of) == {f"{number}": [("MATCHED", "")] for number in range(len(PAIRS))}
