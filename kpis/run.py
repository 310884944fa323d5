"""Computes KPIs and publishes them: a figure once published for an as-of pair is never written again."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa

from kpis.kept import from_kept, kept
from kpis.kpi import Kpi
from store.client import Store
from store.sqlfile import read
from workflows.model import Workflow

_FOLDER = Path(__file__).parent
# KPI, version, workflow, dimension; window start, as of, known at, published at.
_Key = tuple[str, str, str, str]
_Stamp = tuple[datetime, datetime, datetime, datetime]
# Queries for which working out all verdicts once does not pay.
_FEW = 8
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def compute(
    store: Store,
    kpi: Kpi,
    workflow: str,
    dimension: str,
    as_of: datetime,
    known_at: datetime,
    window_start: datetime | None = None,
) -> list[dict[str, Any]]:
    """The figures of `kpi` as rows of segment, measure, unit, value, low, high, numerator, denominator, n.

    `dimension` is empty for the total. The period is `(window_start, as_of]`; by default as long as the
    header says. `value` is null where nothing can be said; where items are unknown, `low` and `high` are the
    two ends. Raises StoreError.
    """
    start = as_of - kpi.header.window if window_start is None else window_start
    return store.rows(_query(kpi), _params(workflow, dimension, as_of, known_at, start))


def publish(
    store: Store,
    kpis: Iterable[Kpi],
    workflows: Iterable[Workflow],
    as_of: datetime,
    known_at: datetime,
    now: datetime,
    run_id: str,
    *,
    window: timedelta | None = None,
) -> int:
    """Writes the figures of all `kpis` for total and every dimension; gives the number of rows written.

    What is published already for the same KPI version and (as_of, known_at) stays as it is and is not worked
    out again, so a second run adds nothing. All rows of a call appear together or not at all. `window`
    overrides the period of the headers. Raises StoreError.
    """
    done = _published(store, as_of, known_at)
    todo = [one for one in _todo(kpis, workflows) if _key(*one) not in done]
    if not todo:
        return 0
    names = sorted({workflow.workflow for _, workflow, _ in todo})
    parts = []
    few: AbstractContextManager[Mapping[str, str]] = nullcontext({})
    picture = few if len(todo) <= _FEW else kept(store, names, as_of, known_at, now, run_id)
    with store.another(read_only=True) as reader, picture as tables:
        for kpi, workflow, dimension in todo:
            start = max(EPOCH, as_of - (window or kpi.header.window))
            params = _params(workflow.workflow, dimension, as_of, known_at, start)
            figures = reader.table(from_kept(_query(kpi), tables), params)
            parts.append(
                _stamped(figures, _key(kpi, workflow, dimension), (start, as_of, known_at, now), run_id)
            )
    rows = pa.concat_tables(parts)
    if rows.num_rows:
        store.insert_arrow("kpi_values", rows)
    return int(rows.num_rows)


def due(store: Store, kpis: Iterable[Kpi], now: datetime) -> list[Kpi]:
    """The KPIs whose present version was never published, or longer ago than their header's `every`."""
    rows = store.rows(read(_FOLDER / "last_published.sql"))
    last = {(row["kpi"], row["version"]): row["last_at"] for row in rows}
    return [kpi for kpi in kpis if last.get((kpi.id, kpi.version), EPOCH) + kpi.header.every <= now]


def restatements(store: Store, workflow: str) -> list[dict[str, Any]]:
    """Figures whose newest value for an as-of time differs from the one first published.

    One row each: kpi, dimension, segment, measure, unit, as_of, first_known_at, first_value,
    latest_known_at, latest_value, difference (null where one of them is unknown), and cause: `evidence`
    came later, or the `definition` of the KPI changed.
    """
    return store.rows(read(_FOLDER / "restatements.sql"), {"workflow": workflow})


def _todo(kpis: Iterable[Kpi], workflows: Iterable[Workflow]) -> list[tuple[Kpi, Workflow, str]]:
    known: Sequence[Workflow] = list(workflows)
    return [
        (kpi, workflow, dimension)
        for kpi in kpis
        for workflow in known
        if kpi.applies_to(workflow)
        for dimension in kpi.dimensions_of(workflow)
    ]


def _key(kpi: Kpi, workflow: Workflow, dimension: str) -> _Key:
    return kpi.id, kpi.version, workflow.workflow, dimension


def _query(kpi: Kpi) -> str:
    return read(_FOLDER / "shape.sql").text.replace("{query}", kpi.sql)


def _params(
    workflow: str, dimension: str, as_of: datetime, known_at: datetime, start: datetime
) -> dict[str, Any]:
    return {
        "workflow": workflow,
        "dimension": dimension,
        "as_of": as_of,
        "known_at": known_at,
        "window_start": max(EPOCH, start),
    }


def _published(store: Store, as_of: datetime, known_at: datetime) -> set[_Key]:
    rows = store.rows(read(_FOLDER / "published.sql"), {"as_of": as_of, "known_at": known_at})
    return {(row["kpi"], row["version"], row["workflow"], row["dimension"]) for row in rows}


def _stamped(figures: pa.Table, key: _Key, stamp: _Stamp, run_id: str) -> pa.Table:
    """The figures with the columns that say what they are of, in the shape of `kpi_values`."""
    texts = dict(zip(("kpi", "version", "workflow", "dimension"), key, strict=True)) | {"run_id": run_id}
    times = dict(zip(("window_start", "as_of", "known_at", "published_at"), stamp, strict=True))
    for name, text in texts.items():
        figures = figures.append_column(name, pa.repeat(pa.scalar(text, pa.string()), figures.num_rows))
    for name, moment in times.items():
        value = pa.scalar(moment, pa.timestamp("us", tz="UTC"))
        figures = figures.append_column(name, pa.repeat(value, figures.num_rows))
    return figures
