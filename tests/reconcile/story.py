"""A history told fact by fact. Whatever is asked of it is also held against the oracle."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from oracle import Event, Facts, Link, Snapshot, Watermark, verdicts
from world import AT, comparable, fill, recomputed

from reconcile.run import Reconciled, reconcile
from store.client import Store
from workflows.model import Workflow

STEPS = ("ordered", "received", "approved", "paid", "cancelled", "returned", "refused")


def on(month: int, day: int, hour: int = 0) -> datetime:
    return datetime(2026, month, day, hour, tzinfo=UTC)


FIRST = on(1, 1)
LAST = on(12, 1)


def workflow(*rules: Mapping[str, Any], name: str = "story") -> Workflow:
    """A workflow over invoices; `refused` is a step that is itself the failing. `books` proves completeness."""
    defaults = {"title": "A rule", "item": "invoice", "owner": "accounts payable"}
    return Workflow.model_validate(
        {
            "workflow": name, "title": "Story", "item": "invoice", "sources": ["books", "bank"],
            "objects": {"invoice": {"title": "Invoice"}, "payment": {"title": "Payment"}, "order": {"title": "Order"}},
            "steps": {s: {"title": s, "select": [{"name": s}], "failed": s == "refused"} for s in STEPS},
            "expectations": [{**defaults, **rule} for rule in rules],
        }
    )  # fmt: skip


PAYMENT: dict[str, Any] = {
    "name": "payment", "kind": "sequence", "after": ["received"], "expect": ["paid"], "within": "30d",
    "void_by": ["cancelled"], "reversed_by": ["returned"],
}  # fmt: skip
PAID_ONCE: dict[str, Any] = {"name": "paid_once", "kind": "once", "step": "paid", "reset_by": ["returned"]}
ORDERED_FIRST: dict[str, Any] = {
    "name": "ordered_first",
    "kind": "precedence",
    "step": "paid",
    "requires": ["ordered"],
}
KNOWN_ORDER: dict[str, Any] = {
    "name": "known_order", "kind": "reference", "link": {"role": "for", "to": "order"}, "within": "2d",
}  # fmt: skip
TIE: dict[str, Any] = {
    "name": "tie", "kind": "tie_out", "after": ["received"], "within": "30d",
    "legs": {"invoiced": {"step": "received"}, "settled": {"links": [{"role": "settles", "to": "payment"}]}},
}  # fmt: skip


class Story:
    """Facts go to the store as they are told. Known time is the first day of the year unless said otherwise."""

    def __init__(self, store: Store, flow: Workflow) -> None:
        self.store, self.flow = store, flow
        self.facts = Facts()

    def tell(self, *facts: Event | Link | Snapshot | Watermark) -> Story:
        kinds = (Event, Link, Snapshot, Watermark)
        new = Facts(*(tuple(fact for fact in facts if isinstance(fact, kind)) for kind in kinds))  # type: ignore[arg-type]
        fill(self.store, self.flow.workflow, new)
        self.facts = Facts(*(old + more for old, more in zip(self.facts.parts(), new.parts(), strict=True)))  # type: ignore[arg-type]
        return self

    def run(self, now: datetime = LAST) -> Reconciled:
        return reconcile(self.store, [self.flow], now)[0]

    def ask(self, as_of: datetime, known_at: datetime = LAST - timedelta(seconds=1)) -> list[dict[str, Any]]:
        """Verdicts as of (V, K), in order of opening."""
        rows = self.rows("verdicts_at", as_of, known_at)
        assert comparable(rows) == recomputed(verdicts(self.flow, self.facts, as_of, known_at))
        return rows

    def states(self, as_of: datetime, known_at: datetime = LAST - timedelta(seconds=1)) -> list[str]:
        return [row["state"] for row in self.ask(as_of, known_at)]

    def rows(
        self, view: str, as_of: datetime, known_at: datetime = LAST - timedelta(seconds=1)
    ) -> list[dict[str, Any]]:
        order = "item_key" if view == "items_at" else "opened_at, expectation, item_key"
        return self.store.rows(
            f"SELECT * FROM {view}({AT}) WHERE workflow = {{workflow:String}} ORDER BY {order}",
            {"as_of": as_of, "known_at": known_at, "workflow": self.flow.workflow},
        )


class Teller:
    """Makes facts with short words; each event has its own id."""

    def __init__(self) -> None:
        self.count = 0

    def event(self, step: str, at: datetime, key: str = "I1", **more: Any) -> Event:
        self.count += 1
        kind = more.pop("kind", "invoice")
        amount = more.pop("amount", None)
        more = {"known_at": FIRST, "event_id": f"e{self.count:03}", **more}
        if amount is not None:
            more |= {"amount": Decimal(amount), "currency": more.get("currency", "USD")}
        return Event(kind, key, step, at, **more)


def payment_link(at: datetime, payment: str = "P1", invoice: str = "I1", known_at: datetime = FIRST) -> Link:
    return Link("payment", payment, "invoice", invoice, "settles", at, known_at)


def state(kind: str, key: str, at: datetime, amount: str | None = None, **more: Any) -> Snapshot:
    more = {"currency": "USD", "deleted": False, "known_at": FIRST, **more}
    return Snapshot(kind, key, None if amount is None else Decimal(amount), valid_from=at, **more)


def complete(through: datetime, source: str = "books", known_at: datetime = FIRST) -> Watermark:
    return Watermark(source, through, known_at)
