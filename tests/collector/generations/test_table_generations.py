"""tieout works on telemetry tables that the Collector's ClickHouse exporter made, whichever of its releases that was."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.slow

HERE = Path(__file__).parent
ROOT = HERE.parents[2]


def run(folder: Path, generation: str) -> subprocess.CompletedProcess[str]:
    program = [sys.executable, HERE / "generation_process.py", folder / "store"]
    files = [HERE / f"{generation}.sql", HERE / f"rows_{generation}.sql"]
    paths = {"PYTHONPATH": os.fspath(ROOT)}
    return subprocess.run(
        [*program, *files],
        capture_output=True,
        text=True,
        timeout=120,
        env={**os.environ, **paths},
        check=False,
    )


@pytest.mark.parametrize("generation", ["traces_released", "traces_next"])
def test_events_are_derived_from_tables_of_every_generation(tmp_path: Path, generation: str) -> None:
    done = run(tmp_path, generation)
    assert done.returncode == 0, done.stderr
    told: dict[str, Any] = json.loads(done.stdout)
    assert told["adopted"] == ["otel_traces", "otel_logs"]
    assert told["again"] == []
    found = [
        (event["step"], event["keys"], event["amount"], event["outcome"], event["known_now"])
        for event in told["events"]
    ]
    assert found == [
        ("po.acked", ["NEWER"], None, "ok", 0),
        ("po.acked", ["NEWEST"], None, "ok", 1),
        ("po.created", ["4711", "4712", "4713", "4714"], "12.500000", "ok", 0),
        ("po.created", ["4720"], None, "failed", 0),
    ]
    assert {event["dims"]["department"] for event in told["events"]} == {"surgery"}
    assert {event["source"] for event in told["events"]} == {"otlp/erp"}
    assert [span["span_id"] for span in told["spans"]] == [
        "00f067aa0ba902b7", "00f067aa0ba902b8", "00f067aa0ba902b9",
    ]  # fmt: skip


def test_attributes_kept_as_json_are_refused_with_the_cure(tmp_path: Path) -> None:
    done = run(tmp_path, "json")
    assert done.returncode == 1
    assert "otel_traces keeps attributes as JSON" in done.stderr
    assert "database of its own" in done.stderr
