"""Telemetry is kept as long as the settings say, and what was derived from it stays."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest

from collector.telemetry import Retention, retain
from store.client import Store

NOW = datetime.now(UTC)
OLD, YOUNG = NOW - timedelta(days=40), NOW - timedelta(days=20)
TRACES = ["otel_traces", "otel_traces_trace_id_ts"]


@pytest.fixture
def filled(store: Store) -> Iterator[Store]:
    """An old and a young span and record; at the end everything is kept again."""
    for at in (OLD, YOUNG):
        common = {"Timestamp": at, "TraceId": f"{at:%d}", "known_at": at}
        store.insert("otel_traces", [{**common, "SpanName": "s"}])
        store.insert("otel_logs", [{**common, "Body": "b"}])
    store.insert(
        "events", [{"event_id": "e", "workflow": "w", "step": "s", "occurred_at": OLD, "known_at": OLD}]
    )
    yield store
    retain(store, Retention())


def kept(store: Store) -> dict[str, int]:
    tables = (*TRACES, "otel_logs", "events")
    for table in tables:
        store.command("OPTIMIZE TABLE {table:Identifier} FINAL", {"table": table})
    return {
        table: store.value("SELECT count() FROM {table:Identifier}", {"table": table}) for table in tables
    }


def test_old_telemetry_goes_and_the_rest_stays(filled: Store) -> None:
    assert retain(filled, Retention(traces=timedelta(days=30))) == TRACES
    assert kept(filled) == {"otel_traces": 1, "otel_traces_trace_id_ts": 1, "otel_logs": 2, "events": 1}
    assert retain(filled, Retention(traces=timedelta(days=30))) == []


def test_another_length_replaces_the_first_and_none_keeps_everything(filled: Store) -> None:
    assert retain(filled, Retention(logs=timedelta(days=90))) == ["otel_logs"]
    assert kept(filled)["otel_logs"] == 2
    assert retain(filled, Retention(logs=timedelta(days=30))) == ["otel_logs"]
    assert kept(filled)["otel_logs"] == 1
    assert retain(filled, Retention()) == ["otel_logs"]
    filled.insert("otel_logs", [{"Timestamp": OLD, "Body": "b", "known_at": OLD}])
    assert kept(filled)["otel_logs"] == 2


def test_a_length_under_which_jobs_may_miss_something_is_refused() -> None:
    with pytest.raises(ValueError, match="at least 7d"):
        Retention(metrics=timedelta(days=2))
