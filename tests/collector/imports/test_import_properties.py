"""Whatever the rows, their order, and how they are spread over files: the store holds each fact once."""

from __future__ import annotations

import random
from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from import_site import NOW, Site

LOG = """
mapping: orders
workflow: orders
format: csv
match: ["orders*.csv"]
events:
  activity: what
  time: at
  objects: [{type: order, column: order}]
  attributes: [answer]
  dims: {department: dep}
  complete_through: last_event
"""
HEAD = "order,what,at,answer,dep"
START = datetime(2026, 1, 1, tzinfo=UTC)

GOOD = st.tuples(
    st.sampled_from(["a1", "A1 ", "b2", "0c3", "NA"]),
    st.sampled_from(["Sent", "Answer", "Invoice", "Dance"]),
    st.integers(0, 4).map(lambda hours: (START + timedelta(hours=hours)).isoformat()),
    st.sampled_from(["", "yes", "no"]),
    st.sampled_from(["", "ICU"]),
)
BAD = st.sampled_from(
    [
        ("", "Sent", START.isoformat(), "", ""),
        ("a1", "", START.isoformat(), "", ""),
        ("a1", "Sent", "?", "", ""),
    ]
)
ROWS = st.lists(st.one_of(GOOD, GOOD, GOOD, BAD), min_size=1, max_size=25)


def step_of(what: str, answer: str) -> str:
    if what == "Answer":
        return "po.refused" if answer == "no" else "po.confirmed"
    return {"Sent": "po.sent", "Invoice": "po.billed"}.get(what, "unmapped")


def expected(rows: list[tuple[str, ...]]) -> Counter[tuple[Any, ...]]:
    """Plain recount: equal rows are one event."""
    return Counter(
        (step_of(what, answer), datetime.fromisoformat(at), order.strip().upper().lstrip("0"), answer, dep)
        for order, what, at, answer, dep in set(rows)
        if order and what and at != "?"
    )


def stored(site: Site) -> Counter[tuple[Any, ...]]:
    return Counter(
        site.events("step", "occurred_at", "objects.key[1]", "attributes['answer']", "dims['department']")
    )


@settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rows=ROWS, seed=st.integers(0, 2**16))
def test_order_duplicates_overlap_and_repetition_change_nothing(
    site: Site, rows: list[tuple[str, ...]], seed: int
) -> None:
    for table in ("events", "event_objects", "import_rejects", "watermarks"):
        site.store.command("TRUNCATE TABLE {table:Identifier}", {"table": table})
    draw, mapping = random.Random(seed), site.mapping(LOG)
    middle = draw.randrange(len(rows) + 1)
    pieces = [rows[: middle + 2], rows[middle:], rows]
    draw.shuffle(pieces)
    good = sum(expected(rows).values())
    new = 0
    for day, piece in enumerate(pieces):
        piece = draw.sample(piece, len(piece)) + piece[:1]
        path = site.csv(f"orders{day}.csv", HEAD, *(",".join(row) for row in piece))
        result = site.run(mapping, path, now=NOW + timedelta(days=day))
        new += result.events.new
        assert (
            result.events.new + result.events.known + sum(result.rejected.values())
            == result.rows_read
            == len(piece)
        )
    assert new == good
    assert stored(site) == expected(rows)
    index = Counter(row["event_id"] for row in site.store.rows("SELECT event_id FROM event_objects"))
    assert index == Counter(event_id for (event_id,) in site.events("event_id"))
    newest = max((at for _, at, *_ in expected(rows)), default=None)
    through = site.store.rows("SELECT max(complete_through) AS at FROM watermarks HAVING count() > 0")
    assert [row["at"] for row in through] == ([newest] if newest else [])
