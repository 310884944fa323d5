"""Laws of derivation: order, repetition and batching change nothing; SQL and a plain reading in Python agree."""

from __future__ import annotations

import json
import uuid
from collections.abc import Mapping
from datetime import timedelta
from decimal import Decimal
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from span_rows import AT, KNOWN, row, workflow

from collector.correlation import Correlation
from collector.derive import derive_events
from store.client import Store
from workflows.model import Workflow

MINUTE = timedelta(minutes=1)
CORRELATION = Correlation.model_validate({"objects": [{"type": "invoice", "attribute": "inv", "role": "r"}]})

keys = st.sampled_from(["1", " 01", "a", "A", "", '["x","0y"]', "[1,2]"])
attributes = st.fixed_dictionaries(
    {},
    optional={
        "tieout.object.order": keys,
        "tieout.object.invoice": keys,
        "tieout.entity.type": st.sampled_from(["order", "invoice", ""]),
        "tieout.entity.id": keys,
        "tieout.entity.role": st.sampled_from(["", "head"]),
        "inv": keys,
        "priority": st.sampled_from(["high", "low"]),
        "correlation_id": keys,
        "tieout.correlation_id": keys,
        "tieout.amount": st.sampled_from(["1.5", "-2", "x", "1e3"]),
        "tieout.currency": st.sampled_from(["EUR", "usd", "?"]),
        "tieout.step": st.sampled_from(["po.sent", "nonsense"]),
        "tieout.attempt": st.sampled_from(["0", "2", "x"]),
        "tieout.department": st.sampled_from(["a", " b "]),
        "tieout.event_id": st.sampled_from(["one", "two"]),
    },
)
names = st.sampled_from(["create order", "send order", "refuse order", "other"])


@st.composite
def spans(draw: st.DrawFn) -> dict[str, Any]:
    return row(
        draw(names), draw(attributes), at=AT + draw(st.integers(0, 5)) * MINUTE, status=draw(st.sampled_from(["Ok", "Error"])),
        resource=draw(st.fixed_dictionaries({}, optional={"tieout.supplier": st.just("ACME"), "priority": st.just("high")})),
        links=draw(st.lists(attributes, max_size=2)), events=draw(st.lists(attributes, max_size=1)),
        service=draw(st.sampled_from(["erp", "supplier"])),
    )  # fmt: skip


def own(rows: list[dict[str, Any]]) -> tuple[Workflow, list[dict[str, Any]]]:
    """A workflow and spans that meet nothing else in the store: names, ids and workflow carry a mark of this example."""
    mark = uuid.uuid4().hex[:8]
    made = workflow(f"w_{mark}")
    steps = {
        name: {**step.model_dump(), "select": [{**one.model_dump(), "name": f"{one.name} {mark}" if one.name else "", "system": ""} for one in step.select if one.name]}
        for name, step in made.steps.items()
        if step.select[0].name
    }  # fmt: skip
    fresh = []
    for number, one in enumerate(rows):
        changed = {
            **one,
            "SpanName": f"{one['SpanName']} {mark}",
            "TraceId": mark * 4,
            "SpanId": f"{number:016x}",
            "SpanAttributes": dict(one["SpanAttributes"]),
        }
        if changed["SpanAttributes"].get("tieout.event_id"):
            changed["SpanAttributes"]["tieout.event_id"] += mark
        if changed["SpanAttributes"].get("tieout.step") == "po.sent":
            changed["SpanAttributes"]["tieout.flow"] = made.workflow
        fresh.append(changed)
    return workflow(made.workflow, steps=steps), fresh


def derived(store: Store, flow: Workflow) -> list[dict[str, Any]]:
    return store.rows(
        "SELECT * EXCEPT (known_at, workflow) FROM events WHERE workflow = {w:String} ORDER BY event_id",
        {"w": flow.workflow},
    )


@settings(max_examples=12, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.data(), made=st.lists(spans(), min_size=1, max_size=6))
def test_order_repetition_and_batches_change_nothing(
    store: Store, data: st.DataObject, made: list[dict[str, Any]]
) -> None:
    # Two spans that claim one identity are one event, of whichever came first: that is for the sender to avoid.
    for one in made:
        one["SpanAttributes"].pop("tieout.event_id", None)
    flow, rows = own(made)
    at_once = workflow(f"{flow.workflow}_once", steps={k: v.model_dump() for k, v in flow.steps.items()})
    sent = data.draw(st.permutations(rows + data.draw(st.lists(st.sampled_from(rows), max_size=4))))
    cuts = sorted(data.draw(st.lists(st.integers(0, len(sent)), max_size=2)))
    now = KNOWN + timedelta(seconds=1)
    for first, last in zip([0, *cuts], [*cuts, len(sent)], strict=True):
        if first < last:
            store.insert("otel_traces", [{**one, "known_at": now} for one in sent[first:last]])
        derive_events(store, [flow], CORRELATION, now)
        now += MINUTE * 4
    for one in rows:  # what says the workflow's name says the other's too, so that both see the same
        if one["SpanAttributes"].get("tieout.flow"):
            one["SpanAttributes"]["tieout.flow"] = at_once.workflow
    others = [{**one, "TraceId": one["TraceId"] + "o", "known_at": now} for one in rows]
    store.insert("otel_traces", others)
    derive_events(store, [at_once], CORRELATION, now)
    drop = ("event_id", "trace_id")
    seen = sorted(repr({k: v for k, v in one.items() if k not in drop}) for one in derived(store, flow))
    want = {
        repr({k: v for k, v in one.items() if k not in drop})
        for one in derived(store, at_once)
        if one["trace_id"].endswith("o")
    }
    assert seen == sorted(want)
    assert len(seen) == len({one["span_id"] for one in derived(store, flow)})


