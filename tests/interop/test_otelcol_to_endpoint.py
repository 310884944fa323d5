"""The Collector's own ClickHouse exporter writes into the embedded store, as it does into a server."""

from __future__ import annotations

import json
import math
import subprocess
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import builds
import httpx
import pytest
from hypothesis import HealthCheck, Phase, given, seed, settings
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
from otlp_rows import expected, rows
from parties import ROOT, Otelcol, Sender, Tieout, wait_until
from test_otlp_same_rows import requests, unlike_any_other, without_invalid

SHIPPED = ROOT / "collector" / "otelcol.yaml"
HERE = Path(__file__).parent
CHANGED = HERE / "otelcol_to_endpoint.yaml"
AT_ONCE = HERE / "otelcol_at_once.yaml"
PROTOBUF = {"Content-Type": "application/x-protobuf"}


@pytest.mark.slow
def test_the_collector_accepts_the_shipped_configuration(tmp_path: Path) -> None:
    places = {
        "CLICKHOUSE_ENDPOINT": "tcp://clickhouse:9000",
        "CLICKHOUSE_USER": "u",
        "CLICKHOUSE_PASSWORD": "p",
    }
    queue = f"--set=extensions::file_storage/queue::directory={tmp_path}"
    done = subprocess.run(
        [builds.otelcol(), "validate", "--config", SHIPPED, queue],
        env=places, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")
    wrong = tmp_path / "wrong.yaml"
    wrong.write_text(SHIPPED.read_text().replace("queue_size", "queue_sizes"))
    done = subprocess.run(
        [builds.otelcol(), "validate", "--config", wrong, queue],
        env=places, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode
    assert "queue_sizes" in done.stderr


@pytest.mark.slow
def test_the_shipped_configuration_loses_nothing_when_either_side_is_killed(
    tieout: Tieout, otelcol: Callable[..., Otelcol], sender: Callable[..., Sender]
) -> None:
    """At least once: a batch whose answer was lost is written again, and what is there twice is the same twice."""
    collector = otelcol(SHIPPED, CHANGED)
    sending = sender(builds.python_sender(), collector.traces_url, 2000)
    for stored, victims in ((100, [tieout]), (400, [collector]), (700, [collector, tieout])):
        wait_until(lambda least=stored: len(tieout.copies()) >= least, tieout.said)
        for victim in victims:
            victim.kill()
        for victim in victims:
            victim.start()
    exported, failed = sending.result()
    assert len(exported) > 1000
    wait_until(lambda: set(exported) <= set(tieout.copies()), collector.said)
    assert set(tieout.copies()) <= {*exported, *failed}
    with tieout.store() as store:
        unlike = store.value(
            "SELECT count() FROM (SELECT 1 FROM otel_traces GROUP BY TraceId, SpanId "
            "HAVING uniqExact(tuple(* EXCEPT known_at)) > 1)"
        )
    assert unlike == 0


def for_a_collector(sent: ExportTraceServiceRequest) -> ExportTraceServiceRequest:
    """Without what the two ways differ in; each is a loss in the exporter that the receiver does not have.

    For a link with an id of a wrong length a Collector refuses the whole request. A kind or status without a name
    becomes empty; the receiver keeps the number. Inside a list or map an infinite number or NaN empties the whole
    value, and empty bytes become null.
    """
    kept, _ = without_invalid(sent)
    for group in kept.resource_spans:
        in_one_way(group.resource.attributes)
        for one in (one for scope in group.scope_spans for one in scope.spans):
            one.kind, one.status.code = one.kind % 6, one.status.code % 3
            for attributes in (one.attributes, *(part.attributes for part in (*one.events, *one.links))):
                in_one_way(attributes)
            for link in one.links:
                link.trace_id = link.trace_id if len(link.trace_id) == 16 else b""
    return kept


def in_one_way(attributes: Iterable[KeyValue]) -> None:
    """Replaces numbers and bytes inside lists and maps that the exporter cannot write."""
    waiting = [item for pair in attributes for item in inside(pair.value)]
    while waiting:
        value = waiting.pop()
        waiting += inside(value)
        if not math.isfinite(value.double_value):
            value.double_value = 0.5
        if value.HasField("bytes_value") and not value.bytes_value:
            value.bytes_value = b"-"


def inside(value: AnyValue) -> list[AnyValue]:
    return [*value.array_value.values, *(pair.value for pair in value.kvlist_value.values)]


@pytest.mark.slow
def test_a_trace_has_the_same_rows_whichever_way_it_came(
    tieout: Tieout, otelcol: Callable[..., Otelcol]
) -> None:
    """All columns of the exporter, for anything a span can hold; `known_at` tells when each way stored it."""
    collector = otelcol(AT_ONCE)
    wanted: list[dict[str, Any]] = []

    @seed(4)
    @settings(
        max_examples=80, deadline=None, database=None, phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )  # fmt: skip
    @given(sent=requests())
    def send(sent: ExportTraceServiceRequest) -> None:
        kept = for_a_collector(unlike_any_other(sent, "resource_spans"))
        for url in (collector.traces_url, tieout.traces_url):
            answer = httpx.post(url, content=kept.SerializeToString(), headers=PROTOBUF, timeout=30)
            assert answer.status_code == 200, answer.text
        wanted.extend(expected(kept))

    send()
    assert len(wanted) > 50
    with tieout.store() as store:
        assert in_order(rows(store)) == in_order([*wanted, *wanted])


def in_order(found: list[dict[str, Any]]) -> list[str]:
    """The exporter sorts the keys of a map, the receiver leaves them as they were sent."""
    return sorted(json.dumps(row, sort_keys=True) for row in found)
