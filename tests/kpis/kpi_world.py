"""Facts put straight into the store, and the figures that come out of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import cache
from typing import Any

import orjson

from kpis.kept import from_kept, kept
from kpis.kpi import Kpi
from kpis.load import load_kpis
from kpis.run import EPOCH, compute
from store.client import Store

START = datetime(2026, 3, 1, tzinfo=UTC)
KNOWN = datetime(2026, 11, 20, tzinfo=UTC)
SOURCE = "erp"
VERSION = "v1"

Key = tuple[str, str, str]
Row = dict[str, Any]

_EXPECTATION: Row = {
    "version": VERSION, "expectation": "shipping", "kind": "sequence", "item_type": "order", "item_key": "",
    "opened_at": START, "opened_by": "", "opened_step": "order.made", "due_at": START, "closed_at": None,
    "closed_by": "", "closed_as": "", "reversed_at": None, "failed_at": [], "amount": None, "currency": "",
    "code": "MISSING", "clock": "step", "owner": "stock", "tolerance_abs": Decimal(0), "tolerance_pct": Decimal(0),
    "sources": [SOURCE], "dims": {}, "trace_id": "", "known_at": START, "evidence": 1,
    "calendar": "",
}  # fmt: skip
_EVENT: Row = {
    "event_id": "", "step": "bill.sent", "occurred_at": START, "known_at": START, "objects.type": ["order"],
    "objects.key": ["A"], "objects.role": [""], "amount": None, "currency": "", "outcome": "ok", "attempt": 1,
    "actor": "", "dims": {}, "attributes": {}, "trace_id": "", "span_id": "", "source": SOURCE, "source_ref": "",
}  # fmt: skip


@cache
def shipped() -> dict[str, Kpi]:
    kpis, problems = load_kpis()
    assert not problems
    return kpis


def day(number: float) -> datetime:
    """So many days after the start of the test's world."""
    return START + timedelta(days=number)


@dataclass
class World:
    """One workflow in the store. Rows are collected and written by `write`."""

    store: Store
    workflow: str = "orders"
    content: Row = field(default_factory=lambda: {"item": "order", "expectations": []})
    calendars: tuple[str, ...] = ()
    expectations: list[Row] = field(default_factory=list)
    events: list[Row] = field(default_factory=list)
    acts: list[Row] = field(default_factory=list)

    def expect(self, item: str = "", **columns: Any) -> World:
        """An expectation; those of one item are one version, known at one moment."""
        number = len(self.expectations)
        row = {
            **_EXPECTATION,
            "workflow": self.workflow,
            "item_key": item or f"I{number}",
            "opened_by": f"e{number}",
        }
        self.expectations.append(row | columns)
        return self

    def event(self, item: str, **columns: Any) -> World:
        row = {**_EVENT, "workflow": self.workflow, "event_id": f"x{len(self.events)}", "objects.key": [item]}
        self.events.append(row | columns)
        return self

    def rule(self, name: str, kind: str, step: str, item: str = "order", owner: str = "stock") -> World:
        rule = {"name": name, "kind": kind, "step": step, "item": item, "owner": owner}
        self.content["expectations"].append(rule)
        return self

    def watermark(self, through: datetime, source: str = SOURCE) -> World:
        row = {
            "source": source,
            "complete_through": through,
            "heartbeat_at": through,
            "known_at": START,
            "run_id": "",
        }
        self.store.insert("watermarks", [row])
        return self

    def leg(
        self, item: str, expected: bool, amount: int | str, expectation: str, currency: str = "EUR"
    ) -> World:
        row = {
            "workflow": self.workflow, "version": VERSION, "expectation": expectation, "item_type": "order",
            "item_key": item, "leg": "a" if expected else "b", "expected": expected, "member_type": "",
            "member_key": f"{item}{expected}", "amount": Decimal(amount), "currency": currency, "joined_at": START,
            "known_at": START,
        }  # fmt: skip
        self.store.insert("leg_members", [row])
        return self

    def write(self) -> World:
        version = {
            "workflow": self.workflow, "version": VERSION, "content": orjson.dumps(self.content).decode(),
            "activated_at": EPOCH, "calendars": dict.fromkeys(self.calendars, "v"),
        }  # fmt: skip
        self.store.insert("workflow_versions", [version])
        self.store.insert("expectations", self.expectations)
        self.store.insert("events", self.events)
        return self

    def figures(
        self,
        kpi: str,
        dimension: str = "",
        as_of: datetime = KNOWN,
        known_at: datetime = KNOWN,
        window_start: datetime = EPOCH,
    ) -> dict[Key, Row]:
        """The figures of a shipped KPI by segment, measure and unit."""
        rows = compute(self.store, shipped()[kpi], self.workflow, dimension, as_of, known_at, window_start)
        return by_key(rows)

    def all_figures(self, as_of: datetime) -> dict[str, dict[Key, Row]]:
        """The totals of every shipped KPI since the beginning, from one picture of the verdicts."""
        with kept(self.store, [self.workflow], as_of, KNOWN, KNOWN, "test") as tables:
            texts = {name: replace(kpi, sql=from_kept(kpi.sql, tables)) for name, kpi in shipped().items()}
            return {
                name: by_key(compute(self.store, kpi, self.workflow, "", as_of, KNOWN, EPOCH))
                for name, kpi in texts.items()
            }


def by_key(rows: Sequence[Row]) -> dict[Key, Row]:
    found = {(row["segment"], row["measure"], row["unit"]): row for row in rows}
    assert len(found) == len(rows), "two figures with one name"
    return found


def value(figures: dict[Key, Row], measure: str, unit: str, segment: str = "total") -> float | None:
    return figures[segment, measure, unit]["value"]


def ends(figures: dict[Key, Row], measure: str, unit: str, segment: str = "total") -> tuple[float, float]:
    row = figures[segment, measure, unit]
    assert row["value"] is None, "an interval has no value"
    return row["low"], row["high"]
