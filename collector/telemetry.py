"""Telemetry tables that the Collector's ClickHouse exporter made before us: tieout works on those as well.

The exporter has changed its tables several times and never migrates them; README of the exporter. What we read goes
through the views in `views/`, whose columns every generation has once it is adopted.
"""

from __future__ import annotations

from pathlib import Path

from core.errors import ConfigurationError
from store.client import Store
from store.sqlfile import read, statements

SQL = Path(__file__).parent / "sql"

# What the exporter may have made, and when a row of it happened.
_TIMES = {"otel_traces": "Timestamp", "otel_logs": "Timestamp"} | {
    f"otel_metrics_{kind}": "TimeUnix"
    for kind in ("gauge", "sum", "histogram", "exponential_histogram", "summary")
}


def adopt(store: Store) -> list[str]:
    """Makes tables of another program fit for us before migrations meet them; gives the tables it changed.

    Rows that are there already became known when they happened; later ones when they come.
    Raises ConfigurationError when they keep attributes as JSON, as the exporter does with `json: true`.
    """
    adopted = []
    for table, time in _TIMES.items():
        columns = {
            row["name"]: row["type"] for row in store.rows(read(SQL / "columns_of.sql"), {"table": table})
        }
        if not columns or "known_at" in columns:
            continue
        if columns["ResourceAttributes"].startswith("JSON"):
            raise ConfigurationError(
                f"{table} keeps attributes as JSON, which tieout does not read: give tieout a database of its own "
                "in store.url, and have the Collector send OTLP to it beside its ClickHouse exporter"
            )
        for step in statements(read(SQL / "adopt.sql").text):
            store.command(step, {"table": table, "time": time})
        adopted.append(table)
    if "otel_logs" in adopted:
        store.command(read(SQL / "adopt_event_name.sql"))
    return adopted
