"""What a rule does not ask for may change: an invoice is paid, a line gets a comment, and what was matched in time stays so."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import pytest
from matching_rules import rule, tolerant
from matching_world import CASH, complete, day, state

from reconcile.matching.explain import explain_match
from reconcile.matching.model import Key, MatchingRule, Ruling
from reconcile.matching.results import results
from reconcile.matching.run import match
from store.client import Store

FIELDS = {"account": "account", "amount": "@amount", "status": "status"}
LEGS = {
    "bank": {"type": "bank_line", "fields": FIELDS, "within": "3d"},
    "ledger": {"type": "ledger_line", "fields": FIELDS, "within": "3d"},
}
WINDOW = {"days": [-3, 5]}
BY_STATUS = Key.model_validate({"fields": ["account", "status"], "method": "pair", "window": WINDOW})


def rules() -> list[MatchingRule]:
    """Decided in sets, by the core, by a second key, and as all records of a key."""
    plain = rule(legs=LEGS, rule="plain", keys=[{"fields": ["account"], "method": "pair", "window": WINDOW}])
    core = tolerant({"abs": 5}, legs=LEGS, rule="core").model_copy(update={"keys": plain.keys})
    second = core.model_copy(update={"rule": "second", "keys": (BY_STATUS, *plain.keys)})
    group = plain.model_copy(
        update={"rule": "whole", "keys": (Key.model_validate({"fields": ["account"], "window": WINDOW}),)}
    )
    return [plain, core, second, group]


@pytest.mark.slow
def test_a_match_in_time_stays_one_when_other_fields_change(store: Store) -> None:
    def said(as_of: float, name: str) -> dict[str, tuple[str, str, datetime | None]]:
        rows = results(store, day(as_of), day(79), rule=name)
        return {"+".join(row["records"]): (row["state"], row["code"], row["detected_at"]) for row in rows}

    for number, booked in enumerate((100, 98), start=1):
        shared: dict[str, Any] = {"account": str(number), "status": "posted"}
        state(store, "bank_line", f"B{number}", 100, 1, **{**shared, "status": "booked"})
        state(store, "ledger_line", f"L{number}", booked, 2, **shared)
        state(store, "ledger_line", f"L{number}", booked, 20, **{**shared, "status": "paid"})
    # One that comes to agree only then is late, and one that was there all the time but agreed no more is no match.
    state(store, "bank_line", "B3", 100, 1, account="3", status="booked")
    state(store, "ledger_line", "L3", 70, 2, account="3", status="posted")
    state(store, "ledger_line", "L3", 100, 20, account="3", status="posted")
    complete(store, 60)
    rulings = {of.rule: Ruling(of, {}) for of in rules()}
    match(store, rulings.values(), {"cash": CASH}, day(80))
    for name in rulings:
        then, now = said(15, name), said(30, name)
        assert then["B1+L1"] == now["B1+L1"] == ("MATCHED", "", None), name
        if name in ("core", "second"):
            assert then["B2+L2"] == now["B2+L2"] == ("MATCHED_TOL", "", None), name
        assert now["B3+L3"] in [("MATCHED", "LATE", day(4)), ("MATCHED", "AMOUNT", day(2))], name
        stories = explain_match(store, {name: rulings[name]}, "L1", day(30), day(79), day(80))
        assert [story.verdict for story in stories] == ["matched"], name
