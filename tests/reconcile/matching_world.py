"""States into the store, decisions of matching out of it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from matching_oracle import Fact

from store.client import Store
from workflows.model import Workflow

FIRST = datetime(2026, 3, 1, tzinfo=UTC)
LAST = datetime(2026, 6, 1, tzinfo=UTC)
AT = "as_of = {as_of:DateTime64(6, 'UTC')}, known_at = {known_at:DateTime64(6, 'UTC')}"
KINDS = ("bank_line", "ledger_line", "order_line", "receipt_line", "invoice_line")

CASH = Workflow.model_validate(
    {
        "workflow": "cash", "title": "Cash", "item": "bank_line", "sources": ["books"], "dimensions": ["department"],
        "objects": {kind: {"title": kind} for kind in KINDS},
        "steps": {"paid": {"title": "Paid", "select": [{"name": "paid"}]}},
        "expectations": [{"name": "once", "kind": "once", "title": "Once", "item": "bank_line", "step": "paid", "owner": "x"}],
    }
)  # fmt: skip


def day(number: float) -> datetime:
    return FIRST + timedelta(days=number)


def store_facts(store: Store, facts: Iterable[Fact]) -> None:
    store.insert("snapshots", [
        {
            "system": "books", "object_type": fact.kind, "object_key": fact.key,
            "fields": {"account": fact.account, "reference": fact.reference, "state": fact.state}, "amount": fact.amount,
            "currency": "USD", "deleted": fact.deleted, "valid_from": fact.valid_from, "captured_at": fact.known_at,
            "known_at": fact.known_at, "row_hash": f"{fact.number:06}", "source": "books", "run_id": "",
        }
        for fact in facts
    ])  # fmt: skip


def state(
    store: Store,
    kind: str,
    key: str,
    amount: str | int | None,
    at: float,
    known: float | None = None,
    **more: Any,
) -> None:
    """One state of one object, `at` and `known` in days; `more` are fields, or columns of the table."""
    columns = {name: more.pop(name) for name in ("deleted", "currency", "system") if name in more}
    known_at = day(at if known is None else known)
    store.insert("snapshots", [
        {
            "system": "books", "object_type": kind, "object_key": key, "fields": {n: str(v) for n, v in more.items()},
            "amount": amount, "currency": "USD", "deleted": False, "valid_from": day(at), "captured_at": known_at,
            "known_at": known_at, "row_hash": f"{at} {known}", "source": "books", "run_id": "", **columns,
        }
    ])  # fmt: skip


def complete(store: Store, through: float, known: float = 0, source: str = "books") -> None:
    mark = {
        "complete_through": day(through),
        "heartbeat_at": day(through),
        "known_at": day(known),
        "run_id": "",
    }
    store.insert("watermarks", [{"source": source, **mark}])


def decisions(store: Store, as_of: datetime, known_at: datetime) -> list[tuple[Any, ...]]:
    """What stands as of (V, K): verdict, records with their legs, money and causes, comparable."""
    rows = store.rows(
        f"SELECT verdict, members.leg AS legs, members.record AS records, residual, variance FROM matches_at({AT})",
        {"as_of": as_of, "known_at": known_at},
    )
    return sorted(
        (
            row["verdict"], tuple(sorted(zip(row["legs"], row["records"], strict=True))), row["residual"],
            tuple(sorted(row["variance"].items())),
        )
        for row in rows
    )  # fmt: skip


def written(store: Store, tables: Sequence[str] = ("matches", "match_records")) -> list[bytes]:
    """Every row that the job wrote, in one order: what later answers are made of."""
    return [store.raw(f"SELECT * FROM {table} ORDER BY ALL", fmt="TSV") for table in tables]
