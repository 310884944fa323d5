"""Verdicts on two logs that nobody here made: known counts from the files, every verdict from the oracle."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from oracle import Facts, verdicts
from real_logs import (
    BILLING_FILE,
    KNOWN,
    LOADED,
    PROCUREMENT_FILE,
    Procurement,
    billing_rows,
    facts,
    load,
    pairs,
)
from world import AT, FACT_TABLES, JOB_TABLES, empty, recomputed, stored

from store.client import Store
from workflows.model import Workflow

pytestmark = pytest.mark.slow

INTAKE_TABLES = ("imports", "import_rows", "import_rejects")
BILLING_END = datetime(2015, 12, 13, 13, 55, 15, tzinfo=UTC)


class Log:
    """One imported log."""

    def __init__(self, store: Store, workflow: Workflow) -> None:
        self.store, self.workflow = store, workflow
        self.facts: Facts = facts(store, workflow)
        self.end = max(mark.complete_through for mark in self.facts.watermarks)

    def counts(self, as_of: datetime) -> Counter[tuple[str, str]]:
        rows = self.store.rows(
            f"SELECT expectation, state, count() AS n FROM verdicts_at({AT}) WHERE workflow = {{workflow:String}} "
            "GROUP BY expectation, state",
            {"as_of": as_of, "known_at": KNOWN, "workflow": self.workflow.workflow},
        )
        return Counter({(row["expectation"], row["state"]): row["n"] for row in rows})


@pytest.fixture(scope="module")
def billing(engine: Store) -> Iterator[Log]:
    yield Log(engine, load(engine, BILLING_FILE))
    empty(engine, (*FACT_TABLES, *JOB_TABLES, *INTAKE_TABLES))


@pytest.fixture(scope="module")
def procurement(engine: Store) -> Iterator[Log]:
    yield Log(engine, load(engine, PROCUREMENT_FILE))
    empty(engine, (*FACT_TABLES, *JOB_TABLES, *INTAKE_TABLES))


def assert_every_verdict_is_the_oracles(log: Log, as_of: datetime) -> None:
    found = stored(log.store, log.workflow.workflow, as_of, KNOWN)
    expected = recomputed(verdicts(log.workflow, log.facts, as_of, KNOWN))
    different = [pair for pair in zip(found, expected, strict=False) if pair[0] != pair[1]]
    assert different[:3] == []
    assert len(found) == len(expected)


def test_billing_counts_are_those_of_the_file(billing: Log) -> None:
    rows = list(billing_rows())
    assert billing.end == BILLING_END
    cases = {row["case_id"] for row in rows}
    billed = Counter(row["case_id"] for row in rows if row["activity"] == "BILLED")
    assert (len(cases), len(billed), "NA" in cases) == (10_000, 6_962, True)

    items = billing.store.rows(
        f"SELECT item_key, stage FROM items_at({AT}) WHERE workflow = 'hospital_billing'",
        {"as_of": billing.end, "known_at": KNOWN},
    )
    assert {item["item_key"] for item in items} == cases
    assert {event.object_key for event in billing.facts.events if event.step == "bill.dropped"} == set(billed)

    counts = billing.counts(billing.end)
    # A bill that nothing took back, after another: the surplus.
    assert counts["billed_once", "DUP_CONFIRMED"] == surplus_bills(rows)


def surplus_bills(rows: list[dict[str, str]]) -> int:
    """Bills after a bill of the same package, with neither cancellation nor reopening between, nor afterwards."""
    by_case: dict[str, list[tuple[str, int]]] = {}
    order = {"BILLED": 0, "STORNO": 1, "REOPEN": 2}
    for row in rows:
        if row["activity"] in order:
            by_case.setdefault(row["case_id"], []).append((row["timestamp"], order[row["activity"]]))
    surplus = 0
    for history in by_case.values():
        standing = 0
        for _, what in sorted(history):
            standing = standing + 1 if what == 0 else 0
        surplus += max(0, standing - 1)
    return surplus


@pytest.mark.parametrize(
    "as_of", [BILLING_END, datetime(2014, 6, 1, tzinfo=UTC), datetime(2013, 7, 15, 9, 30, tzinfo=UTC)]
)
def test_every_billing_verdict_is_the_oracles(billing: Log, as_of: datetime) -> None:
    assert_every_verdict_is_the_oracles(billing, as_of)


def test_nothing_was_known_before_the_import(billing: Log) -> None:
    assert stored(billing.store, "hospital_billing", billing.end, LOADED.replace(year=2025)) == []


def test_procurement_counts_are_those_of_the_file(procurement: Log) -> None:
    log, counts = Procurement(), procurement.counts(procurement.end)
    executions = log.objects_of("Execute Payment", "payment")
    assert sum(len(events) > 1 for events in executions.values()) == 188
    assert (
        counts["paid_once", "DUP_CONFIRMED"] == sum(len(events) - 1 for events in executions.values()) == 239
    )

    invoices = log.objects("invoice receipt")
    named = set(log.linked("Invoice Receipt of Goods Receipt"))
    dangling = [pair for pair in named if pair[1] not in invoices]
    assert len(dangling) == 1_014
    assert counts["invoice_reference", "MISSING"] == 1_014
    assert counts["invoice_reference", "MATCHED"] == len(named) - 1_014

    created = log.objects_of("Create Purchase Requisition", "purchase_requisition")
    without = log.objects("purchase_requisition") - set(created)
    assert len(without) == 198
    assert counts["requisition_exists", "ORPHAN"] == len(
        without & set(log.objects_of("Create Request for Quotation", "purchase_requisition"))
    )


def test_payments_tie_out_as_the_files_say(procurement: Log) -> None:
    log = Procurement()
    executions = log.objects_of("Execute Payment", "payment")
    paid = {
        key: amount * len(executions[key])
        for key, amount in log.amounts("object_payment", "AmountDMBTR").items()
        if key in executions
    }
    invoiced = log.amounts("object_invoicereceipt", "DebitAmountBSEGDMBTR")
    ordered = log.amounts("object_material", "NetPriceEKPONETPR", "QuantityEKPOMENGE")
    to_invoice = pairs(log.linked("invoice_receipt_pm"))
    to_payment = pairs([(payment, invoice) for invoice, payment in log.linked("invoice_receipt_pm")])
    invoices_of = {key: to_invoice.get(key, set()) | to_payment.get(key, set()) for key in paid}
    assert tie_out_counts(paid, invoices_of, invoiced) == counts_of(procurement, "payment_ties_to_invoice")

    orders = pairs([(b, a) for a, b in log.linked("order_pm")] + log.linked("order_pm"))
    materials = pairs(log.linked("Materials of Purchase Order"))
    materials_of = {
        key: set().union(*(materials.get(order, set()) for order in orders.get(key, set()))) for key in paid
    }
    assert tie_out_counts(paid, materials_of, ordered) == counts_of(procurement, "payment_ties_to_orders")


def tie_out_counts(
    paid: dict[str, Decimal], members: dict[str, set[str]], amounts: dict[str, Decimal]
) -> Counter[str]:
    found: Counter[str] = Counter()
    for key, actual in paid.items():
        known = [amounts.get(member) for member in members[key]]
        if not known:
            found["ORPHAN"] += 1
        elif None in known:
            found["UNKNOWN"] += 1
        else:
            expected = sum(amount for amount in known if amount is not None)
            found["MATCHED" if actual == expected else "MISMATCH" if actual > expected else "PARTIAL"] += 1
    return found


def counts_of(log: Log, rule: str) -> Counter[str]:
    return Counter({state: number for (name, state), number in log.counts(log.end).items() if name == rule})


@pytest.mark.parametrize("days", [0, 200, 500])
def test_every_procurement_verdict_is_the_oracles(procurement: Log, days: int) -> None:
    assert_every_verdict_is_the_oracles(procurement, procurement.end - timedelta(days=days))
