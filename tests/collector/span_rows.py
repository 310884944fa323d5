"""Spans as rows of otel_traces, and a workflow to read them with, for tests of what is derived."""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from workflows.model import Workflow

AT = datetime(2026, 11, 19, 8, 0, tzinfo=UTC)
KNOWN = datetime(2026, 11, 20, 11, 59, tzinfo=UTC)


def row(
    name: str,
    attributes: Mapping[str, str] | None = None,
    *,
    at: datetime = AT,
    known_at: datetime = KNOWN,
    service: str = "erp",
    resource: Mapping[str, str] | None = None,
    status: str = "Unset",
    events: Sequence[Mapping[str, str]] = (),
    links: Sequence[Mapping[str, str]] = (),
    span_id: str = "",
    trace_id: str = "",
    duration: int = 1_000,
) -> dict[str, Any]:
    """One span; ids are fresh unless given."""
    return {
        "Timestamp": at, "TraceId": trace_id or uuid.uuid4().hex, "SpanId": span_id or uuid.uuid4().hex[:16],
        "SpanName": name, "ServiceName": service, "StatusCode": status, "Duration": duration,
        "SpanAttributes": dict(attributes or {}),
        "ResourceAttributes": {"service.name": service, **(resource or {})},
        "Events.Timestamp": [at] * len(events), "Events.Name": ["e"] * len(events),
        "Events.Attributes": [dict(one) for one in events],
        "Links.TraceId": ["t"] * len(links), "Links.SpanId": ["s"] * len(links), "Links.TraceState": [""] * len(links),
        "Links.Attributes": [dict(one) for one in links],
        "known_at": known_at,
    }  # fmt: skip


def workflow(name: str = "orders", **changes: Any) -> Workflow:
    """Orders that are created, sent (well or badly) and acknowledged."""
    content: dict[str, Any] = {
        "workflow": name,
        "title": "Orders",
        "item": "order",
        "sources": ["otlp/erp", "orders_log"],
        "dimensions": ["department", "supplier"],
        "objects": {
            "order": {"title": "Order", "key": ["trim", "upper", "strip_leading_zeros"]},
            "invoice": {"title": "Invoice"},
        },
        "steps": {
            "po.created": {"title": "Created", "select": [{"name": "create order"}]},
            "po.urgent": {"title": "Sent at once", "select": [{"name": "send order", "where": {"priority": "high"}}]},
            "po.sent": {"title": "Sent", "select": [{"name": "send order"}]},
            "po.failed": {"title": "Not sent", "failed": True, "select": [{"name": "refuse order"}]},
            "po.acked": {"title": "Acknowledged", "select": [{"system": "supplier", "where": {"messaging.operation.type": "receive"}}]},
        },
        "expectations": [
            {
                "name": "sent", "title": "Sent", "kind": "sequence", "item": "order", "after": ["po.created"],
                "expect": ["po.sent"], "within": "1d", "owner": "purchasing",
            }
        ],
        **changes,
    }  # fmt: skip
    return Workflow.model_validate(content)
