"""Every figure, worked out again in plain Python over random facts."""

from __future__ import annotations

import itertools
from collections import defaultdict
from datetime import timedelta
from decimal import Decimal
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from kpi_oracle import ORACLES, Figure, Figures, View, segments
from kpi_world import KNOWN, START, World, shipped

from kpis.run import EPOCH, publish
from store.client import Store
from workflows.model import Workflow

# An example is a whole publication: not shrunk, since that would take hundreds of them.
_quick = settings(
    deadline=None, phases=[Phase.explicit, Phase.reuse, Phase.generate],
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow, HealthCheck.data_too_large],
)  # fmt: skip
_names = (f"w{number}" for number in itertools.count())
# Worked out from other rows than these; see test_kpi_records.py.
ELSEWHERE = {("K08", "orphan_rate"), ("K08", "orphans")}
# Counted once for each item, so that an item in two segments is in both.
DISTINCT = {
    "detected_items", "open_items", "items", "retried", "rate", "per_1000", "without_amount", "attempts", "amount",
    "attempts_per_success", "immature", "value_rate",
}  # fmt: skip
UNSUMMED = {"days", "hours", "seconds", "number", "per_1000", "per_hour"}
MONEY = {"amount", "allocated"}


def _workflow(name: str) -> Workflow:
    return Workflow.model_validate(
        {
            "workflow": name, "title": name, "item": "order", "sources": ["erp"], "dimensions": ["department"],
            "objects": {"order": {"title": "Order"}},
            "steps": {step: {"title": step, "select": [{"name": step}]} for step in ("a", "b")},
            "expectations": [{
                "name": "b", "title": "b", "kind": "sequence", "item": "order", "owner": "stock", "after": ["a"],
                "expect": ["b"], "within": "1d",
            }],
        }
    )  # fmt: skip


hours = st.integers(-60, 160).map(lambda number: START + timedelta(hours=12 * number))


@st.composite
def expectations(draw: st.DrawFn) -> dict[str, Any]:
    name, kind, clock = draw(
        st.sampled_from(
            [("s1", "sequence", "step"), ("s2", "sequence", "sync"), ("s3", "sequence", "end_to_end")] * 4
            + [("o", "once", ""), ("p", "precedence", "")]
        )
    )
    opened = draw(hours)
    waits = timedelta(hours=12 * draw(st.integers(0, 60))) if kind == "sequence" else timedelta(0)
    took = draw(st.none() | st.integers(0, 120))
    closed = None if took is None else opened + timedelta(hours=12 * took)
    ways = {
        "sequence": ["arrived", "arrived", "arrived", "voided", "written_off"],
        "once": ["arrived"],
        "precedence": ["arrived"],
    }
    arrived_as = draw(st.sampled_from(ways[kind])) if closed else ""
    undone = closed if kind == "once" else None
    if kind == "sequence" and arrived_as == "arrived" and closed and draw(st.integers(0, 5)) == 0:
        undone = closed + timedelta(days=draw(st.integers(0, 20)))
    tries = draw(st.lists(st.integers(0, 60), max_size=2)) if kind == "sequence" else []
    return {
        "item_key": draw(st.sampled_from("ABCDEFGHIJKL")), "expectation": name, "kind": kind, "clock": clock,
        "opened_at": opened, "opened_step": draw(st.sampled_from(["a", "b"])), "due_at": opened + waits,
        "closed_at": closed, "closed_as": arrived_as, "closed_by": draw(st.sampled_from(["x", "y"])) if closed else "",
        "reversed_at": undone, "failed_at": sorted(opened + timedelta(hours=12 * number) for number in tries),
        "amount": draw(st.none() | st.decimals(-500, 500, places=2)), "currency": draw(st.sampled_from(["EUR"] * 5 + ["USD", ""])),
        "owner": draw(st.sampled_from(["stock", "billing"])),
        "dims": draw(st.sampled_from([{}, {"department": ""}, {"department": "icu"}, {"department": "er"}])),
    }  # fmt: skip


@st.composite
def histories(draw: st.DrawFn) -> list[dict[str, Any]]:
    return draw(st.lists(expectations(), min_size=0, max_size=90))


moments = st.tuples(hours, st.integers(1, 400)).map(
    lambda pair: View(
        pair[0] + timedelta(minutes=7), pair[0] + timedelta(minutes=7) - timedelta(days=pair[1]), None
    )
)


def _published(store: Store, workflow: str) -> dict[tuple[str, str], dict[str, dict[tuple[str, str], Any]]]:
    """Published rows by KPI and dimension, segment, measure and unit."""
    found: dict[tuple[str, str], dict[str, dict[tuple[str, str], Any]]] = defaultdict(
        lambda: defaultdict(dict)
    )
    for row in store.rows("SELECT * FROM kpi_values WHERE workflow = {w:String}", {"w": workflow}):
        found[row["kpi"], row["dimension"]][row["segment"]][row["measure"], row["unit"]] = row
    return found


