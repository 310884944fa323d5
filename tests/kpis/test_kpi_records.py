"""Figures over records: orphans of what must have a predecessor, duplicates of what may come once."""

from __future__ import annotations

import itertools
from collections import Counter, defaultdict
from datetime import timedelta
from decimal import Decimal
from typing import Any

from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from kpi_world import START, World, day, ends, value

from store.client import Store


def posted(world: World, item: str, number: int, at: float, **columns: Any) -> str:
    event = f"{item}{number}"
    world.event(item, event_id=event, occurred_at=day(at), **columns)
    return event


def test_orphans_are_a_share_of_the_records_that_need_a_predecessor(world: World) -> None:
    world.rule("ordered_first", "precedence", "bill.sent")
    for number in range(8):
        event = posted(world, f"B{number}", 0, number, dims={"department": "icu" if number % 2 else ""})
        if number in (2, 3, 4):
            came = {"closed_at": day(20), "closed_as": "arrived"} if number == 4 else {}
            world.expect(
                f"B{number}", kind="precedence", expectation="ordered_first", opened_at=day(number), due_at=day(number),
                opened_by=event, dims={"department": "icu"} if number % 2 else {}, **came,
            )  # fmt: skip
    world.event("B9", step="order.made", occurred_at=day(1)).watermark(day(40)).write()
    total = world.figures("K08", as_of=day(30))
    assert (value(total, "orphans", "count"), value(total, "orphan_rate", "ratio")) == (2, 2 / 8)
    by = world.figures("K08", "department", as_of=day(30))
    assert value(by, "orphan_rate", "ratio", "icu") == 1 / 4
    assert value(by, "orphan_rate", "ratio", "unmapped") == 1 / 4
    assert value(world.figures("K08", "expectation", as_of=day(30)), "orphans", "count", "ordered_first") == 2
    assert value(world.figures("K08", "owner", as_of=day(30)), "orphans", "count", "stock") == 2
    recent = world.figures("K08", as_of=day(30), window_start=day(2))
    assert recent["total", "orphan_rate", "ratio"]["n"] == 5
    assert value(world.figures("K08", as_of=day(2.5)), "orphans", "count") == 1


def test_orphans_are_unknown_while_the_source_is_silent(world: World) -> None:
    world.rule("ordered_first", "precedence", "bill.sent")
    event = posted(world, "B", 0, 1)
    posted(world, "C", 0, 1)
    world.expect(
        "B", kind="precedence", expectation="ordered_first", opened_at=day(1), due_at=day(1), opened_by=event
    )
    figures = world.watermark(START).write().figures("K08", as_of=day(30))
    assert ends(figures, "orphan_rate", "ratio") == (0, 1 / 2)


def test_surplus_postings_and_surplus_deliveries_are_told_apart(world: World) -> None:
    """Three bills for one order are two surplus; a message delivered three times at one moment is two surplus."""
    world.rule("billed_once", "once", "bill.sent")
    for number in range(3):
        event = posted(world, "A", number, 1 + number, amount=Decimal(100), currency="EUR")
        if number:
            world.expect(
                "A", kind="once", expectation="billed_once", opened_at=day(1 + number), due_at=day(1 + number),
                opened_by=event, amount=Decimal(100), currency="EUR",
            )  # fmt: skip
    for number in range(5):
        posted(world, "B", number, 7 if number < 3 else 7 + number, step="message.received")
    figures = world.watermark(day(40)).write().figures("K10", as_of=day(30))
    assert (value(figures, "posted", "count"), value(figures, "posted_rate", "ratio")) == (2, 2 / 3)
    assert value(figures, "amount", "EUR") == 200
    assert (value(figures, "delivered", "count"), value(figures, "delivered_rate", "ratio")) == (2, 2 / 8)
    assert value(figures, "prevented", "count") == 0


def test_more_posted_than_delivered_again_is_shown_as_it_is(world: World) -> None:
    world.rule("billed_once", "once", "bill.sent")
    for number in range(2):
        event = posted(world, "A", number, 1 + number)
    world.expect(
        "A", kind="once", expectation="billed_once", opened_at=day(2), due_at=day(2), opened_by=event
    )
    figures = world.watermark(day(40)).write().figures("K10", as_of=day(30))
    assert value(figures, "prevented", "count") == -1


def test_the_same_fact_stored_twice_is_no_duplicate(world: World) -> None:
    for _ in range(2):
        posted(world, "A", 0, 1)
    figures = world.write().figures("K10", as_of=day(30))
    assert value(figures, "delivered", "count") == 0
    assert figures["total", "delivered", "count"]["n"] == 1


_names = (f"d{number}" for number in itertools.count())
deliveries = st.lists(
    st.tuples(
        st.sampled_from("AB"),
        st.sampled_from(["bill.sent", "message.received"]),
        st.integers(0, 3),
        st.sampled_from(["", "icu"]),
    ),
    max_size=40,
)


@settings(
    max_examples=5, deadline=None, phases=[Phase.explicit, Phase.reuse, Phase.generate],
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)  # fmt: skip
@given(rows=deliveries)
def test_deliveries_are_what_plain_python_counts(store: Store, rows: list[tuple[str, str, int, str]]) -> None:
    world = World(store, next(_names))
    clusters: dict[tuple[str, str, int], list[str]] = defaultdict(list)
    for item, step, at, department in rows:
        world.event(item, step=step, occurred_at=day(at), dims={"department": department})
        clusters[item, step, at].append(department or "unmapped")
    world.write()
    surplus, records = Counter[str](), Counter[str]()
    for places in clusters.values():
        for segment in ("total", min(places)):
            surplus[segment] += len(places) - 1
            records[segment] += len(places)
    until = day(3) + timedelta(hours=1)
    figures = world.figures("K10", as_of=until) | world.figures("K10", "department", as_of=until)
    found = {key[0]: (row["value"], row["n"]) for key, row in figures.items() if key[1] == "delivered"}
    assert found == {segment: (surplus[segment], records[segment]) for segment in records}
