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
    """Exceptions of a workflow, each with `item`: its key, or `Paid: INV-7` for an event. Raises StoreError.

    `about_type` and `about_key` are the object that it is of, which for an event is the one that the event is about.
    """
    listed = [dict(row) for row in rows]
    found = events_of(store, workflow, (row["item_key"] for row in listed if not row["item_type"]))
    return [{**row, **_item(workflow, found.get(row["item_key"]), row)} for row in listed]


def events_of(store: Store, workflow: Workflow, ids: Iterable[str]) -> dict[str, dict[str, Any]]:
    """Those of `ids` that are events of the workflow: `step`, `occurred_at` (UTC), `about_type`, `about_key`. Raises StoreError."""
    asked = {"workflow": workflow.workflow, "item": workflow.item, "ids": sorted(set(ids))}
    if not asked["ids"]:
        return {}
    return {row["event_id"]: row for row in store.rows(read(SQL / "items_of_events.sql"), asked)}


def event_name(workflow: Workflow, event: Mapping[str, Any]) -> str:
    """`Paid: INV-7`: the step of an event, and the object it is about where it names one."""
    step = workflow.steps.get(event["step"])
    title = step.title if step else event["step"]
    return f"{title}: {event['about_key']}" if event["about_key"] else title


def _item(workflow: Workflow, event: Mapping[str, Any] | None, row: Mapping[str, Any]) -> dict[str, str]:
    if row["item_type"] or event is None or not event["about_key"]:
        return {"item": row["item_key"], "about_type": row["item_type"], "about_key": row["item_key"]}
    return {
        "item": event_name(workflow, event),
        "about_type": event["about_type"],
        "about_key": event["about_key"],
    }
