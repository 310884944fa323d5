"""How long all KPIs take on synthetic expectations, against a bare grouped count of the same table in the same run.

    python -m benchmarks.kpis [--expectations 1000000]

Prints one line a KPI for the total and for one dimension, then the publication of all figures by all
dimensions, each in milliseconds and as a multiple of the bare scan.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from kpis.kpi import Kpi
from kpis.load import load_kpis
from kpis.run import compute, publish
from store import migrate
from store.client import Store
from workflows.model import Workflow

ROOT = Path(__file__).resolve().parent.parent
AS_OF = datetime(2026, 1, 1, tzinfo=UTC)
KNOWN = datetime(2026, 2, 1, tzinfo=UTC)
ROUNDS = 2
BARE = "SELECT dims['department'] AS segment, count() FROM expectations WHERE workflow = 'bench' GROUP BY segment"


def main() -> None:
    options = argparse.ArgumentParser()
    options.add_argument("--expectations", type=int, default=1_000_000)
    given = options.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        store = Store(f"chdb://{folder}/data")
        migrate.migrate(store, KNOWN)
        for views in ("calendars", "reconcile", "kpis"):
            migrate.replace_views(store, ROOT / views / "views")
        fill(store, given.expectations)
        report(store, given.expectations)
        store.close()


def fill(store: Store, rows: int) -> None:
    """A year of ten expectations an item: nine in ten close, some late, void or after failed tries."""
    workflow = _workflow()
    store.insert(
        "workflow_versions",
        [
            {
                "workflow": "bench",
                "version": "1",
                "content": workflow.model_dump_json(),
                "activated_at": datetime(1970, 1, 1, tzinfo=UTC),
            }
        ],
    )
    mark = {
        "source": "erp",
        "complete_through": AS_OF,
        "heartbeat_at": AS_OF,
        "known_at": AS_OF,
        "run_id": "",
    }
    store.insert("watermarks", [mark])
    store.command(_FILL, {"rows": rows})


def report(store: Store, rows: int) -> None:
    kpis, problems = load_kpis()
    assert not problems
    bare = best(lambda: store.rows(BARE))
    view = best(lambda: store.rows(_VERDICTS))
    print(
        f"{rows:,} expectations; bare grouped count {bare * 1000:.0f} ms; all verdicts counted {view * 1000:.0f} ms ({view / bare:.0f}x)"
    )
    print(f"{'KPI':<6}{'total ms':>10}{'x bare':>8}{'by dep. ms':>12}{'x bare':>8}")
    for kpi in kpis.values():
        total, cut = (best(lambda by=by, kpi=kpi: figures(store, kpi, by)) for by in ("", "department"))
        print(f"{kpi.id:<6}{total * 1000:>10.0f}{total / bare:>8.1f}{cut * 1000:>12.0f}{cut / bare:>8.1f}")
    started = time.perf_counter()
    written = publish(store, kpis.values(), [_workflow()], AS_OF, KNOWN, KNOWN, "bench")
    took = time.perf_counter() - started
    queries = sum(len(kpi.dimensions_of(_workflow())) for kpi in kpis.values())
    print(
        f"publication: {took:.1f} s for {queries} queries, {written:,} figures: {took / queries / bare:.1f}x bare each"
    )


def figures(store: Store, kpi: Kpi, dimension: str) -> Any:
    return compute(store, kpi, "bench", dimension, AS_OF, KNOWN)


def best(work: Callable[[], Any]) -> float:
    """The fastest of some rounds, in seconds."""
    times = []
    for _ in range(ROUNDS):
        started = time.perf_counter()
        work()
        times.append(time.perf_counter() - started)
    return min(times)


def _workflow() -> Workflow:
    return Workflow.model_validate(
        {
            "workflow": "bench",
            "title": "Bench",
            "item": "order",
            "sources": ["erp"],
            "dimensions": ["department", "supplier"],
            "objects": {"order": {"title": "Order"}},
            "steps": {step: {"title": step, "select": [{"name": step}]} for step in ("a", "b")},
            "expectations": [
                {
                    "name": "b",
                    "title": "b",
                    "kind": "sequence",
                    "item": "order",
                    "owner": "stock",
                    "after": ["a"],
                    "expect": ["b"],
                    "within": "1d",
                }
            ],
        }
    )


_VERDICTS = """
SELECT state, count() FROM verdicts_at(
    as_of = toDateTime64('2026-01-01 00:00:00', 6, 'UTC'), known_at = toDateTime64('2026-02-01 00:00:00', 6, 'UTC'))
GROUP BY state
"""

_FILL = """
INSERT INTO expectations (
    workflow, version, expectation, kind, item_type, item_key, opened_at, opened_by, opened_step, due_at, closed_at, closed_by,
    closed_as, failed_at, amount, currency, code, clock, owner, sources, dims, known_at, evidence)
SELECT
    'bench', '1', concat('rule ', toString(number % 10)), 'sequence', 'order', toString(intDiv(number, 10)),
    toDateTime64('2025-01-01 00:00:00', 6, 'UTC') + cityHash64(number) % 31000000 AS opened, toString(number),
    concat('step ', toString(number % 10)), opened + 864000,
    if(cityHash64(number, 1) % 10 = 0, NULL, opened + cityHash64(number, 2) % 1000000) AS closed,
    if(isNull(closed), '', toString(cityHash64(number, 8))),
    multiIf(isNull(closed), '', cityHash64(number, 3) % 30 = 0, 'voided', 'arrived'),
    if(cityHash64(number, 4) % 20 = 0, [opened + 60], []),
    if(cityHash64(number, 5) % 10 = 0, NULL, (cityHash64(number, 6) % 1000000) / 100), 'EUR', 'MISSING',
    ['step', 'sync', 'end_to_end'][number % 3 + 1], concat('owner ', toString(number % 5)), ['erp'],
    map('department', concat('d', toString(cityHash64(number, 7) % 20)), 'supplier', concat('s', toString(cityHash64(number, 9) % 200))),
    toDateTime64('2026-01-02 00:00:00', 6, 'UTC'), 1
FROM numbers({rows:UInt64})
"""


if __name__ == "__main__":
    main()
