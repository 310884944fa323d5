"""The telemetry tables: how long they keep what they hold, and those the Collector's ClickHouse exporter made before us.

The exporter has changed its tables several times and never migrates them; README of the exporter. What we read goes
through the views in `views/`, whose columns every generation has once it is adopted.
"""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

from pydantic import field_validator

from core.duration import Duration
from core.errors import ConfigurationError
from core.yamlfile import FileModel
from store.client import Store
from store.sqlfile import read, statements

SQL = Path(__file__).parent / "sql"

_METRICS = tuple(
    f"otel_metrics_{kind}" for kind in ("gauge", "sum", "histogram", "exponential_histogram", "summary")
)
# What the exporter may have made, and when a row of it happened.
_TIMES = {"otel_traces": "Timestamp", "otel_logs": "Timestamp"} | dict.fromkeys(_METRICS, "TimeUnix")
# Steps are derived within seconds; this is for the days on which nothing runs.
LEAST_KEPT = timedelta(days=7)


class Retention(FileModel):
    """How long telemetry is kept after it came, such as `90d`; what is left out is kept for ever.

    What was derived from it (events, verdicts, figures) stays.
    """

    traces: Duration | None = None
    logs: Duration | None = None
    metrics: Duration | None = None

    @field_validator("*")
    @classmethod
    def _long_enough(cls, length: timedelta | None) -> timedelta | None:
        if length is not None and length < LEAST_KEPT:
            raise ValueError(
                f"telemetry is kept for at least {LEAST_KEPT.days}d, as jobs may rest for some days"
            )
        return length


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
                f"{table} keeps attributes as JSON, which is another type than tieout writes: give tieout a database of its own "
                "in store.url, and name this one in telemetry_from"
            )
        for step in statements(read(SQL / "adopt.sql").text):
            store.command(step, {"table": table, "time": time})
        adopted.append(table)
    if "otel_logs" in adopted:
        store.command(read(SQL / "adopt_event_name.sql"))
    return adopted


def retain(store: Store, retention: Retention) -> list[str]:
    """Has the store drop telemetry that is older, in its own time; gives the tables it told something new."""
    traces, logs, metrics = retention.traces, retention.logs, retention.metrics
    wanted = {"otel_traces": traces, "otel_traces_trace_id_ts": traces, "otel_logs": logs}
    wanted |= dict.fromkeys(_METRICS, metrics)
    return [table for table, length in wanted.items() if _told(store, table, length)]


def _told(store: Store, table: str, length: timedelta | None) -> bool:
    seconds = int(length.total_seconds()) if length else None
    if store.value(read(SQL / "retention_of.sql"), {"table": table}) == seconds:
        return False
    if seconds is None:
        store.command(read(SQL / "retain_for_ever.sql"), {"table": table})
        return True
    time = "known_at" if table in _TIMES else "End"
    for step in statements(read(SQL / "retain.sql").text):
        store.command(step, {"table": table, "time": time, "seconds": seconds})
    return True
