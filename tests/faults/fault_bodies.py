"""Requests whose items are all different, of every signal, and the rows they must become."""

from __future__ import annotations

import itertools
import os
import random
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Literal

import otlp_log_rows
import otlp_metric_rows
import otlp_rows
from google.protobuf.message import Message
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from otlp_bodies import START_NS, any_value, pairs, request, span
from otlp_random import as_json

from collector.signals import LOGS, METRICS, SIGNALS, TRACES, Signal
from store.client import Store

DAY_NS = 86_400 * 1_000_000_000
# An insert of them is three parts a table, between which a process can die.
DAYS = 3
Way = Literal["protobuf", "json", "grpc"]
WAYS: tuple[Way, ...] = ("protobuf", "json", "grpc")
_numbers = itertools.count()


@dataclass(frozen=True, eq=False)
class Body:
    """One export request: over which way it goes, its bytes, and the rows it must become, as texts."""

    signal: Signal
    way: Way
    content: bytes
    rows: tuple[str, ...]


def new_body(signal: Signal, way: Way, chance: random.Random, items: int = 12, padding: int = 0) -> Body:
    """A request of `items` items, each with `padding` characters more."""
    facts = [{"n": next(_numbers), "text": "x" * padding, "list": ["a", "b"]} for _ in range(items)]
    starts = [START_NS + chance.randrange(DAYS) * DAY_NS + chance.randrange(10**12) for _ in facts]
    message = MAKERS[signal.name](list(zip(facts, starts, strict=True)))
    content = as_json(message) if way == "json" else message.SerializeToString()
    return Body(signal, way, content, tuple(texts_of(signal, message)))


Items = list[tuple[dict[str, Any], int]]


def _traces(items: Items) -> Message:
    spans = [span(facts, start_time_unix_nano=at, end_time_unix_nano=at + 5) for facts, at in items]
    for made, (_, at) in zip(spans[::3], items[::3], strict=True):
        made.events.add(time_unix_nano=at, name="sent", attributes=pairs({"k": "v"}))
        made.links.add(trace_id=os.urandom(16), span_id=os.urandom(8))
    return request(*spans)


def _logs(items: Items) -> Message:
    made = ExportLogsServiceRequest()
    group = made.resource_logs.add()
    group.resource.attributes.extend(pairs({"service.name": "orders"}))
    scope = group.scope_logs.add()
    for facts, at in items:
        scope.log_records.add(
            time_unix_nano=at, severity_text="INFO", severity_number=9, body=any_value(f"said {facts['n']}"),  # type: ignore[arg-type]
            attributes=pairs(facts), trace_id=os.urandom(16), span_id=os.urandom(8),
        )  # fmt: skip
    return made


def _metrics(items: Items) -> Message:
    """Points of all kinds in turn, so that one request goes to all five tables."""
    made = ExportMetricsServiceRequest()
    group = made.resource_metrics.add()
    group.resource.attributes.extend(pairs({"service.name": "orders"}))
    scope = group.scope_metrics.add()
    kinds = itertools.cycle(otlp_metric_rows.TABLES)
    for (facts, at), kind in zip(items, kinds, strict=False):
        metric = scope.metrics.add(name=f"orders.{kind}", unit="1")
        point = getattr(metric, kind).data_points.add(
            time_unix_nano=at, start_time_unix_nano=at - 5, attributes=pairs(facts)
        )
        if kind in ("gauge", "sum"):
            point.as_double = 0.1 * facts["n"]
        else:
            point.count, point.sum = 3, 1.5
        if kind == "histogram":
            point.explicit_bounds.extend([1.0, 2.0])
            point.bucket_counts.extend([1, 1, 1])
    return made


MAKERS = {"traces": _traces, "logs": _logs, "metrics": _metrics}


def texts_of(signal: Signal, message: Any) -> list[str]:
    """The rows that this request must become."""
    if signal is TRACES:
        return [repr(row) for row in otlp_rows.expected(message)]
    if signal is LOGS:
        return [repr(row) for row in otlp_log_rows.expected(message)]
    return _flat(otlp_metric_rows.expected(message))


def stored(store: Store, signal: Signal) -> Counter[str]:
    """The rows that are there, and how often each."""
    if signal is TRACES:
        return Counter(map(repr, otlp_rows.rows(store)))
    if signal is LOGS:
        return Counter(map(repr, otlp_log_rows.rows(store)))
    return Counter(_flat(otlp_metric_rows.rows(store)))


def _flat(rows: dict[str, list[dict[str, Any]]]) -> list[str]:
    return [f"{kind} {row!r}" for kind, some in rows.items() for row in some]


def check(store: Store, acked: Iterable[Body], others: Iterable[Body]) -> None:
    """The oracle: what was acknowledged is there exactly once as it was sent, what was not is there at most once.

    Nothing else is there, and the spans of every trace can be found by its id.
    """
    acked, others = list(acked), list(others)
    for signal in SIGNALS:
        there = stored(store, signal)
        must = {row for body in acked if body.signal is signal for row in body.rows}
        may = {row for body in others if body.signal is signal for row in body.rows}
        found = {
            "lost": len(must - there.keys()),
            "doubled": sum(times > 1 for times in there.values()),
            "strange": len(there.keys() - must - may),
        }
        problems = [f"{name}: {count}" for name, count in found.items() if count]
        assert not problems, f"{signal.name}, {problems} of {len(must)} items acknowledged"
    assert store.value("SELECT uniqExact(TraceId) FROM otel_traces") == store.value(
        "SELECT uniqExact(TraceId) FROM otel_traces_trace_id_ts"
    ), "traces that cannot be found by their id"


def combinations() -> list[tuple[Signal, Way]]:
    """Every signal over every way."""
    return [(signal, way) for signal in (TRACES, LOGS, METRICS) for way in WAYS]
