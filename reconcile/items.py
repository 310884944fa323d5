"""What people call the item of an exception: an event of a matching rule's leg by its step and the object it is about."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from store.client import Store
from store.sqlfile import read
from workflows.model import Workflow

SQL = Path(__file__).parent / "sql"


def with_items(store: Store, workflow: Workflow, rows: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Exceptions of a workflow, each with `item`: its key, or `Paid: INV-7` for an event. Raises StoreError."""
    listed = [dict(row) for row in rows]
    ids = sorted({row["item_key"] for row in listed if not row["item_type"]})
    asked = {"workflow": workflow.workflow, "item": workflow.item, "ids": ids}
    found = (
        {row["event_id"]: row for row in store.rows(read(SQL / "items_of_events.sql"), asked)} if ids else {}
    )
    return [{**row, "item": _named(workflow, found.get(row["item_key"]), row["item_key"])} for row in listed]


def _named(workflow: Workflow, event: Mapping[str, Any] | None, key: str) -> str:
    if event is None or not event["item"]:
        return key
    step = workflow.steps.get(event["step"])
    return f"{step.title if step else event['step']}: {event['item']}"
