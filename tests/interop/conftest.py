"""Parties for one test; all have ended when it has."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path

import builds
import pytest
from parties import WRITER, Otelcol, Sender, Tieout


@pytest.fixture
def stage() -> Iterator[ExitStack]:
    """Ends the parties, the last first."""
    with ExitStack() as stack:
        yield stack


@pytest.fixture
def tieout(stage: ExitStack, tmp_path: Path) -> Tieout:
    """A running tieout."""
    made = Tieout(tmp_path / "tieout")
    stage.callback(made.end)
    made.start()
    return made


@pytest.fixture
def otelcol(stage: ExitStack, tmp_path: Path, tieout: Tieout) -> Callable[..., Otelcol]:
    """Starts a Collector that passes on to the running tieout, with these files."""

    def start(*files: Path) -> Otelcol:
        made = Otelcol(
            tmp_path / "otelcol",
            builds.otelcol(),
            files,
            {
                "RECEIVER": f"http://127.0.0.1:{tieout.otlp_port}",
                "RECEIVER_GRPC": f"127.0.0.1:{tieout.grpc_port}",
                "CLICKHOUSE_ENDPOINT": tieout.store_url,
                "CLICKHOUSE_USER": "writer",
                "CLICKHOUSE_PASSWORD": WRITER,
            },
        )
        stage.callback(made.end)
        made.start()
        return made

    return start


@pytest.fixture
def sender(stage: ExitStack) -> Callable[..., Sender]:
    """Starts a program that sends spans."""

    def start(command: Sequence[str], url: str, count: int, *more: str) -> Sender:
        made = Sender(command, url, count, *more)
        stage.callback(made.end)
        return made

    return start
