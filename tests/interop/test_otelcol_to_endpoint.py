"""The Collector's own ClickHouse exporter writes into the embedded store, as it does into a server."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

import builds
import httpx
import pytest
from hypothesis import HealthCheck, given, seed, settings
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from otlp_rows import expected, rows
from parties import ROOT, WRITER, Otelcol, Sender, Tieout, wait_until
from test_otlp_same_rows import requests, unlike_any_other, without_invalid

from store.client import Store

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
    """At least once: a batch whose answer was lost is written again. Figures count a span once all the same."""
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


@pytest.mark.slow
def test_a_trace_has_the_same_rows_whichever_way_it_came(
    tieout: Tieout, otelcol: Callable[..., Otelcol]
) -> None:
    """All columns of the exporter, for anything a span can hold; `known_at` tells when each way stored it."""
    collector = otelcol(AT_ONCE)

    @seed(4)
    @settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck), database=None)
    @given(sent=requests())
    def compare(sent: ExportTraceServiceRequest) -> None:
        kept, _ = without_invalid(unlike_any_other(sent))
        content = kept.SerializeToString()
        wanted = expected(kept)
        with tieout.store() as store, Store(tieout.store_url, token=WRITER) as writing:
            for url in (collector.traces_url, tieout.traces_url):
                writing.command("DELETE FROM otel_traces WHERE 1")
                answer = httpx.post(url, content=content, headers=PROTOBUF, timeout=30)
                assert answer.status_code == 200, answer.text
                assert rows(store) == wanted, url

    compare()
