"""A small company in the store: orders that are acknowledged and paid, or not, and people who look after them."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

from pydantic import SecretBytes, SecretStr

from calendars.model import Calendar
from calendars.table import write_calendars
from core.clock import SystemClock
from reconcile.acts import Desk
from reconcile.life import Role
from reconcile.matching.model import MatchingRule, Ruling
from reconcile.matching.run import match
from reconcile.people import People
from reconcile.policy import Policy
from reconcile.run import reconcile
from store.audit import AuditLog
from store.client import Store
from workflows.load import load_workflows
from workflows.model import Owner, Workflow

# Everything happened long before any clock that a test may read.
END = datetime(2025, 6, 30, 12, 0, tzinfo=UTC)
KNOWN = datetime(2025, 7, 1, 8, 0, tzinfo=UTC)
HEARD = datetime(2025, 7, 1, 7, 0, tzinfo=UTC)
HOSTILE_KEY = "<img src=x onerror=alert(1)>![x](http://evil.test/x.png)`:red[1]`"
HOSTILE_SITE = "<script>alert(1)</script> [link](javascript:alert(1)) $x$ :material/home:"
TRACE = "0af7651916cd43dd8448eb211c80319c"
FAILING_TRACE = "f" * 32


def workflow() -> Workflow:
    """The process of this company."""
    found, problems = load_workflows(Path(__file__).parent)
    assert not problems, problems
    return found["orders"]


def _agreeing(rule: str, title: str, first: str, second: str, **more: Any) -> Ruling:
    """What one system says of orders against what another says, where a test writes states of both with `settle`."""
    file = {
        "rule": rule, "title": title, "workflow": "orders", "currency": "EUR", "owner": "treasury",
        "legs": {leg: {"type": "order", "system": leg, "fields": {"no": "no", "amount": "@amount"}} for leg in (first, second)},
        "keys": [{"fields": ["no"], "method": "subset"}], "numbers": {"amount": {}},
        "compare": {"amount": {"field": "amount", "means": "amount", "expected": first, "actual": second}},
        "by_hand": {"worker": 10}, **more,
    }  # fmt: skip
    return Ruling(MatchingRule.model_validate(file), {})


SETTLED = _agreeing("settled", "The shop and the bank agree", "shop", "bank")
DRAFTED = _agreeing(
    "drafted", "The till and the ledger agree", "till", "ledger", keys=[{"fields": ["no"]}], outcome={"auto_clear": False}
)  # fmt: skip


def settle(store: Store, *told: tuple[str, str, str, int]) -> None:
    """Writes states of orders (system, key, number, amount) and matches what is known by now."""
    store.insert("snapshots", [
        {
            "system": system, "object_type": "order", "object_key": key, "fields": {"no": number}, "amount": Decimal(amount),
            "currency": "EUR", "deleted": False, "valid_from": days_before(9), "captured_at": KNOWN, "known_at": KNOWN,
            "row_hash": key, "source": "erp", "run_id": "",
        }
        for system, key, number, amount in told
    ])  # fmt: skip
    match(store, [SETTLED, DRAFTED], {"orders": workflow()}, SystemClock().now(), settle=timedelta(0))


def days_before(number: float) -> datetime:
    """So many days before the end."""
    return END - timedelta(days=number)


class Books:
    """Collects events of orders and writes them."""

    def __init__(self) -> None:
        self.rows: list[dict[str, Any]] = []

    def event(self, order: str, step: str, at: datetime, **columns: Any) -> None:
        name = hashlib.sha256(f"{order}|{step}|{at}|{len(self.rows)}".encode()).hexdigest()[:16]
        self.rows.append(
            {
                "event_id": name, "workflow": "orders", "step": step, "occurred_at": at, "known_at": KNOWN,
                "objects.type": ["order"], "objects.key": [order], "objects.role": [""], "amount": None, "currency": "",
                "outcome": "ok", "attempt": 1, "actor": "", "dims": {"site": "North"}, "trace_id": "", "source": "erp",
            }
            | columns
        )  # fmt: skip

    def order(
        self, key: str, sent: datetime, *, acked: float | None = 1, paid: float | None = 5, amount: str | None = "100.00",
        paid_amount: str | None = None, currency: str = "EUR", site: str = "North", trace: str = "",
    ) -> None:  # fmt: skip
        """One order; `acked` and `paid` are days after sending, None for never."""
        money = {} if amount is None else {"amount": Decimal(amount), "currency": currency}
        dims = {"site": site} if site else {}
        self.event(key, "order.sent", sent, dims=dims, trace_id=trace, **money)
        if acked is not None and sent + timedelta(days=acked) <= END:
            self.event(key, "order.acked", sent + timedelta(days=acked), dims=dims, trace_id=trace)
        if paid is not None and sent + timedelta(days=paid) <= END:
            what = paid_amount if paid_amount is not None else amount
            given = {} if what is None else {"amount": Decimal(what), "currency": currency}
            self.event(key, "order.paid", sent + timedelta(days=paid), dims=dims, source="bank", **given)


def fill(store: Store, *, many: int = 0, calendar: Calendar | None = None) -> Workflow:
    """Writes the whole company and reconciles it. `many` more orders lack their acknowledgement.

    With a `calendar`, buying ages by it.
    """
    rules = workflow()
    if calendar:
        write_calendars(store, [calendar], KNOWN)
        rules = rules.model_copy(update={"owners": {"buying": Owner(calendar=calendar.calendar)}})
    books = Books()
    for number in range(40):
        books.order(f"GOOD-{number:02}", days_before(12 + 2 * number))
    for number in range(4):
        books.order(f"LATE-{number}", days_before(20 + 9 * number), acked=4)
    books.order("NOACK-1", days_before(3), acked=None, paid=None, site="South", amount="250.00")
    books.order("NOACK-2", days_before(8), acked=None, site="South", amount="40.00")
    books.order("NOACK-3", days_before(60), acked=None, site="", amount="10.00", currency="USD")
    books.order("UNPAID-1", days_before(45), paid=None, amount="1234.50", trace=FAILING_TRACE)
    books.order("UNPAID-2", days_before(110), paid=None, amount=None)
    books.order("WRONG-1", days_before(30), paid_amount="90.00")
    books.order("TRACED-1", days_before(15), trace=TRACE)
    books.order(HOSTILE_KEY, days_before(25), acked=None, site=HOSTILE_SITE)
    books.order("TWICE-1", days_before(28))
    books.event(
        "TWICE-1", "order.paid", days_before(20), source="bank", amount=Decimal("100.00"), currency="EUR"
    )
    for number in range(many):
        books.order(f"MANY-{number:03}", days_before(70), acked=None)
    store.insert("events", books.rows)
    store.insert("otel_traces", failing_spans(days_before(44)))
    mark(store, "erp", END)
    mark(store, "bank", END - timedelta(days=1))
    reconcile(store, [rules], KNOWN + timedelta(minutes=1))
    return rules


def failing_spans(at: datetime) -> list[dict[str, Any]]:
    """The payment run asks the bank, which does not answer."""
    spans = [
        ("payment run", "pay", "1" * 16, "", {}),
        ("bank gateway", "POST /transfers", "2" * 16, "1" * 16, {"error.type": "timeout"}),
    ]
    return [
        {
            "Timestamp": at, "TraceId": FAILING_TRACE, "SpanId": span, "ParentSpanId": parent, "SpanName": name, "ServiceName": service,
            "StatusCode": "Error", "Duration": 10**9, "SpanAttributes": attributes, "ResourceAttributes": {"service.version": "7.1"},
            "known_at": KNOWN,
        }
        for service, name, span, parent, attributes in spans
    ]  # fmt: skip


def desk(store: Store) -> Desk:
    """Where its people act: ada and grace work, lin approves, vera only looks."""
    roles = {"ada": Role.WORKER, "grace": Role.WORKER, "lin": Role.APPROVER, "vera": Role.VIEWER}
    log = AuditLog(store, {"k1": SecretBytes(b"0123456789abcdef0123456789abcdef")})
    people = People(roles, Role.VIEWER, dict[str, SecretStr]())
    return Desk(
        store, log, Policy(), people, lambda _workflow, _now: END, {"settled": SETTLED, "drafted": DRAFTED}
    )


def mark(store: Store, source: str, through: datetime, known_at: datetime = KNOWN) -> None:
    """Says that a source is complete through a time."""
    store.insert(
        "watermarks",
        [
            {
                "source": source,
                "complete_through": through,
                "heartbeat_at": HEARD,
                "known_at": known_at,
                "run_id": "r",
            }
        ],
    )
