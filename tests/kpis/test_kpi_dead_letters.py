"""K27 against plain Python over the same readings of queues."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from kpi_world import START, World

from store.client import Store

Row = dict[str, Any]
hours = st.integers(0, 96).map(lambda number: START + timedelta(hours=number / 2))
readings = st.fixed_dictionaries(
    {
        "source": st.sampled_from(["broker", "topics", "elsewhere"]),
        "object_key": st.sampled_from("ABCD"),
        "valid_from": hours,
        "known_at": hours,
        "deleted": st.sampled_from([False] * 5 + [True]),
        "dead_letter": st.sampled_from(["true"] * 3 + ["false", ""]),
        "depth": st.sampled_from(["0", "1", "7", "12", ""]),
        "oldest_at": st.none() | hours,
    }
)


def _snapshot(row: Row) -> Row:
    told = {"dead_letter": row["dead_letter"], "depth": row["depth"]}
    if row["oldest_at"]:
        told["oldest_at"] = row["oldest_at"].strftime("%Y-%m-%dT%H:%M:%S.000000Z")
    return {
        "system": row["source"], "object_type": "queue", "object_key": row["object_key"], "fields": told, "amount": None,
        "currency": "", "deleted": row["deleted"], "valid_from": row["valid_from"], "captured_at": row["valid_from"],
        "known_at": row["known_at"], "row_hash": "", "source": row["source"], "run_id": "",
    }  # fmt: skip


def _expected(
    rows: list[Row], marks: dict[str, datetime], as_of: datetime, known_at: datetime
) -> dict[str, Any]:
    """Depth, age, filled and unknown as (value, low, high)."""
    last: dict[tuple[str, str], Row] = {}
    for row in sorted(rows, key=lambda row: (row["valid_from"], row["known_at"])):
        if row["source"] != "elsewhere" and row["valid_from"] <= as_of and row["known_at"] <= known_at:
            last[row["source"], row["object_key"]] = row
    dead = [row for row in last.values() if not row["deleted"] and row["dead_letter"] == "true"]
    if not dead:
        return {}
    total = filled = unknown = ageless = 0
    ages = []
    for row in dead:
        mark = marks.get(row["source"])
        if not row["depth"] or mark is None or as_of - mark > timedelta(hours=1):
            unknown, ageless = unknown + 1, ageless + 1
        elif row["depth"] != "0":
            total, filled = total + int(row["depth"]), filled + 1
            if row["oldest_at"]:
                ages.append((as_of - row["oldest_at"]).total_seconds() / 3600)
            else:
                ageless += 1
    found: dict[str, Any] = {
        "depth": (None, total, None) if unknown else (total, None, None),
        "filled": (None, filled, filled + unknown) if unknown else (filled, None, None),
        "unknown": (unknown, None, None),
    }
    if filled or ageless:
        oldest = max(ages) if ages else None
        found["oldest"] = (None, oldest, None) if ageless else (oldest, None, None)
    return found


@settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    rows=st.lists(readings, max_size=12, unique_by=lambda r: (r["source"], r["object_key"], r["valid_from"], r["known_at"])),
    marks=st.dictionaries(st.sampled_from(["broker", "topics"]), hours),
    as_of=hours,
    late=st.integers(0, 4),
)  # fmt: skip
def test_the_figures_are_what_plain_python_says(
    store: Store, rows: list[Row], marks: dict[str, datetime], as_of: datetime, late: int
) -> None:
    for table in ("snapshots", "watermarks", "workflow_versions"):
        store.command("TRUNCATE TABLE {table:Identifier}", {"table": table})
    world = World(store)
    world.content["sources"] = ["broker", "topics"]
    store.insert("snapshots", [_snapshot(row) for row in rows])
    for source, mark in marks.items():
        world.watermark(mark, source)
    known_at = as_of + timedelta(hours=late)
    figures = world.write().figures("K27", as_of=as_of, known_at=known_at)
    found = {key[1]: (row["value"], row["low"], row["high"]) for key, row in figures.items()}
    assert found == _expected(rows, marks, as_of, known_at)