def items(text: str) -> list[str]:
    if text.startswith("["):
        try:
            return [str(one) for one in json.loads(text)]
        except ValueError:
            return [text]
    return [text]


def normalised(flow: Workflow, kind: str, key: str) -> str:
    text = key
    for rule in flow.objects[kind].key:
        text = {
            "trim": text.strip(),
            "upper": text.upper(),
            "strip_leading_zeros": text.lstrip("0") or text[-1:],
        }[rule]
    return text


def expected(flow: Workflow, one: Mapping[str, Any]) -> dict[str, Any] | None:
    """The event of one span, said plainly."""
    attributes, facts = one["SpanAttributes"], {**one["ResourceAttributes"], **one["SpanAttributes"]}
    step = attributes.get("tieout.step", "")
    if step not in flow.steps:
        if step:
            return None
        holding = [
            name
            for name, each in flow.steps.items()
            for selector in each.select
            if selector.name == one["SpanName"]
            and all(facts.get(k, "") == v for k, v in selector.where.items())
        ]
        if not holding:
            return None
        step = holding[0]
    maps = [attributes, *one["Events.Attributes"], *one["Links.Attributes"]]
    named = {
        (m["tieout.entity.type"], key, m.get("tieout.entity.role", ""))
        for m in maps
        if m.get("tieout.entity.type")
        for key in items(m.get("tieout.entity.id", ""))
    }
    named |= {
        (kind, key, "")
        for kind in ("order", "invoice")
        for m in maps
        for key in items(m.get(f"tieout.object.{kind}", ""))
    }
    named |= {("invoice", key, "r") for m in maps for key in items(m.get("inv", ""))}
    objects = {(kind, normalised(flow, kind, key), role) for kind, key, role in named}
    ids: dict[str, str] = {}
    for name in ("tieout.correlation_id", "correlation_id"):
        for m in maps:
            for key in items(m.get(name, "")):
                ids.setdefault(key.strip(), name)
    ids.pop("", None)
    amount = {"1.5": Decimal("1.5"), "-2": Decimal(-2)}.get(attributes.get("tieout.amount", ""))
    currency = attributes.get("tieout.currency", "").upper()
    return {
        "step": step,
        "objects": {o for o in objects if o[1]}
        | {("correlation_id", key, name) for key, name in ids.items()},
        "amount": amount,
        "currency": currency if amount is not None and currency.isalpha() else "",
        "outcome": "failed" if one["StatusCode"] == "Error" or flow.steps[step].failed else "ok",
        "attempt": 2 if attributes.get("tieout.attempt") == "2" else 1,
        "dims": {
            name: facts[f"tieout.{name}"].strip()
            for name in ("department", "supplier")
            if facts.get(f"tieout.{name}", "").strip()
        },
        "correlation": next(iter(ids), None),
    }


@settings(max_examples=12, deadline=None, suppress_health_check=list(HealthCheck))
@given(made=st.lists(spans(), min_size=1, max_size=12))
def test_every_column_is_what_a_plain_reading_says(store: Store, made: list[dict[str, Any]]) -> None:
    for one in made:
        one["SpanAttributes"].pop("tieout.event_id", None)
    flow, rows = own(made)
    store.insert("otel_traces", rows)
    derive_events(store, [flow], CORRELATION, KNOWN + MINUTE)
    found = {one["span_id"]: one for one in derived(store, flow)}
    for one in rows:
        want, event = expected(flow, one), found.get(one["SpanId"])
        assert (event is None) == (want is None)
        if not event or not want:
            continue
        assert {
            "step": event["step"],
            "objects": set(
                zip(event["objects.type"], event["objects.key"], event["objects.role"], strict=True)
            ),
            "amount": event["amount"],
            "currency": event["currency"],
            "outcome": event["outcome"],
            "attempt": event["attempt"],
            "dims": event["dims"],
            "correlation": event["attributes"].get("correlation_id"),
        } == want
        assert (event["occurred_at"], event["trace_id"]) == (one["Timestamp"], one["TraceId"])
        assert event["source"] == f"otlp/{one['ServiceName']}"
