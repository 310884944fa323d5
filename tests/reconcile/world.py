"""Facts into the store, verdicts out of it in the shape of the oracle's."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

from oracle import Event, Facts, Link, Snapshot, Verdict, Watermark

from store.client import Store

AT = "as_of = {as_of:DateTime64(6, 'UTC')}, known_at = {known_at:DateTime64(6, 'UTC')}"
FACT_TABLES = ("events", "event_objects", "object_links", "snapshots", "watermarks")
JOB_TABLES = ("expectations", "leg_members", "workflow_versions", "marks")
COMPARED = (
    "expectation", "kind", "code", "clock", "owner", "item_type", "item_key", "opened_at", "opened_by", "opened_step",
    "due_at", "closed_at", "closed_by", "closed_as", "reversed_at", "attempts", "failures", "failed_at", "expected",
    "actual", "residual", "amount", "currency", "dims", "watermark", "covered", "state", "due", "matched", "unknown",
    "failing", "detected_at", "resolved_at", "trace_id",
)  # fmt: skip


def fill(store: Store, workflow: str, facts: Facts) -> None:
    """Writes facts in the order given. Rows of one event id and known time are one event with several objects."""
    events: dict[tuple[str, datetime], list[Event]] = {}
    for event in facts.events:
        events.setdefault((event.event_id, event.known_at), []).append(event)
    store.insert("events", [_event_row(workflow, same) for same in events.values()])
    store.insert("object_links", [_link_row(workflow, link) for link in facts.links])
    store.insert("snapshots", [_snapshot_row(state) for state in facts.snapshots])
    store.insert("watermarks", [_watermark_row(mark) for mark in facts.watermarks])


def empty(store: Store, tables: Iterable[str] = (*FACT_TABLES, *JOB_TABLES)) -> None:
    for table in tables:
        store.command("TRUNCATE TABLE {table:Identifier}", {"table": table})


def stored(store: Store, workflow: str, as_of: datetime, known_at: datetime) -> list[tuple[Any, ...]]:
    """The engine's verdicts of one workflow, comparable."""
    rows = store.rows(
        f"SELECT {', '.join(COMPARED)} FROM verdicts_at({AT}) WHERE workflow = {{workflow:String}}",
        {"as_of": as_of, "known_at": known_at, "workflow": workflow},
    )
    return comparable(rows)


def stored_of(
    store: Store, workflow: str, as_of: datetime, known_at: datetime, items: Sequence[str]
) -> list[tuple[Any, ...]]:
    """The same, asked for some items."""
    rows = store.rows(
        f"SELECT {', '.join(COMPARED)} FROM verdicts_of({AT}, items = {{items:Array(String)}}) "
        "WHERE workflow = {workflow:String}",
        {"as_of": as_of, "known_at": known_at, "workflow": workflow, "items": list(items)},
    )
    return comparable(rows)


def recomputed(rows: Iterable[Verdict]) -> list[tuple[Any, ...]]:
    """The oracle's verdicts, comparable."""
    return comparable({name: getattr(row, name) for name in COMPARED} for row in rows)


def comparable(rows: Iterable[dict[str, Any]]) -> list[tuple[Any, ...]]:
    return sorted((tuple(_plain(row[name]) for name in COMPARED) for row in rows), key=repr)


def written(store: Store) -> list[bytes]:
    """Every row that the job wrote, in one order: what later answers are made of."""
    return [
        store.raw(f"SELECT * FROM {table} ORDER BY ALL", fmt="TSV")
        for table in ("expectations", "leg_members")
    ]


def _plain(value: Any) -> Any:
    if isinstance(value, bool):
        return int(value)
    if isinstance(value, dict):
        return tuple(sorted(value.items()))
    return tuple(value) if isinstance(value, list) else value


def _event_row(workflow: str, same: Sequence[Event]) -> dict[str, Any]:
    event = same[0]
    return {
        "event_id": event.event_id, "workflow": workflow, "step": event.step, "occurred_at": event.occurred_at,
        "known_at": event.known_at, "objects.type": [e.object_type for e in same],
        "objects.key": [e.object_key for e in same], "objects.role": ["" for _ in same], "amount": event.amount,
        "currency": event.currency, "outcome": event.outcome, "attempt": 1, "actor": "", "dims": dict(event.dims),
        "trace_id": event.trace_id, "source": "test",
    }  # fmt: skip


def _link_row(workflow: str, link: Link) -> dict[str, Any]:
    return {"workflow": workflow, **link.__dict__, "source": "test"}


def _snapshot_row(state: Snapshot) -> dict[str, Any]:
    return {**state.__dict__, "fields": {}, "captured_at": state.known_at, "source": "test", "run_id": ""}


def _watermark_row(mark: Watermark) -> dict[str, Any]:
    return {**mark.__dict__, "heartbeat_at": mark.known_at, "run_id": ""}
