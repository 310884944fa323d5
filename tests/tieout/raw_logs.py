"""The demo's figures, worked out in plain Python over the raw files."""

from __future__ import annotations

import csv
import gzip
import io
import tarfile
from collections import Counter, defaultdict
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
