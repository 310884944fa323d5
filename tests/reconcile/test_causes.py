"""What open exceptions have in common is the same whether it is counted by the engine or item by item in plain Python."""

from __future__ import annotations

import random
from collections import Counter
from datetime import datetime, timedelta
from itertools import count
from math import sqrt
from typing import Any

from story import LAST, PAYMENT, Story, Teller, complete, on, workflow

from reconcile.causes import Hop, by_hop, by_segment, first_failing_hop
from reconcile.explain import explain
from store.client import Store

END = on(6, 1)
SPAN_IDS = count(1)
ERRORS = {"error_type": "error.type", "status_code": "http.response.status_code"}


def span(
    trace: str,
    service: str,
    name: str,
    at: datetime,
    *,
    status: str = "Ok",
    parent: str = "",
    **attributes: str,
) -> dict[str, Any]:
    version = attributes.pop("version", "")
    return {
        "Timestamp": at, "TraceId": trace, "SpanId": f"{next(SPAN_IDS):016x}", "ParentSpanId": parent, "SpanName": name,
        "ServiceName": service, "StatusCode": status, "Duration": 10**6, "known_at": on(1, 1),
        "ResourceAttributes": {"service.version": version} if version else {},
        "SpanAttributes": {ERRORS[name]: value for name, value in attributes.items()},
    }  # fmt: skip


def failing_call(trace: str, at: datetime, service: str, **attributes: str) -> list[dict[str, Any]]:
    """An integration calls `service`, which fails; so both have failed."""
    outer = span(trace, "integration", "post invoice", at, status="Error")
    inner = span(
        trace, service, "POST /invoices", at + timedelta(seconds=1), status="Error", parent=outer["SpanId"],
        **attributes,
    )  # fmt: skip
    return [outer, inner]


def stuck(store: Store) -> Story:
    """Four invoices that were never paid: two fail in one hop, one in another after a failure got over, one without a failure."""
    tell = Teller()
    spans = [
        *failing_call("a" * 32, on(2, 2), "erp", version="1.4", error_type="timeout"),
        *failing_call("b" * 32, on(2, 3), "erp", version="1.4", error_type="timeout"),
        *failing_call("c" * 32, on(1, 20), "portal"),
        *failing_call("c" * 32, on(2, 4), "bank", status_code="503"),
        span("d" * 32, "erp", "POST /invoices", on(2, 2)),
        # Not yet seen then.
        *failing_call("d" * 32, on(7, 1), "late"),
    ]
    store.insert("otel_traces", spans)
    return Story(store, workflow(PAYMENT)).tell(
        *(
            tell.event("received", on(2, 1), f"I-{letter}", trace_id=letter * 32, amount="100")
            for letter in "abcd"
        ),
        complete(END),
    )


def test_open_exceptions_are_grouped_by_the_hop_that_failed_first(store: Store) -> None:
    story = stuck(store)
    story.run()
    rows = by_hop(store, "story", END, LAST)
    assert [(row.hop, row.exceptions, row.items, row.amounts) for row in rows] == [
        (Hop("erp", "POST /invoices", "1.4", "timeout"), 2, 2, {"USD": 200}),
        (Hop("bank", "POST /invoices", "", "503"), 1, 1, {"USD": 100}),
        (None, 1, 1, {"USD": 100}),
    ]
    assert sum(row.exceptions for row in rows) == len(story.rows("exceptions_at", END))
    assert str(rows[0].hop) == "erp 1.4: POST /invoices (timeout)"
    flows = {"story": story.flow}
    for letter, row in zip("abcd", [rows[0], rows[0], rows[1], rows[2]], strict=True):
        told = explain(store, flows, "story", "invoice", f"I-{letter}", END, LAST)
        assert told.hop == row.hop, "item by item it is the same"
    assert by_hop(store, "story", on(2, 20), LAST) == [], "nothing was due then"


def test_what_is_not_known_yet_fails_nothing(store: Store) -> None:
    tell = Teller()
    late = [{**row, "known_at": on(5, 1)} for row in failing_call("a" * 32, on(2, 2), "erp")]
    store.insert("otel_traces", late)
    story = Story(store, workflow(PAYMENT)).tell(
        tell.event("received", on(2, 1), trace_id="a" * 32), complete(on(4, 1))
    )
    story.run(on(4, 2))
    (before,) = by_hop(store, "story", on(4, 1), on(4, 3))
    (after,) = by_hop(store, "story", on(4, 1), on(5, 2))
    assert (before.hop, after.hop) == (None, Hop("erp", "POST /invoices"))


def test_a_failure_that_is_passed_on_is_where_it_came_from() -> None:
    rows = [
        {"trace_id": "t", "span_id": name, "parent_span_id": parent, "service": name, "name": "x", "at": on(2, day), "status": status,
         "version": "", "error": ""}
        for name, parent, day, status in [
            ("outer", "", 1, "Error"), ("inner", "outer", 2, "STATUS_CODE_ERROR"), ("fine", "inner", 3, "Ok"), ("later", "", 4, "Error")]
    ]  # fmt: skip
    chance = random.Random(1)
    for _ in range(5):
        chance.shuffle(rows)
        assert first_failing_hop(rows) == Hop("inner", "x")
        assert first_failing_hop(rows, on(2, 3)) == Hop("later", "x")
        assert first_failing_hop(rows, on(2, 9)) == Hop("inner", "x"), (
            "none failed since, so the first of all"
        )
    assert first_failing_hop([row for row in rows if row["service"] == "fine"]) is None


def test_segments_are_told_that_fail_more_than_their_rules_let_expect(store: Store) -> None:
    """A supplier with a bad interface stands out; one that has only items of a rule that fails often does not."""
    tell, chance = Teller(), random.Random(2)
    orders = {
        **PAYMENT,
        "name": "hard",
        "after": ["ordered"],
        "expect": ["cancelled"],
        "void_by": [],
        "reversed_by": [],
    }
    facts, rows = [], []
    for number in range(600):
        supplier = f"S{number % 6}"
        hard = supplier == "S1"
        odds = 0.5 if hard else 0.4 if supplier == "S2" else 0.02
        fails = chance.random() < odds
        first, last = ("ordered", "cancelled") if hard or number % 12 == 3 else ("received", "paid")
        fails = fails or (first == "ordered" and chance.random() < 0.5)
        dims = (("supplier", supplier), ("site", "one"))
        facts.append(tell.event(first, on(2, 1), f"I{number}", dims=dims))
        if not fails:
            facts.append(tell.event(last, on(2, 2), f"I{number}", dims=dims))
        rows.append((first, supplier, fails))
    story = Story(store, workflow(PAYMENT, orders)).tell(*facts, complete(END))
    story.run()
    found = by_segment(store, "story", END, LAST)
    assert [(row.dimension, row.value) for row in found] == [("supplier", "S2")]
    (row,) = found
    due = Counter(rule for rule, _, _ in rows)
    failing = Counter(rule for rule, _, fails in rows if fails)
    rate = {rule: failing[rule] / due[rule] for rule in due}
    own = [(rule, fails) for rule, supplier, fails in rows if supplier == "S2"]
    expected = sum(rate[rule] for rule, _ in own)
    assert (row.due, row.failing) == (len(own), sum(fails for _, fails in own))
    assert abs(row.expected - expected) < 1e-9
    assert abs(row.excess - (row.failing - expected)) < 1e-9
    spread = sqrt(sum(rate[rule] * (1 - rate[rule]) for rule, _ in own))
    assert abs(row.deviations - row.excess / spread) < 1e-9
