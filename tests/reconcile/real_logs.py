"""The demo's two logs: imported as a site would, read back as facts, and read straight from the files."""

from __future__ import annotations

import csv
import gzip
import io
import tarfile
from collections import defaultdict
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

from oracle import Event, Facts, Link, Snapshot, Watermark

from collector.imports import find_mapping, import_files, load_mappings
from reconcile.run import reconcile
from store.client import Store
from workflows.load import load_workflows
from workflows.model import Workflow

DEMO = Path(__file__).resolve().parents[2] / "examples" / "demo"
BILLING_FILE = DEMO / "data" / "hospital_billing.csv.gz"
PROCUREMENT_FILE = DEMO / "data" / "ocel2_procure_to_payment.tar.xz"
LOADED = datetime(2026, 11, 20, tzinfo=UTC)
KNOWN = LOADED + timedelta(hours=1)


def load(store: Store, file: Path) -> Workflow:
    """Imports one log of the demo and reconciles it."""
    shipped, _ = load_workflows()
    mappings, findings = load_mappings(DEMO / "mappings", shipped)
    assert findings == []
    mapping = find_mapping(file, mappings)
    import_files(store, mapping, shipped[mapping.workflow], [file], LOADED)
    reconcile(store, [shipped[mapping.workflow]], KNOWN)
    return shipped[mapping.workflow]


def facts(store: Store, workflow: Workflow) -> Facts:
    """Everything the store holds of one workflow."""
    mine = {"workflow": workflow.workflow}
    events = store.rows(
        "SELECT object_type, object_key, step, occurred_at, known_at, event_id, amount, currency, outcome, dims, trace_id "
        "FROM event_objects WHERE workflow = {workflow:String}",
        mine,
    )
    links = store.rows(
        "SELECT from_type, from_key, to_type, to_key, role, valid_from, known_at FROM object_links "
        "WHERE workflow = {workflow:String}",
        mine,
    )
    states = store.rows(
        "SELECT object_type, object_key, amount, currency, deleted, valid_from, known_at, system, row_hash FROM snapshots"
    )
    marks = store.rows("SELECT source, complete_through, known_at FROM watermarks")
    return Facts(
        tuple(Event(**row) for row in events), tuple(Link(**row) for row in links),
        tuple(Snapshot(**row) for row in states), tuple(Watermark(**row) for row in marks),
    )  # fmt: skip


def billing_rows() -> Iterator[dict[str, str]]:
    """Rows of the billing log. A case is really called NA, so nothing is a null here."""
    with gzip.open(BILLING_FILE, "rt", encoding="utf-8", newline="") as text:
        yield from csv.DictReader(text)


class Procurement:
    """The procure-to-payment log, table by table."""

    def __init__(self) -> None:
        self.tables: dict[str, list[dict[str, str]]] = {}
        with tarfile.open(PROCUREMENT_FILE) as archive:
            for member in archive.getmembers():
                stream = archive.extractfile(member)
                if stream and member.name.endswith(".csv"):
                    text = io.TextIOWrapper(stream, encoding="utf-8", newline="")
                    self.tables[Path(member.name).stem] = list(csv.DictReader(text))

    def objects(self, kind: str) -> set[str]:
        return {row["ocel_id"] for row in self.tables["object"] if row["ocel_type"] == kind}

    def objects_of(self, activity: str, kind: str) -> dict[str, list[str]]:
        """Event ids of one activity by each object of one kind."""
        wanted = {row["ocel_id"] for row in self.tables["event"] if row["ocel_type"] == activity}
        those = self.objects(kind)
        found: dict[str, list[str]] = defaultdict(list)
        for row in self.tables["event_object"]:
            if row["ocel_event_id"] in wanted and row["ocel_object_id"] in those:
                found[row["ocel_object_id"]].append(row["ocel_event_id"])
        return found

    def linked(self, role: str) -> list[tuple[str, str]]:
        rows = self.tables["object_object"]
        return [(r["ocel_source_id"], r["ocel_target_id"]) for r in rows if r["ocel_qualifier"] == role]

    def amounts(self, table: str, *columns: str) -> dict[str, Decimal]:
        """Product of columns in the first row of each object: later rows say only that a field changed."""
        found: dict[str, Decimal] = {}
        for row in self.tables[table]:
            if row["ocel_id"] not in found and all(row[column] for column in columns):
                found[row["ocel_id"]] = Decimal(1)
                for column in columns:
                    found[row["ocel_id"]] *= Decimal(row[column])
        return found


def pairs(rows: list[tuple[Any, ...]]) -> dict[Any, set[Any]]:
    """The second of each pair by the first."""
    found: dict[Any, set[Any]] = defaultdict(set)
    for left, right in rows:
        found[left].add(right)
    return found
