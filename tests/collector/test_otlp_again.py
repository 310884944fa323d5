"""The same telemetry sent again, in other company or in another order: KPIs read events, and those stay the same."""

from __future__ import annotations

import random
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
from opentelemetry.proto.trace.v1.trace_pb2 import Span
from otlp_bodies import answer_of, post, request, span
from span_rows import workflow

from collector.correlation import Correlation
from collector.derive import derive_events
from core.clock import SystemClock
from reconcile.run import reconcile
from store.client import Store

ORDERS = workflow()
DAY = datetime(2026, 11, 18, 8, tzinfo=UTC)
EVENTS = "SELECT step, occurred_at, objects.key AS keys, outcome, span_id FROM events ORDER BY occurred_at, span_id"


def steps_of(orders: int, mark: int = 1) -> list[Span]:
    """Two spans an order: created by a parent that ends a day later, and sent inside of it. Other marks, other bodies."""
    made = []
    for number in range(orders):
        trace, at = bytes([mark, number] * 8), DAY + timedelta(minutes=number)
        named = {"tieout.object.order": str(number)}
        create = {"trace_id": trace, "span_id": bytes([2, number] * 4), "name": "create order"}
        send = {
            "trace_id": trace,
            "span_id": bytes([3, number] * 4),
            "name": "send order",
            "parent_span_id": create["span_id"],
        }
        made.append(span(named, **create, **lasting(at, timedelta(days=1))))
        made.append(span(named, **send, **lasting(at + timedelta(hours=1), timedelta(seconds=1))))
    return made


def lasting(at: datetime, length: timedelta) -> dict[str, int]:
    return {
        "start_time_unix_nano": int(at.timestamp()) * 10**9,
        "end_time_unix_nano": int((at + length).timestamp()) * 10**9,
    }


def sent(otlp: httpx.Client, spans: Sequence[Span]) -> None:
    assert answer_of(post(otlp, request(*spans).SerializeToString())).partial_success.rejected_spans == 0


def events(store: Store) -> list[dict[str, Any]]:
    derive_events(store, [ORDERS], Correlation(), SystemClock().now() + timedelta(seconds=1))
    return store.rows(EVENTS)


def verdicts(store: Store) -> list[dict[str, Any]]:
    """What every KPI of the workflow is counted from, a day after the last order."""
    later = SystemClock().now() + timedelta(seconds=10)
    reconcile(store, [ORDERS], later)
    return store.rows(
        "SELECT item_key, expectation, state, opened_at, closed_at FROM verdicts_at(as_of = {v:DateTime64(6, 'UTC')}, "
        "known_at = {k:DateTime64(6, 'UTC')}) ORDER BY item_key, expectation",
        {"v": DAY + timedelta(days=2), "k": later},
    )


def test_case_66_a_client_that_replays_after_a_partial_success_changes_nothing(
    otlp: httpx.Client, store: Store
) -> None:
    body = request(*steps_of(3), span({}, span_id=b"")).SerializeToString()
    for _ in range(3):
        assert answer_of(post(otlp, body)).partial_success.rejected_spans == 1
        assert len(events(store)) == 6
    # As some do: only what is thought to be missing, and more than that.
    sent(otlp, steps_of(3)[2:])
    assert len(events(store)) == 6


def test_case_116_spans_batched_differently_are_counted_once(otlp: httpx.Client, store: Store) -> None:
    spans = steps_of(8, 2)
    sent(otlp, spans)
    first = events(store)
    for size in (1, 3, 5):
        for start in range(0, len(spans), size):
            sent(otlp, spans[start : start + size])
    assert store.value("SELECT count() FROM otel_traces") > len(spans), "no body was the same"
    assert events(store) == first
    assert len(first) == len(spans)


@pytest.mark.parametrize("seed", range(2))
def test_case_118_children_first_and_parents_a_day_later_give_the_same_verdicts(
    otlp: httpx.Client, store: Store, seed: int
) -> None:
    spans = steps_of(6, 3 + seed)
    shuffled = random.Random(seed).sample(spans, len(spans))
    children = [one for one in shuffled if one.parent_span_id]
    parents = [one for one in shuffled if not one.parent_span_id]
    for one in children:
        sent(otlp, [one])
    events(store)
    sent(otlp, parents[:2])
    events(store)
    sent(otlp, parents[2:])
    in_disorder = events(store), verdicts(store)
    for table in ("otel_traces", "events", "event_objects", "expectations", "marks", "watermarks"):
        store.command("TRUNCATE TABLE {table:Identifier}", {"table": table})
    sent(otlp, [*spans, span({"other": "body"}, name="other")])
    again = events(store), verdicts(store)
    assert again == in_disorder
    assert {row["state"] for row in in_disorder[1]} == {"MATCHED"}
    assert len(in_disorder[1]) == 6
