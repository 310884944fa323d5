"""The shipped object-centric log, against a recount in plain Python."""

from __future__ import annotations

import csv
import io
import tarfile
from collections import Counter, defaultdict
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest
from import_site import NOW, facts

from collector.imports import find_mapping, import_files, load_mappings
from store.client import Store
from workflows.load import load_workflows

DEMO = Path(__file__).resolve().parents[3] / "examples" / "demo"
LOG = DEMO / "data" / "ocel2_procure_to_payment.tar.xz"
TYPES = {
    "purchase_requisition": "requisition", "quotation": "quotation", "purchase_order": "order", "goods receipt": "goods_receipt",
    "invoice receipt": "invoice", "payment": "payment", "material": "material",
}  # fmt: skip
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def tables() -> dict[str, list[dict[str, str]]]:
    out = {}
    with tarfile.open(LOG) as archive:
        for member in archive:
            if member.name.endswith(".csv"):
                text = io.TextIOWrapper(archive.extractfile(member), encoding="utf-8", newline="")  # type: ignore[arg-type]
                out[member.name.removesuffix(".csv")] = list(csv.DictReader(text))
    return out


def time_of(text: str) -> datetime:
    return datetime.strptime(text, "%Y-%m-%dT%H:%M:%S.%fZ").replace(tzinfo=UTC)


@pytest.mark.slow
def test_the_store_holds_what_the_tables_say_and_holds_it_once(store: Store) -> None:
    workflows, _ = load_workflows()
    mappings, _ = load_mappings(DEMO / "mappings", workflows)
    mapping = find_mapping(LOG, mappings)
    workflow = workflows[mapping.workflow]
    data = tables()

    result = import_files(store, mapping, workflow, [LOG], NOW)
    assert (result.events.new, result.snapshots.new, result.links.new) == (14_671, 9_543, 20_402)
    assert (result.rejected, result.unmapped) == ({}, {})
    assert result.rows_read == sum(len(rows) for name, rows in data.items() if not name.endswith("map_type"))

    kinds = {row["ocel_id"]: TYPES[row["ocel_type"]] for row in data["object"]}
    happened = {
        row["ocel_id"]: (entry["ocel_type"], time_of(row["ocel_time"]), row)
        for entry in data["event_map_type"]
        for row in data[f"event_{entry['ocel_type_map']}"]
    }
    touched: dict[str, list[tuple[str, str, str]]] = defaultdict(list)
    first: dict[str, datetime] = {}
    for link in data["event_object"]:
        event, thing = link["ocel_event_id"], link["ocel_object_id"]
        touched[event].append((kinds[thing], thing, link["ocel_qualifier"]))
        first[thing] = min(first.get(thing, happened[event][1]), happened[event][1])
    initial = {
        row["ocel_id"]: row
        for entry in data["object_map_type"]
        for row in data[f"object_{entry['ocel_type_map']}"]
        if not row["ocel_changed_field"]
    }
    changes = [
        row
        for entry in data["object_map_type"]
        for row in data[f"object_{entry['ocel_type_map']}"]
        if row["ocel_changed_field"]
    ]
    assert result.ignored == {"empty_changes": len(changes)}

    def worth(thing: str) -> Decimal | None:
        row, kind = initial[thing], kinds[thing]
        if kind == "material":
            return Decimal(row["NetPriceEKPONETPR"]) * Decimal(row["QuantityEKPOMENGE"])
        column = {"invoice": "DebitAmountBSEGDMBTR", "payment": "AmountDMBTR"}.get(kind)
        return Decimal(row[column]) if column else None

    paying = {
        "Create Purchase Requisition": "material", "Create Invoice Receipt": "invoice",
        "Perform Two-Way Match": "invoice", "Execute Payment": "payment",
    }  # fmt: skip
    stored = {
        (
            row["occurred_at"],
            tuple(sorted(zip(row["objects.type"], row["objects.key"], row["objects.role"], strict=True))),
        ): row
        for row in store.rows("SELECT * FROM events")
    }
    assert len(stored) == len({(at, tuple(sorted(touched[event]))) for event, (_, at, _) in happened.items()})
    for event, (kind, at, row) in happened.items():
        found = stored[at, tuple(sorted(touched[event]))]
        assert found["attributes"] == {"lifecycle": row["lifecycle"]}
        assert found["dims"]["department"] == row["resource"]
        suppliers = {initial[thing]["VendorEKKOLIFNR"] for of, thing, _ in touched[event] if of == "order"}
        assert found["dims"].get("supplier") == (suppliers.pop() if len(suppliers) == 1 else None)
        amounts = [worth(thing) for of, thing, _ in touched[event] if of == paying.get(kind)]
        assert found["amount"] == (sum(amounts) if amounts else None)  # type: ignore[arg-type]
        assert found["currency"] == ("XXX" if amounts else "")

    snapshots = store.rows("SELECT * FROM snapshots")
    assert len(snapshots) == len(kinds)
    for row in snapshots:
        thing = row["object_key"]
        assert (row["object_type"], row["amount"], row["valid_from"]) == (
            kinds[thing],
            worth(thing),
            first.get(thing, EPOCH),
        )
        assert row["fields"].items() <= initial[thing].items()

    links = {
        (row["ocel_source_id"], row["ocel_target_id"], row["ocel_qualifier"]):
        max(first.get(end, EPOCH) for end in (row["ocel_source_id"], row["ocel_target_id"]) if end in kinds)
        for row in data["object_object"]
    }  # fmt: skip
    found_links = store.rows("SELECT * FROM object_links")
    assert {(row["from_key"], row["to_key"], row["role"]): row["valid_from"] for row in found_links} == links
    dangling = [row for row in found_links if row["to_key"] not in kinds]
    assert Counter((row["from_type"], row["to_type"]) for row in dangling) == {
        ("goods_receipt", "invoice"): 1_014, ("order", "invoice"): 1_014,
    }  # fmt: skip

    paid = Counter(
        key
        for row in stored.values()
        if row["step"] == "payment.sent"
        for key in row["objects.key"]
        if key.startswith("payment:")
    )
    assert (sum(paid.values()), sum(1 for count in paid.values() if count > 1)) == (1_166, 188)

    before = facts(store, mapping.mapping)
    again = import_files(store, mapping, workflow, [LOG], NOW + timedelta(days=1))
    assert (again.new, again.events.known, again.links.known, again.snapshots.known) == (
        0,
        14_671,
        20_402,
        9_543,
    )
    assert facts(store, mapping.mapping) == before