def _same(expected: Fraction | None, actual: float | None) -> bool:
    if expected is None or actual is None:
        return expected is None and actual is None
    return actual == pytest.approx(float(expected), rel=1e-9, abs=1e-9)


def _check(name: str, expected: Figures, rows: dict[tuple[str, str], Any]) -> None:
    assert set(rows) == set(expected), (name, expected)
    for key, figure in expected.items():
        row = rows[key]
        for field in ("value", "low", "high"):
            assert _same(getattr(figure, field), row[field]), (name, key, field, figure, row)
        assert figure.n is None or figure.n == row["n"], (name, key, figure, row)


def _run(store: Store, rows: list[dict[str, Any]], view: View, complete: Any) -> World:
    world = World(store, next(_names))
    source = f"source of {world.workflow}"
    for row in rows:
        world.expect(**row, item=row["item_key"], sources=[source])
    if complete:
        world.watermark(complete, source)
    world.write()
    kpis = [shipped()[kpi] for kpi in ORACLES]
    window = view.as_of - view.start
    assert (
        publish(store, kpis, [_workflow(world.workflow)], view.as_of, KNOWN, KNOWN, "run", window=window) >= 0
    )
    return world


@settings(_quick, max_examples=4)
@given(rows=histories(), moment=moments, complete=st.none() | hours)
def test_every_figure_is_what_plain_python_says(
    store: Store, rows: list[dict[str, Any]], moment: View, complete: Any
) -> None:
    world = _run(store, rows, moment, complete)
    view = View(moment.as_of, max(EPOCH, moment.start), complete)
    published = _published(store, world.workflow)
    for kpi, oracle in ORACLES.items():
        dimensions = ["", "department", "owner", "expectation"]
        dimensions += [name for name in shipped()[kpi].header.dimensions if name == "opened_step"]
        for dimension in dimensions:
            found = published.get((kpi, dimension), {})
            wanted = {
                part: oracle(of, view) for part, of in segments(world.expectations, view, dimension).items()
            }
            for segment in {*wanted, *found}:
                present = {
                    key: row for key, row in found.get(segment, {}).items() if (kpi, key[0]) not in ELSEWHERE
                }
                expected = wanted.get(segment, {})
                if _nothing_to_say(expected) and not present:
                    continue
                _check(f"{kpi} {dimension}={segment}", expected, present)
        _check_sums(kpi, published)


def _nothing_to_say(expected: Figures) -> bool:
    """A segment whose rows a KPI does not look at has no figures at all."""
    return all(
        figure in (Figure(None, n=figure.n), Figure(Fraction(0), n=figure.n)) for figure in expected.values()
    )


def _check_sums(kpi: str, published: Any) -> None:
    """Parts add up to the whole, and no share exceeds its whole."""
    total = published.get((kpi, ""), {}).get("total", {})
    for dimension in ("department", "owner", "expectation"):
        parts = published.get((kpi, dimension), {}).values()
        for key, row in total.items():
            by_item = key[0] in DISTINCT and not (
                key[0] in MONEY and kpi in ("K03", "K06", "K08", "K15", "K20", "K21", "K24")
            )
            if row["numerator"] is None or by_item or key[1] in UNSUMMED:
                continue
            added = sum((part[key]["numerator"] for part in parts if key in part), Decimal(0))
            assert added == row["numerator"], (kpi, dimension, key)
    for segments_of in published.values():
        for rows in segments_of.values():
            assert all(
                0 <= row["numerator"] <= row["denominator"]
                for (_, unit), row in rows.items()
                if unit == "ratio"
            )


@pytest.mark.slow
@settings(_quick, max_examples=1)
@given(rows=histories(), moment=moments, order=st.randoms(use_true_random=False))
def test_order_and_packing_of_rows_change_nothing(
    store: Store, rows: list[dict[str, Any]], moment: View, order: Any
) -> None:
    mixed = list(rows)
    order.shuffle(mixed)
    one, other = (_run(store, part, moment, moment.as_of) for part in (rows, mixed))
    store.command("OPTIMIZE TABLE expectations FINAL")
    assert _figures(store, one.workflow) == _figures(store, other.workflow)


def _figures(store: Store, workflow: str) -> list[dict[str, Any]]:
    return store.rows(
        "SELECT kpi, dimension, segment, measure, unit, value, low, high, numerator, denominator, n FROM kpi_values "
        "WHERE workflow = {w:String} ORDER BY ALL",
        {"w": workflow},
    )
