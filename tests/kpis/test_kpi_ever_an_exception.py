"""What was an exception once counts as one for good: of ties between two legs and of matches that were put right since."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from kpi_world import KNOWN, by_key, day, shipped

from kpis.run import EPOCH, compute
from reconcile.matching.model import MatchingRule, Ruling
from reconcile.matching.run import match
from reconcile.run import reconcile
from store.client import Store
from workflows.model import Workflow

ALLOWED = 3
# Of each bank line, of 100 each: the day it came, and what the ledger said from which day on.
STORY: dict[str, tuple[int, dict[int, int]]] = {
    "clean": (1, {2: 100}),
    "corrected": (1, {2: 90, 6: 100}),
    "late": (1, {7: 100}),
    "missing": (1, {}),
    "hasty": (1, {2: 95, 3: 100}),
    "relapsed": (1, {2: 100, 5: 80, 8: 100}),
    "young": (9, {10: 90}),
}
FLOW = Workflow.model_validate(
    {
        "workflow": "cash", "title": "Cash", "item": "bank_line", "sources": ["books"],
        "objects": {"bank_line": {"title": "B"}, "ledger_line": {"title": "L"}},
        "steps": {"booked": {"title": "Booked", "select": [{"name": "booked"}]}},
        "expectations": [{
            "name": "tie", "kind": "tie_out", "title": "T", "item": "bank_line", "owner": "treasury", "after": ["booked"],
            "within": f"{ALLOWED}d", "legs": {"bank": {"step": "booked"}, "ledger": {"links": [{"role": "in", "to": "ledger_line"}]}},
        }],
    }
)  # fmt: skip
RULE = MatchingRule.model_validate(
    {
        "rule": "bank", "title": "Bank and ledger", "workflow": "cash", "owner": "treasury",
        "legs": {
            "bank": {"type": "bank_line", "fields": {"account": "account", "amount": "@amount"}},
            "ledger": {"type": "ledger_line", "fields": {"account": "account", "amount": "@amount"}, "within": f"{ALLOWED}d"},
        },
        "keys": [{"fields": ["account"], "method": "pair"}], "numbers": {"amount": {}},
        "compare": {"amount": {"field": "amount", "means": "amount", "expected": "bank", "actual": "ledger"}},
    }
)  # fmt: skip


def tell(store: Store) -> None:
    events, links, states = [], [], []
    for name, (came, said) in STORY.items():
        bank, ledger = f"B-{name}", f"L-{name}"
        events.append({
            "event_id": bank, "workflow": "cash", "step": "booked", "occurred_at": day(came), "known_at": day(20),
            "objects.type": ["bank_line"], "objects.key": [bank], "objects.role": [""], "amount": 100, "currency": "EUR",
            "outcome": "ok", "attempt": 1, "source": "books",
        })  # fmt: skip
        for kind, key, at, amount in (
            ("bank_line", bank, came, 100),
            *(("ledger_line", ledger, at, amount) for at, amount in said.items()),
        ):
            states.append({
                "system": "books", "object_type": kind, "object_key": key, "fields": {"account": name}, "amount": amount,
                "currency": "EUR", "deleted": False, "valid_from": day(at), "captured_at": day(20), "known_at": day(20),
                "row_hash": f"{at}", "source": "books", "run_id": "",
            })  # fmt: skip
        if said:
            links.append({
                "workflow": "cash", "from_type": "bank_line", "from_key": bank, "to_type": "ledger_line", "to_key": ledger,
                "role": "in", "valid_from": day(min(said)), "known_at": day(20), "source": "books",
            })  # fmt: skip
    mark = {"source": "books", "complete_through": day(30), "heartbeat_at": day(20), "known_at": day(20), "run_id": ""}  # fmt: skip
    store.insert("events", events)
    store.insert("object_links", links)
    store.insert("snapshots", states)
    store.insert("watermarks", [mark])


def differs(name: str, at: float) -> bool | None:
    """Whether the ledger says something else then; None while it says nothing."""
    told = [amount for since, amount in STORY[name][1].items() if since <= at]
    return told[-1] != 100 if told else None


def ever(name: str, rule: str, as_of: int) -> bool:
    """Whether it was wrong at any quarter of a day by then. A tie is looked at when it is due, a match as soon as both are there."""
    due = STORY[name][0] + ALLOWED
    for quarter in range(as_of * 4 + 1):
        at = quarter / 4
        wrong = differs(name, at)
        if at >= due and wrong is not False:
            return True
        if rule == "bank" and wrong:
            return True
    return False


@pytest.mark.slow
def test_what_was_put_right_stays_counted(store: Store) -> None:
    tell(store)
    reconcile(store, [FLOW], KNOWN)
    match(store, [Ruling(RULE, {})], {"cash": FLOW}, KNOWN)
    for as_of in (4, 10):
        figures = {
            kpi: by_key(
                compute(store, shipped()[kpi], "cash", "expectation", day(as_of), KNOWN + timedelta(days=1), EPOCH)
            )
            for kpi in ("K02", "K06")
        }  # fmt: skip
        for rule in ("tie", "bank"):
            due = [name for name, (came, _) in STORY.items() if came + ALLOWED <= as_of]
            bad = [name for name in due if ever(name, rule, as_of)]

            def figure(kpi: str, measure: str, unit: str, rule: str = rule, figures: Any = figures) -> Any:
                return figures[kpi][rule, measure, unit]

            where = (as_of, rule)
            share = len(bad) / len(due)
            assert figure("K02", "rate", "ratio")["value"] == share, where
            assert figure("K02", "expectation_rate", "ratio")["value"] == share, where
            money = figure("K02", "amount", "EUR")
            assert (money["numerator"], money["denominator"]) == (100 * len(bad), 100 * len(due)), where
            assert figure("K02", "value_rate", "ratio")["value"] == share, where
            clean = [name for name in due if name not in bad and differs(name, as_of) is False]
            assert figure("K06", "first_pass", "ratio")["value"] == len(clean) / len(due), where
    # By hand: of six due on the tenth day the ledger agrees with five, of which a tie finds two that always did since it was due.
    told = {rule: [name for name in STORY if name != "young" and ever(name, rule, 10)] for rule in ("tie", "bank")}  # fmt: skip
    assert told == {
        "tie": ["corrected", "late", "missing", "relapsed"],
        "bank": ["corrected", "late", "missing", "hasty", "relapsed"],
    }
    resolved = {
        (row["expectation"], row["item_key"][2:]): (row["detected_at"], row["resolved_at"])
        for row in store.rows(
            "SELECT * FROM exceptions_at(as_of = {as_of:DateTime64(6, 'UTC')}, known_at = {known_at:DateTime64(6, 'UTC')})",
            {"as_of": day(10), "known_at": KNOWN + timedelta(days=1)},
        )
    }
    assert {name: spell for (rule, name), spell in resolved.items() if rule == "tie"} == {
        "corrected": (day(4), day(6)), "late": (day(4), day(7)), "missing": (day(4), None), "relapsed": (day(5), day(8)),
    }  # fmt: skip
    assert {name: spell for (rule, name), spell in resolved.items() if rule == "bank"} == {
        "corrected": (day(2), day(6)), "late": (day(4), day(7)), "missing": (day(4), None), "hasty": (day(2), day(3)),
        "relapsed": (day(5), day(8)), "young": (day(10), None),
    }  # fmt: skip
