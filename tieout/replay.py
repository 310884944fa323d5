"""Plays the end of a log live: what `tieout demo` held back is sent as OpenTelemetry spans, in the log's own time.

Links and states have no place in spans; they are stored when their business time comes, as a probe would.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace import SpanKind, Tracer

from collector.imports.load import find_mapping
from collector.imports.tail import Tail, tail
from store.client import Store
from tieout.project import Project

log = logging.getLogger("tieout.replay")

TICK_S = 0.5


class Replay:
    """The tails of all logs of a project, sent at `pace` of business time a second once started."""

    def __init__(self, project: Project, held: timedelta, pace: timedelta) -> None:
        self._project = project
        self._held = held
        self._pace = pace
        self._tails: dict[str, Tail] = {}
        self._sources: dict[str, str] = {}
        self.starts: dict[str, datetime] = {}
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None

    def prepare(self, store: Store, now: datetime) -> None:
        """Reads what lies in the last `held` of each log. Call it before anything is imported."""
        for name, workflow in self._project.workflows.items():
            files = log_files(self._project, name)
            mapping = self._project.mappings[find_mapping(files[0], self._project.loaded_mappings).mapping]
            # A first look at the whole log tells where it ends.
            whole = tail(store, mapping, workflow, files, datetime(1970, 1, 1, tzinfo=UTC), now)
            start = pc.max(whole.events["occurred_at"]).as_py() - self._held
            self.starts[name] = start
            self._sources[name] = mapping.mapping
            self._tails[name] = Tail(
                _from(whole.events, "occurred_at", start),
                _from(whole.links, "valid_from", start),
                _from(whole.snapshots, "valid_from", start),
            )

    def start(self, endpoint: str, store: Store, tell: Callable[[str], None]) -> None:
        """Begins to send to the OTLP `endpoint`, in a thread of its own."""
        total = sum(found.events.num_rows for found in self._tails.values())
        tell(
            f"replaying {total:,} events, {self._pace} of the log a second; watch the dashboard and `tieout alerts list`"
        )
        self._thread = threading.Thread(target=self._run, args=(endpoint, store), name="replay", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Stops sending and flushes what is under way."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join(10)

    def _run(self, endpoint: str, store: Store) -> None:
        providers = {name: _provider(name, endpoint) for name in self._tails}
        players = [
            self._play(name, found, providers[name].get_tracer("tieout.replay"), store)
            for name, found in self._tails.items()
        ]
        while players and not self._stop.wait(TICK_S):
            players = [player for player in players if next(player, None)]
        for provider in providers.values():
            provider.shutdown()
        log.info("replay ended")

    def _play(self, name: str, found: Tail, tracer: Tracer, store: Store) -> Iterator[bool]:
        """Sends one tick of business time at every step; ends with the log."""
        begin, step = self.starts[name], self._pace * TICK_S
        source = self._sources[name]
        while found.events.num_rows:
            end = begin + step
            for event in _between(found.events, "occurred_at", begin, end).to_pylist():
                _send(tracer, name, source, event)
            now, run = datetime.now(UTC), {"source": source}
            links = _between(found.links, "valid_from", begin, end)
            _write(store, "object_links", links, run | {"workflow": name, "known_at": now})
            states = _between(found.snapshots, "valid_from", begin, end)
            _write(
                store, "snapshots", states, run | {"run_id": "replay", "known_at": now, "captured_at": now}
            )
            begin = end
            found = Tail(_from(found.events, "occurred_at", begin), found.links, found.snapshots)
            yield True


def log_files(project: Project, workflow: str) -> list[Any]:
    """The log files of a workflow in the project's `data` folder."""
    files = sorted(path for path in (project.root / "data").iterdir() if path.suffix in (".gz", ".xz"))
    return [file for file in files if find_mapping(file, project.loaded_mappings).workflow == workflow]


def _provider(workflow: str, endpoint: str) -> TracerProvider:
    resource = Resource.create({"service.name": workflow.replace("_", "-")})
    provider = TracerProvider(resource=resource)
    provider.add_span_processor(
        BatchSpanProcessor(OTLPSpanExporter(endpoint=endpoint), schedule_delay_millis=500)
    )
    return provider


def _send(tracer: Tracer, workflow: str, source: str, event: Mapping[str, Any]) -> None:
    """One business step as one span at the time it happened, with the identity it has in the log."""
    at = int(event["occurred_at"].timestamp() * 1_000_000) * 1_000
    span = tracer.start_span(
        event["activity"],
        kind=SpanKind.INTERNAL,
        start_time=at,
        attributes=_attributes(workflow, source, event),
    )
    span.end(end_time=at)


def _attributes(workflow: str, source: str, event: Mapping[str, Any]) -> dict[str, Any]:
    attributes: dict[str, Any] = {
        "tieout.event_id": event["event_id"],
        "tieout.flow": workflow,
        "tieout.step": event["step"],
        "tieout.source": source,
        "tieout.actor": event["actor"],
    }
    keys: dict[str, list[str]] = {}
    for kind, key in zip(event["object_types"], event["object_keys"], strict=True):
        keys.setdefault(kind, []).append(key)
    attributes |= {f"tieout.object.{kind}": found for kind, found in keys.items()}
    attributes |= {f"tieout.{name}": value for name, value in dict(event["dims"]).items() if value}
    attributes |= {name: value for name, value in dict(event["attributes"]).items() if value}
    if event["amount"] is not None:
        attributes |= {"tieout.amount": str(event["amount"]), "tieout.currency": event["currency"]}
    return attributes


def _from(table: pa.Table, column: str, start: datetime) -> pa.Table:
    return table.filter(pc.greater_equal(table[column], start)) if table.num_rows else table


def _between(table: pa.Table, column: str, start: datetime, end: datetime) -> pa.Table:
    if not table.num_rows:
        return table
    return table.filter(pc.and_(pc.greater_equal(table[column], start), pc.less(table[column], end)))


def _write(store: Store, table: str, rows: pa.Table, stamps: Mapping[str, Any]) -> None:
    """Stores facts with what the log does not say of them: source and the time they became known."""
    if not rows.num_rows:
        return
    for column, value in stamps.items():
        kind = pa.timestamp("us", "UTC") if isinstance(value, datetime) else pa.string()
        rows = rows.append_column(column, pa.array([value] * rows.num_rows, kind))
    store.insert_arrow(table, rows)
