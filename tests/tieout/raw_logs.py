"""The demo's figures, worked out in plain Python over the raw files."""

from __future__ import annotations

import csv
import gzip
import io
import tarfile
from collections import Counter, defaultdict
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path

DATA = Path(__file__).resolve().parents[2] / "examples" / "demo" / "data"


def billing() -> list[dict[str, str]]:
    with gzip.open(DATA / "hospital_billing.csv.gz", "rt", encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def procurement() -> dict[str, list[dict[str, str]]]:
    """Every table of the object-centric log, by file name without ending."""
    tables = {}
    with tarfile.open(DATA / "ocel2_procure_to_payment.tar.xz") as archive:
        for member in archive.getmembers():
            if member.name.endswith(".csv") and (content := archive.extractfile(member)):
                text = io.TextIOWrapper(content, encoding="utf-8", newline="")
                tables[Path(member.name).stem] = list(csv.DictReader(text))
    return tables


def payments(tables: dict[str, list[dict[str, str]]]) -> tuple[Counter[str], dict[str, Decimal]]:
    """How often each payment was executed, and its amount."""
    executions = {row["ocel_id"] for row in tables["event"] if row["ocel_type"] == "Execute Payment"}
    times = Counter(
        row["ocel_object_id"]
        for row in tables["event_object"]
        if row["ocel_event_id"] in executions and row["ocel_qualifier"] == "payment"
    )
    amounts = {
        row["ocel_id"]: Decimal(row["AmountDMBTR"]) for row in tables["object_payment"] if row["AmountDMBTR"]
    }
    return times, amounts


def dangling_invoices(tables: dict[str, list[dict[str, str]]]) -> int:
    """Goods receipts that name an invoice that is not there."""
    known = {row["ocel_id"] for row in tables["object"]}
    return sum(
        row["ocel_qualifier"] == "Invoice Receipt of Goods Receipt" and row["ocel_target_id"] not in known
        for row in tables["object_object"]
    )


def requisitions_without_creation(tables: dict[str, list[dict[str, str]]]) -> int:
    """Requisitions that a quotation was requested for and nobody submitted."""
    kinds = {row["ocel_id"]: row["ocel_type"] for row in tables["event"]}
    events: dict[str, set[str]] = defaultdict(set)
    for row in tables["event_object"]:
        if row["ocel_qualifier"] == "purchase_requisition":
            events[row["ocel_object_id"]].add(kinds[row["ocel_event_id"]])
    return sum("Create Purchase Requisition" not in kinds_of for kinds_of in events.values())


def released_and_billed(rows: list[dict[str, str]], within: timedelta) -> Counter[str]:
    """What the end of the log says of packages: released and billed, released only (and since when), billed only.

    A release or bill counts until the package is deleted, reopened or declared unbillable; a bill until it is cancelled.
    """
    cases: dict[str, list[dict[str, str]]] = defaultdict(list)
    for row in rows:
        cases[row["case_id"]].append(row)
    end = max(datetime.fromisoformat(row["timestamp"]) for row in rows)
    found: Counter[str] = Counter()
    for events in cases.values():
        voids = [row["timestamp"] for row in events if _takes_away(row)]
        releases = _standing(events, "RELEASE", voids)
        cancelled = [row["timestamp"] for row in events if row["activity"] == "STORNO"]
        bills = _standing(events, "BILLED", [*voids, *cancelled])
        if releases and bills:
            found["both"] += 1
        elif bills:
            found["billed only"] += 1
        elif releases:
            due = datetime.fromisoformat(min(releases)) + within
            found["released only" if due <= end else "not due"] += 1
    return found


def _takes_away(row: dict[str, str]) -> bool:
    unbillable = row["activity"] == "SET STATUS" and row["state"] == "Unbillable"
    return row["activity"] in ("DELETE", "REOPEN") or unbillable


def _standing(events: list[dict[str, str]], activity: str, ends: list[str]) -> list[str]:
    """Times of an activity that nothing took away at that time or later."""
    return [
        row["timestamp"]
        for row in events
        if row["activity"] == activity and not any(end >= row["timestamp"] for end in ends)
    ]


def invoices_and_payments(tables: dict[str, list[dict[str, str]]]) -> tuple[int, int, int, Decimal]:
    """Invoices paid exactly, not paid, paid with another sum, and how much too much was paid."""
    kinds = {row["ocel_id"]: row["ocel_type"] for row in tables["event"]}
    booked = {
        row["ocel_id"]: Decimal(row["DebitAmountBSEGDMBTR"])
        for row in tables["object_invoicereceipt"]
        if row["DebitAmountBSEGDMBTR"]
    }
    _, amounts = payments(tables)
    named: dict[str, dict[str, str]] = defaultdict(dict)
    for row in tables["event_object"]:
        if kinds[row["ocel_event_id"]] == "Execute Payment":
            named[row["ocel_event_id"]][row["ocel_qualifier"]] = row["ocel_object_id"]
    paid: dict[str, Decimal] = defaultdict(Decimal)
    for objects in named.values():
        paid[objects["invoice receipt"]] += amounts[objects["payment"]]
    exact = sum(paid.get(invoice) == amount for invoice, amount in booked.items())
    unpaid = sum(invoice not in paid for invoice in booked)
    surplus = sum((paid[invoice] - booked[invoice] for invoice in paid), Decimal(0))
    return exact, unpaid, len(booked) - exact - unpaid, surplus


def receipts_with_invoice_and_evaluation(tables: dict[str, list[dict[str, str]]]) -> int:
    """Goods receipts for which an invoice was received and evaluated."""
    kinds = {row["ocel_id"]: row["ocel_type"] for row in tables["event"]}
    seen: dict[str, set[str]] = defaultdict(set)
    for row in tables["event_object"]:
        if row["ocel_qualifier"] == "goods receipt":
            seen[row["ocel_object_id"]].add(kinds[row["ocel_event_id"]])
    steps = {"Create Goods Receipt", "Create Invoice Receipt", "Perform Two-Way Match"}
    return sum(steps <= found for found in seen.values())
