"""The whole system is killed at any moment, again and again: nothing acknowledged is lost, nothing is doubled."""

from __future__ import annotations

import random
import signal
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from processes import ROOT, Up, wait_until

from store.client import Store
from store.folder import running
from tieout.scaffold import create

START = datetime(2026, 1, 5, 8, 0, tzinfo=UTC)
STEPS = ("case.opened", "case.closed", "case.released", "coding.final", "bill.dropped")


def case(number: int) -> bytes:
    """One billing case from opening to bill, as five spans of one request."""
    request = ExportTraceServiceRequest()
    spans = request.resource_spans.add()
    service = spans.resource.attributes.add()
    service.key, service.value.string_value = "service.name", "hospital-billing"
    scope = spans.scope_spans.add()
    for position, step in enumerate(STEPS):
        span = scope.spans.add()
        span.trace_id = number.to_bytes(16, "big")
        span.span_id = (number * 10 + position + 1).to_bytes(8, "big")
        span.name = step
        at = int((START + timedelta(minutes=number, hours=position)).timestamp()) * 1_000_000_000
        span.start_time_unix_nano = span.end_time_unix_nano = at
        for key, value in (
            ("tieout.flow", "hospital_billing"),
            ("tieout.step", step),
            ("tieout.object.billing_case", f"K{number}"),
        ):
            attribute = span.attributes.add()
            attribute.key, attribute.value.string_value = key, value
    return request.SerializeToString()


def deliver(up: Up, body: bytes) -> bool:
    """Whether the receiver acknowledged it."""
    try:
        answer = httpx.post(
            up.url("otlp") + "/v1/traces",
            content=body,
            headers={"Content-Type": "application/x-protobuf"},
            timeout=5,
        )
    except httpx.HTTPError:
        return False
    return answer.status_code == 200


@pytest.mark.slow
@pytest.mark.parametrize("seed", [1, 2])
def test_kill_at_any_moment_loses_nothing_and_doubles_nothing(
    tmp_path: Path, up: Callable[..., Up], seed: int
) -> None:
    chance = random.Random(seed)
    folder = tmp_path / "site"
    create(folder, ROOT / "examples" / "demo")
    number, system = 0, up(folder)
    for _ in range(4):
        end = time.monotonic() + chance.uniform(0.5, 6)
        while time.monotonic() < end:
            # What was not acknowledged is sent again, as any exporter does, also after the restart.
            number += deliver(system, case(number + 1))
        system.process.send_signal(signal.SIGKILL)
        system.process.wait(30)
        system = up(folder)
    number += deliver(system, case(number + 1))
    live = running(folder / "data")
    assert live is not None
    with Store(live.store_url, token=live.reader_token.get_secret_value(), read_only=True) as store:

        def settled() -> bool:
            return bool(
                store.value("SELECT uniqExact(item_key) FROM expectations WHERE expectation = 'end_to_end'")
                == number
            )

        wait_until(settled, f"{number} cases")
        time.sleep(3)
        assert store.one(
            "SELECT count() AS events, uniqExact(event_id) AS ids, uniqExact(objects.key) AS cases FROM events"
        ) == {"events": 5 * number, "ids": 5 * number, "cases": number}
        doubled = store.value(
            "SELECT count() FROM (SELECT item_key, known_at, expectation, opened_by, evidence FROM expectations "
            "GROUP BY ALL HAVING count() > 1)"
        )
        assert doubled == 0
        now = {"as_of": START + timedelta(days=300), "known_at": datetime.now(UTC)}
        states = store.rows(
            "SELECT state, count() AS items FROM verdicts_at(as_of = {as_of:DateTime64(6, 'UTC')}, "
            "known_at = {known_at:DateTime64(6, 'UTC')}) WHERE expectation = 'end_to_end' GROUP BY state",
            now,
        )
        assert states == [{"state": "MATCHED", "items": number}]
