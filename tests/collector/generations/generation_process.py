"""A store whose telemetry tables another program made, in a process of its own, which can have one store only.

`generation_process.py STORE TABLES ROWS` makes them, adopts them, takes one more record, and tells what it derives.
"""

from __future__ import annotations

import json
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

from collector.correlation import Correlation
from collector.derive import derive_events
from collector.telemetry import adopt
from reconcile.explain import SQL
from store import migrate
from store.client import Store
from store.sqlfile import read, statements
from workflows.model import Workflow

ROOT = Path(__file__).parents[3]
NOW = datetime.now(UTC)
ORDERS = Workflow.model_validate(
    {
        "workflow": "orders", "title": "Orders", "item": "order", "sources": ["otlp/erp"], "dimensions": ["department"],
        "objects": {"order": {"title": "Order", "key": ["trim"]}},
        "steps": {
            "po.created": {"title": "Created", "select": [{"name": "create order", "where": {"http.request.method": "POST"}}]},
            "po.acked": {"title": "Acknowledged", "select": [{"signal": "log", "name": "order.acked"}]},
        },
        "expectations": [
            {
                "name": "ack_after_order", "kind": "sequence", "title": "Acknowledged", "item": "order", "after": ["po.created"],
                "expect": ["po.acked"], "within": "1d", "code": "ACK_MISSING", "owner": "buying",
            }
        ],
    }
)  # fmt: skip
TRACE = "0af7651916cd43dd8448eb211c80319c"


def main(folder: str, tables: Path, rows: Path) -> None:
    """`rows` ends with the record that comes once more, about another order, after the tables were adopted."""
    with Store(f"chdb://{folder}") as store:
        for text in (*statements(tables.read_text()), *statements(rows.read_text())):
            store.command(text)
        changed = adopt(store)
        migrate.migrate(store, NOW)
        migrate.replace_views(store, ROOT / "collector" / "views")
        again = adopt(store)
        store.command(statements(rows.read_text())[-1].replace("NEWER", "NEWEST"))
        for minutes in (1, 2):
            derive_events(store, [ORDERS], Correlation(), NOW + timedelta(minutes=minutes))
        events = store.rows(
            "SELECT step, occurred_at, known_at >= {now:DateTime64(6, 'UTC')} AS known_now, objects.key AS keys, "
            "amount, outcome, dims, attributes, trace_id, span_id, source FROM events ORDER BY step, span_id, keys",
            {"now": NOW},
        )
        at = datetime.now(UTC)
        spans = store.rows(read(SQL / "spans.sql"), {"traces": [TRACE], "as_of": at, "known_at": at})
        told = {"adopted": changed, "again": again, "events": events, "spans": spans}
        sys.stdout.write(json.dumps(told, default=str))


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3]))
