"""The Collector's own ClickHouse exporter writes into the embedded store, as it does into a server."""

from __future__ import annotations

import json
import math
import subprocess
import sys
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
AS_JSON = HERE / "otelcol_json.yaml"
JSON_TABLES = ROOT / "tests" / "collector" / "generations" / "json.sql"
# The store's endpoint lets nobody make tables, and a process can open one store.
MAKES_TABLES = """
import sys
from pathlib import Path
from store.folder import DataFolder
from store.client import Store
from store.sqlfile import statements
with Store(DataFolder(Path(sys.argv[1])).dsn) as store:
    store.command("CREATE DATABASE kept")
    for text in statements(Path(sys.argv[2]).read_text()):
        store.command(text.replace(" otel_", " kept.otel_"))
"""
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


@pytest.mark.slow
def test_tables_with_json_in_another_database_are_followed(
    tieout: Tieout, otelcol: Callable[..., Otelcol]
) -> None:
    """What was there before and what comes afterwards has the rows that the receiver gives it."""
    tieout.end()
    subprocess.run(
        [sys.executable, "-c", MAKES_TABLES, tieout.folder / "data", JSON_TABLES], cwd=ROOT, check=True
    )
    tieout.start()
    collector = otelcol(AT_ONCE, AS_JSON)

    def send(url: str, number: int) -> None:
        sent = ExportTraceServiceRequest()
        group = sent.resource_spans.add()
        group.resource.attributes.add(key="service.name").value.string_value = "erp"
        span = group.scope_spans.add().spans.add(trace_id=bytes([number]) * 16, span_id=bytes([number]) * 8)
        span.start_time_unix_nano = span.end_time_unix_nano = 1_790_000_000_000_000_000 + number
        attribute = span.attributes.add
        attribute(key="tieout.object.order").value.string_value = "4711"
        attribute(key="retried").value.bool_value = True
        attribute(key="lines").value.int_value = 12
        attribute(key="share").value.double_value = 0.25
        several = attribute(key="items").value.array_value.values
        for item in ("a", 'b"c'):
            several.add().string_value = item
        answer = httpx.post(url, content=sent.SerializeToString(), headers=PROTOBUF, timeout=30)
        assert answer.status_code == 200, answer.text

    send(collector.traces_url, 1)
    (tieout.folder / "tieout.yaml").write_text("title: interop\ntelemetry_from: [kept]\n")
    tieout.end()
    tieout.start()
    send(collector.traces_url, 2)
    for number in (1, 2):
        send(tieout.traces_url, number)
    with tieout.store() as store:
        found = in_order(rows(store))
    assert len(found) == 4
    assert found[0::2] == found[1::2]


def in_order(found: list[dict[str, Any]]) -> list[str]:
    """The exporter sorts the keys of a map, the receiver leaves them as they were sent."""
    return sorted(json.dumps(row, sort_keys=True) for row in found)
