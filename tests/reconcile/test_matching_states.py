"""What the views say of decisions: states by due time and watermark, exceptions that begin and end, units and rates."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from desks import desk_of, do
from matching_rules import order_rule, rule, tolerant
from matching_world import AT, CASH, LAST, complete, day, state

from reconcile.causes import Hop, by_hop
from reconcile.explain import explain, find
from reconcile.items import with_items
from reconcile.matching.backtest import backtest
from reconcile.matching.explain import explain_match
from reconcile.matching.model import MatchingRule, Ruling
from reconcile.matching.results import bridge, headers, results
from reconcile.matching.run import match
from reconcile.matching.tables import Table, load_tables
from store.client import Store
from workflows.model import Workflow

pytestmark = pytest.mark.slow

FLOWS = {"cash": CASH}
WITHIN = {
    "bank": {"type": "bank_line", "fields": {"account": "account", "amount": "@amount"}, "within": "3d"},
    "ledger": {"type": "ledger_line", "fields": {"account": "account", "amount": "@amount"}, "within": "3d"},
}


def run(store: Store, of: MatchingRule, tables: dict[str, Table] | None = None, now: float = 80) -> Ruling:
    ruling = Ruling(of, tables or {})
    match(store, [ruling], FLOWS, day(now))
    return ruling


def said(store: Store, as_of: float, known_at: float = 79, **more: Any) -> list[tuple[Any, ...]]:
    return [
        ("+".join(row["records"]), row["state"], row["code"])
        for row in results(store, day(as_of), day(known_at), **more)
    ]


def exceptions(store: Store, as_of: float, known_at: float = 79) -> list[dict[str, Any]]:
    return store.rows(
        f"SELECT * FROM exceptions_at({AT}) ORDER BY item_key, detected_at, code",
        {"as_of": day(as_of), "known_at": day(known_at)},
    )


def test_nothing_is_missing_before_it_is_due_and_its_source_is_complete(store: Store) -> None:
    state(store, "bank_line", "B1", 100, 0, account="1")
    state(store, "ledger_line", "L2", 7, 0, account="2")
    complete(store, 2, known=2)
    complete(store, 30, known=40)
    run(store, rule(legs=WITHIN))
    assert said(store, 2.5, 39) == [("B1", "NOT_DUE", "MISSING"), ("L2", "NOT_DUE", "ORPHAN")]
    assert said(store, 5, 39) == [("B1", "UNKNOWN", "MISSING"), ("L2", "UNKNOWN", "ORPHAN")]
    assert said(store, 5, 41) == [("B1", "MISSING", "MISSING"), ("L2", "ORPHAN", "ORPHAN")]
    assert exceptions(store, 5, 39) == []
    missing, orphan = exceptions(store, 10, 41)
    assert (missing["detected_at"], missing["amount"], missing["age_days"]) == (day(3), 100, 7)
    assert (missing["expected"], missing["actual"], missing["residual"]) == (100, 0, -100)
    assert (orphan["expected"], orphan["actual"], orphan["amount"]) == (0, 7, 7)


def test_evidence_that_comes_late_ends_the_exception_in_later_views_only(store: Store) -> None:
    state(store, "bank_line", "B1", 100, 0, account="1")
    state(store, "ledger_line", "L1", 100, 6, known=20, account="1")
    complete(store, 60, known=10)
    run(store, rule(legs=WITHIN))
    assert said(store, 30, 15) == [("B1", "MISSING", "MISSING")]
    assert said(store, 5, 25) == [("B1", "MISSING", "MISSING")]
    assert said(store, 30, 25) == [("B1+L1", "MATCHED", "LATE")]
    open_then, late = exceptions(store, 30, 15)[0], exceptions(store, 30, 25)[0]
    assert (open_then["status"], late["status"]) == ("open", "resolved")
    assert (late["detected_at"], late["resolved_at"]) == (day(3), day(6))
    assert open_then["exception_id"] == late["exception_id"]


def test_an_exception_keeps_its_beginning_while_other_evidence_comes_and_shows_its_end(store: Store) -> None:
    state(store, "bank_line", "B1", 100, 0, account="1")
    state(store, "ledger_line", "L1", 90, 2, account="1")
    state(store, "ledger_line", "L1", 95, 8, account="1")
    state(store, "ledger_line", "L1", 100, 12, account="1")
    ruling = run(store, rule(legs=WITHIN))
    assert said(store, 9) == [("B1+L1", "MISMATCH", "AMOUNT")]
    (wrong,) = exceptions(store, 9)
    assert (wrong["detected_at"], wrong["amount"]) == (day(2), 5)
    assert find(store, wrong["exception_id"])[0]["object_key"] == "B1"
    do(desk_of(store, day(9)), "acknowledged", wrong["exception_id"], "ana", day(9), until=day(90))
    assert [row["status"] for row in exceptions(store, 9.5)] == ["acknowledged"]
    mended = exceptions(store, 20)
    assert [(row["code"], row["resolved_at"], row["status"]) for row in mended] == [
        ("AMOUNT", day(12), "resolved"),
        ("LATE", day(12), "resolved"),
    ]
    assert said(store, 20, ended=False) == []
    told = explain(store, FLOWS, "cash", "bank_line", "B1", day(9), LAST)
    assert told.findings[0].sentence == "bank 100.00 USD, ledger 95.00 USD: 5.00 USD less."
    (story,) = explain_match(store, {"bank": ruling}, "L1", day(9), LAST, day(80))
    assert story.would_match == ["amount differs by 5, 0 is allowed"]
    assert story.verdict == "mismatch"


def test_an_order_line_is_in_flight_then_partial_and_each_broken_expectation_is_an_exception(
    store: Store,
) -> None:
    legs = order_rule().legs
    of = order_rule(
        legs={name: {**leg.model_dump(exclude_defaults=True), "within": "10d"} for name, leg in legs.items()},
        compare={
            "quantity": {"field": "quantity", "means": "quantity", "expected": "po", "actual": "receipt"},
            "billed": {"field": "quantity", "means": "quantity", "expected": "receipt", "actual": "invoice"},
            "price": {"field": "price", "means": "price", "expected": "po", "actual": "invoice", "over": {"pct": 2}},
        },
        owners={"PRICE": "contracts"},
    )  # fmt: skip
    state(store, "order_line", "P1", None, 0, po="1", quantity=100, price=10)
    state(store, "receipt_line", "R1", None, 2, po="1", quantity=60)
    state(store, "invoice_line", "I1", None, 20, po="1", quantity=70, price=11)
    complete(store, 60)
    run(store, of)
    assert said(store, 5) == [("P1+R1", "IN_FLIGHT", "QTY_UNDER"), ("P1+R1", "IN_FLIGHT", "MISSING")]
    assert said(store, 15) == [("P1+R1", "PARTIAL", "QTY_UNDER"), ("P1+R1", "MISSING", "MISSING")]
    broken = results(store, day(25), LAST)
    assert [
        (row["code"], row["field"], row["owner"], row["field_expected"], row["field_actual"])
        for row in broken
    ] == [
        ("QTY_UNDER", "quantity", "treasury", "100", "60"),
        ("PRICE", "price", "contracts", "10", "11"),
        ("QTY_OVER", "billed", "treasury", "60", "70"),
    ]
    assert sum(Decimal(v) for v in broken[0]["variance"].values()) == broken[0]["residual"]
    counted = store.rows(f"SELECT due, state FROM verdicts_at({AT})", {"as_of": day(25), "known_at": LAST})
    assert sorted(row["due"] for row in counted) == [0, 0, 1]


def test_units_and_currencies_are_converted_on_the_day_and_what_cannot_be_is_never_matched(
    store: Store, tmp_path: Path
) -> None:
    (tmp_path / "fx.csv").write_text(
        "from,to,valid_from,valid_until\nEUR,1.10,2026-01-01,2026-03-05\nEUR,1.20,2026-03-05,\n"
    )
    (tmp_path / "accounts.csv").write_text("from,to\nA1,1\nA2,2\nA3,3\n")
    tables, findings = load_tables(tmp_path)
    assert findings == []
    fields = {"account": "account", "amount": "@amount", "currency": "@currency"}
    of = tolerant(
        {"abs": 25},
        legs={
            "bank": {"type": "bank_line", "fields": fields},
            "ledger": {"type": "ledger_line", "fields": fields},
        },
        numbers={"amount": {"currency": "currency", "rates": "fx"}},
        normalise={"account": ["trim", "upper", {"map": "accounts"}]},
    )
    state(store, "bank_line", "B1", 100, 1, account="a1 ", currency="EUR")
    state(store, "ledger_line", "L1", 100, 6, account="A1", currency="EUR")
    state(store, "bank_line", "B2", 100, 1, account="A2", currency="CHF")
    state(store, "ledger_line", "L2", 100, 1, account="A2", currency="CHF")
    state(store, "bank_line", "B3", 100, 1, account="A9", currency="USD")
    state(store, "bank_line", "B4", 100, 1, account="", currency="USD")
    complete(store, 60)
    run(store, of, tables)
    rows = {"+".join(row["records"]): row for row in results(store, day(30), LAST)}
    assert {name: (row["state"], row["code"]) for name, row in rows.items()} == {
        "B1+L1": ("MATCHED_TOL", "LATE"),
        "B2": ("UNKNOWN", "FX_RATE"),
        "L2": ("UNKNOWN", "FX_RATE"),
        "B3": ("UNKNOWN", "KEY_UNMAPPED"),
        "B4": ("UNKNOWN", "KEY_UNMAPPED"),
    }
    # Nothing but the rate changed: 100 EUR were 110 USD and became 120.
    assert rows["B1+L1"]["residual"] == 10
    assert rows["B1+L1"]["variance"] == {"fx": Decimal(10)}


def test_the_same_key_twice_in_a_leg_that_has_one_is_suspected_and_not_summed(store: Store) -> None:
    state(store, "bank_line", "B1", 100, 0, account="1")
    state(store, "ledger_line", "L1", 100, 0, account="1")
    state(store, "ledger_line", "L2", 100, 1, account="1")
    run(store, rule(keys=[{"fields": ["account"]}]))
    assert said(store, 0.5) == [("B1+L1", "MATCHED", "")]
    assert said(store, 5)[0] == ("B1+L1+L2", "DUP_SUSPECT", "DUP_SUSPECT")


def test_another_version_is_tried_without_deciding_then_decides_from_then_on(store: Store) -> None:
    for number, amount in enumerate((100, 101, 130), start=1):
        state(store, "bank_line", f"B{number}", 100, 0, account=str(number))
        state(store, "ledger_line", f"L{number}", amount, 0, account=str(number))
    complete(store, 60)
    first = run(store, rule(), now=10)
    wider = Ruling(tolerant({"abs": 2}), {})
    tried = backtest(store, wider, FLOWS, day(5), day(19), day(20))
    assert (tried.active, tried.tried) == (first.version, wider.version)
    assert [(row["state_before"], row["state_after"], row["records"]) for row in tried.changes] == [
        ("MISMATCH", "MATCHED_TOL", 1),
        ("MISMATCH", "MATCHED_TOL", 1),
    ]
    assert (tried.before[0]["matched"], tried.after[0]["matched"]) == (1, 2)
    assert (tried.before[0]["accepted_variance"], tried.after[0]["accepted_variance"]) == (0, 1)
    states = [("B1+L1", "MATCHED", ""), ("B2+L2", "MISMATCH", "AMOUNT"), ("B3+L3", "MISMATCH", "AMOUNT")]
    assert said(store, 5, 25) == states
    match(store, [wider], FLOWS, day(30))
    assert said(store, 5, 25) == states
    assert said(store, 5, 31)[1] == ("B2+L2", "MATCHED_TOL", "")


def test_a_record_that_waits_is_told_what_nearly_had_its_key(store: Store) -> None:
    fields = {"supplier": "supplier", "number": "number", "amount": "@amount"}
    of = rule(
        legs={
            "bank": {"type": "bank_line", "fields": fields},
            "ledger": {"type": "ledger_line", "fields": fields},
        },
        keys=[{"fields": ["supplier", "number"], "method": "pair"}],
    )
    state(store, "bank_line", "B1", 80, 0, supplier="S1", number="10023")
    state(store, "ledger_line", "L1", 80, 0, supplier="S1", number="10032")
    ruling = run(store, of)
    (story,) = explain_match(store, {"bank": ruling}, "B1", day(5), LAST, day(80))
    assert story.headline == "B1 waits for ledger, by supplier, number."
    (near,) = story.candidates
    assert (near["record"], near["would_match"]) == ("L1", "if number '10023' were '10032'")


def test_events_are_a_leg_and_lines_roll_up_to_their_header(store: Store) -> None:
    of = rule(
        legs={
            "bank": {"type": "bank_line", "fields": {"order": "order", "line": "line", "amount": "@amount"}},
            "paid": {
                "step": "paid",
                "fields": {"order": "@object:bank_line", "line": "line", "amount": "@amount"},
                "many": True,
            },
        },
        keys=[{"fields": ["order", "line"]}],
        header=["order"],
        compare={"amount": {"field": "amount", "means": "amount", "expected": "bank", "actual": "paid"}},
    )
    for line, amount in (("1", 100), ("2", 50), ("3", 7)):
        state(store, "bank_line", f"B{line}", amount, 0, order="O" if line != "3" else "Q", line=line)
    store.insert("events", [
        {
            "event_id": f"E{number}", "workflow": "cash", "step": "paid", "occurred_at": day(0), "known_at": day(0),
            "objects.type": ["bank_line"], "objects.key": [order], "objects.role": [""], "amount": amount, "currency": "USD",
            "outcome": outcome, "attempt": 1, "attributes": {"line": line}, "source": "books",
        }
        for number, (order, line, amount, outcome) in enumerate(
            [("O", "1", 60, "ok"), ("O", "1", 40, "ok"), ("O", "2", 51, "ok"), ("O", "2", 9, "failed"), ("Q", "3", 7, "ok")]
        )
    ])  # fmt: skip
    run(store, of)
    assert said(store, 5) == [
        ("B1+E0+E1", "MATCHED", ""),
        ("B2+E2", "MISMATCH", "AMOUNT"),
        ("B3+E4", "MATCHED", ""),
    ]
    rolled = headers(store, day(5), LAST)
    assert [
        (row["header"], row["state"], row["items"], row["matched"], row["residual"]) for row in rolled
    ] == [
        ("O", "MISMATCH", 2, 1, 1),
        ("Q", "MATCHED", 1, 1, 0),
    ]
    # An event is called by its step and what it is about, where it stands in a list.
    listed = with_items(
        store, CASH, [{"item_type": "", "item_key": "E4"}, {"item_type": "bank_line", "item_key": "B1"}, {"item_type": "", "item_key": "E?"}]
    )  # fmt: skip
    assert [row["item"] for row in listed] == ["Paid: Q", "B1", "E?"]
    (whole,) = bridge(store, day(5), LAST)
    assert (whole["net"], whole["gross"], whole["causes"]) == (1, 1, {"unexplained": Decimal(1)})


def test_an_event_that_is_not_booked_has_the_hop_that_failed_in_its_trace(store: Store) -> None:
    """The item of such an exception is the event itself."""
    of = rule(
        legs={
            "bank": {
                "step": "paid",
                "fields": {"account": "@object:bank_line", "amount": "@amount"},
                "within": "3d",
            },
            "ledger": WITHIN["ledger"],
        }
    )
    store.insert("events", [
        {
            "event_id": "E1", "workflow": "cash", "step": "paid", "occurred_at": day(0), "known_at": day(0), "objects.type": ["bank_line"],
            "objects.key": ["1"], "objects.role": [""], "amount": 5, "currency": "USD", "outcome": "ok", "attempt": 1, "source": "books",
            "trace_id": "a" * 32,
        }
    ])  # fmt: skip
    store.insert("otel_traces", [
        {
            "Timestamp": day(1), "TraceId": "a" * 32, "SpanId": "1" * 16, "SpanName": "POST /journal", "ServiceName": "ledger",
            "StatusCode": "Error", "Duration": 1, "known_at": day(1),
        }
    ])  # fmt: skip
    complete(store, 30)
    run(store, of)
    (one,) = exceptions(store, 10)
    assert (one["item_type"], one["item_key"], one["code"]) == ("", "E1", "MISSING")
    # Its id leads to what the event is about, and so does that of the event.
    about = [{"workflow": "cash", "object_type": "bank_line", "object_key": "1", "events": 0}]
    assert find(store, one["exception_id"]) == about
    (row,) = by_hop(store, "cash", day(10), day(79))
    assert (row.hop, row.exceptions, row.amounts) == (Hop("ledger", "POST /journal"), 1, {"USD": 5})


def test_a_step_of_the_item_takes_its_earlier_events_away_whenever_it_becomes_known(store: Store) -> None:
    flow = Workflow.model_validate({
        **CASH.model_dump(), "item": "bank_line",
        "steps": {name: {"title": name, "select": [{"name": name}]} for name in ("asked", "paid", "withdrawn")},
        "expectations": [{"name": "once", "kind": "once", "title": "Once", "item": "bank_line", "step": "paid", "owner": "x"}],
    })  # fmt: skip
    legs = {
        "asked": {
            "step": "asked", "fields": {"line": "@object:bank_line"}, "void_by": ["withdrawn"], "many": True,
        },
        "paid": {"step": "paid", "fields": {"line": "@object:bank_line"}, "within": "3d"},
    }  # fmt: skip
    of = rule(legs=legs, keys=[{"fields": ["line"]}], numbers={}, compare={})
    for number, (step, line, at, known) in enumerate([
        ("asked", "A", 0, 0), ("paid", "A", 2, 2), ("asked", "B", 0, 0), ("withdrawn", "B", 1, 20),
        ("withdrawn", "C", 0, 0), ("asked", "C", 1, 1),
    ]):  # fmt: skip
        store.insert("events", [{
            "event_id": f"e{number}", "workflow": "cash", "step": step, "occurred_at": day(at), "known_at": day(known),
            "objects.type": ["bank_line"], "objects.key": [line], "objects.role": [""], "outcome": "ok", "attempt": 1,
        }])  # fmt: skip
    complete(store, 30, known=5)
    ruling = Ruling(of, {})
    for now in (11, 80):
        match(store, [ruling], {"cash": flow}, day(now))
    before = [("e0+e1", "MATCHED", ""), ("e2", "MISSING", "MISSING"), ("e5", "MISSING", "MISSING")]
    assert sorted(said(store, 10, 10)) == before
    # Learned later: as known today it was never due, and as known then it was. What came after the step still counts.
    assert sorted(said(store, 10)) == [before[0], before[2]]
    assert ("e2", "NOT_DUE", "MISSING") in said(store, 0.5)


def test_what_was_made_up_for_before_it_was_due_is_no_exception_of_the_past(store: Store) -> None:
    legs = {
        "bank": {"type": "bank_line", "fields": {"account": "account", "amount": "@amount"}},
        "ledger": {
            "type": "ledger_line", "fields": {"account": "account", "amount": "@amount"}, "many": True, "within": "10d",
        },
    }  # fmt: skip
    for account, last in (("1", 5), ("2", 15)):
        state(store, "bank_line", f"B{account}", 100, 0, account=account)
        state(store, "ledger_line", f"L{account}", 60, 1, account=account)
        state(store, "ledger_line", f"M{account}", 40, last, account=account)
    complete(store, 30)
    run(store, rule(legs=legs, keys=[{"fields": ["account"]}]))
    assert said(store, 3) == [("B1+L1", "IN_FLIGHT", "PARTIAL_OPEN"), ("B2+L2", "IN_FLIGHT", "PARTIAL_OPEN")]
    (late,) = [row for row in exceptions(store, 20) if row["code"] == "PARTIAL_OPEN"]
    assert (late["item_key"], late["detected_at"], late["resolved_at"]) == ("B2", day(10), day(15))
