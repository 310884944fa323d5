"""The derive job: spans and log records become events of the workflows whose steps they reach.

Reads what became known since its mark, with a stretch before it, and writes an event only once, so that
running again, crashing, and telemetry sent again or in another order change nothing. A span or record may name its step
(`tieout.flow`, `tieout.step`), its source (`tieout.source`, else `otlp/<service.name>`) and, when an import
knows the same event, its identity (`tieout.event_id`).
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa

from collector.correlation import Correlation
from store.client import Store
from store.sqlfile import read
from workflows.model import Traced, Workflow

SQL = Path(__file__).parent / "sql"
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

# A span is stamped before it is committed, so a stretch before the mark is read again.
OVERLAP = timedelta(minutes=5)
SLICE_SPANS = 100_000

Params = dict[str, Any]


def derive_events(
    store: Store, workflows: Iterable[Workflow], correlation: Correlation, now: datetime
) -> int:
    """Brings events and watermarks up to the spans known at `now`; gives the number of events written.

    An event is known since its span was, or since `now` when an earlier run had already gone past that time:
    what was known at a time before does not change. With another selector, object type or correlation, all
    spans are looked at again; events that were derived stay as they are.
    """
    watched = list(workflows)
    written = sum(_derive(store, workflow, correlation, now) for workflow in watched)
    _watermarks(store, watched, correlation, now)
    return written


def _derive(store: Store, workflow: Workflow, correlation: Correlation, now: datetime) -> int:
    config = _config(workflow, correlation)
    job = f"derive/{workflow.workflow}/{_version(config)}"
    mark, begin = _mark(store, job)
    written = 0
    while until := _next(store, begin, now):
        written += _slice(store, {**config, "mark": _text(mark), "now": _text(now)}, begin, until)
        begin = until
    _set_mark(store, job, mark, now)
    return written


def _slice(store: Store, config: Params, begin: datetime, until: datetime) -> int:
    """Writes the events of the spans known in (begin, until]."""
    params = {**config, "from": _text(begin), "until": _text(until)}
    bounds = store.one(read(SQL / "derive_bounds.sql"), params)
    if not bounds["spans"]:
        return 0
    params |= {"first": _text(bounds["first_at"]), "last": _text(bounds["last_at"])}
    events = store.table(read(SQL / "derive_events.sql"), params)
    if events.num_rows:
        store.insert_arrow("events", _columns(events))
    return int(events.num_rows)


def _watermarks(store: Store, workflows: list[Workflow], correlation: Correlation, now: datetime) -> None:
    """Tells how far telemetry has come, of the sources that workflows rely on."""
    mark, begin = _mark(store, "derive/watermarks")
    sources = {source for workflow in workflows for source in workflow.sources_of(tuple(workflow.steps))}
    params = {
        "from": _text(begin),
        "until": _text(now),
        "now": _text(now),
        "lag_us": correlation.watermark_lag // timedelta(microseconds=1),
        "sources": sorted(sources.union(*(workflow.sources for workflow in workflows))),
    }
    rows = store.rows(read(SQL / "telemetry_watermarks.sql"), params)
    store.insert("watermarks", [{**row, "known_at": now, "run_id": f"derive {_text(now)}"} for row in rows])
    if traced := {source for workflow in workflows for source in _listened_for(workflow)}:
        silence_us = correlation.silence // timedelta(microseconds=1)
        told = {**params, "sources": sorted(traced), "silence_us": silence_us}
        heard = store.rows(read(SQL / "telemetry_heard.sql"), told)
        store.insert("telemetry_heard", [{**row, "known_at": now} for row in heard])
    _set_mark(store, "derive/watermarks", mark, now)


def _listened_for(workflow: Workflow) -> set[str]:
    """Sources of which it must be known when they were heard: what they did not tell of is a finding."""
    steps = tuple(rule.step for rule in workflow.expectations if isinstance(rule, Traced))
    return {*workflow.sources, *workflow.sources_of(steps)} if steps else set()


def _config(workflow: Workflow, correlation: Correlation) -> Params:
    """A workflow and the correlation as parameters of the statement; nothing of them is ever SQL text."""
    selectors = [(name, selector) for name, step in workflow.steps.items() for selector in step.select]
    tested = sorted({attribute for _, selector in selectors for attribute in selector.where})
    dims = _dims(workflow, correlation)
    attempts = [counted.attribute for counted in correlation.attempts]
    looked_at = {*tested, *attempts, *correlation.amount, *correlation.currency, *correlation.actor}
    looked_at |= {*correlation.attributes, *(name for names in dims.values() for name in names)}
    return {
        "workflow": workflow.workflow,
        "steps": list(workflow.steps),
        "failed_steps": [name for name, step in workflow.steps.items() if step.failed],
        "selector_steps": [name for name, _ in selectors],
        "selector_signals": [selector.signal for _, selector in selectors],
        "selector_names": [selector.name for _, selector in selectors],
        "selector_systems": [selector.system for _, selector in selectors],
        "selector_tests": [
            [(tested.index(attribute) + 1, value) for attribute, value in selector.where.items()]
            for _, selector in selectors
        ],
        "any_name": sorted({selector.signal for _, selector in selectors if not selector.name}),
        "tested": tested,
        "wanted": sorted(looked_at | {"tieout.flow", "tieout.source"}),
        "types": list(workflow.objects),
        "rules": [list(kind.key) for kind in workflow.objects.values()],
        "objects": [(mapped.type, mapped.attribute, mapped.role) for mapped in correlation.objects],
        "ids": list(correlation.ids),
        "baggage": list(correlation.baggage),
        "relevant": sorted({*correlation.ids, *(mapped.attribute for mapped in correlation.objects)}),
        "dims": list(dims),
        "dim_attributes": list(dims.values()),
        "amounts": list(correlation.amount),
        "currencies": list(correlation.currency),
        "attempts": attempts,
        "first_attempts": [counted.first for counted in correlation.attempts],
        "actors": list(correlation.actor),
        "kept": list(correlation.attributes),
    }


def _dims(workflow: Workflow, correlation: Correlation) -> dict[str, list[str]]:
    """Segments and where they stand; a dimension of the workflow also stands in `tieout.<dimension>`."""
    dims = {name: list(attributes) for name, attributes in correlation.dims.items()}
    for name in workflow.dimensions:
        dims[name] = list(dict.fromkeys([*dims.get(name, []), f"tieout.{name}"]))
    return dims


def _version(config: Mapping[str, Any]) -> str:
    return hashlib.sha256(repr(sorted(config.items())).encode()).hexdigest()[:16]


def _mark(store: Store, job: str) -> tuple[datetime, datetime]:
    """Up to when the job has read, and from when it reads now."""
    mark = store.value(read(SQL / "derive_mark.sql"), {"job": job}) or EPOCH
    return mark, max(EPOCH, mark - OVERLAP)


def _set_mark(store: Store, job: str, mark: datetime, now: datetime) -> None:
    if now > mark:
        store.insert("marks", [{"job": job, "mark": now, "at": now}])


def _next(store: Store, begin: datetime, now: datetime) -> datetime | None:
    """The end of the next stretch of spans that fits in memory, or None when all are read."""
    where = {"from": _text(begin), "until": _text(now), "size": SLICE_SPANS}
    until = store.value(read(SQL / "derive_slice.sql"), where)
    return until if until and until > begin else None


def _columns(events: pa.Table) -> pa.Table:
    """Without what the statement only needed on its way."""
    return events.drop_columns(["touched", "amount_text", "currency_code"])


def _text(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S.%f")
