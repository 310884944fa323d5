"""Spans become business events."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import httpx
import pytest
from otlp_bodies import post, request, span
from span_rows import AT, KNOWN, row, workflow

from collector import derive
from collector.correlation import Correlation
from collector.derive import derive_events
from store.client import Store

NOW = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
ORDERS = workflow()
ORDER = {"tieout.object.order": "4711"}


def put(store: Store, *rows: dict[str, Any]) -> None:
    store.insert("otel_traces", rows)


def run(store: Store, now: datetime = NOW, correlation: Correlation | None = None) -> int:
    return derive_events(store, [ORDERS], correlation or Correlation(), now)


def events(store: Store) -> list[dict[str, Any]]:
    return store.rows("SELECT * FROM events ORDER BY occurred_at, step, event_id")


def one(store: Store, made: dict[str, Any], correlation: Correlation | None = None) -> dict[str, Any]:
    put(store, made)
    assert run(store, correlation=correlation) == 1
    return events(store)[0]


def by_span(
    store: Store, rows: list[dict[str, Any]], correlation: Correlation | None = None
) -> list[dict[str, Any]]:
    """The event of each span, an empty one for a span without; all are derived in one run."""
    put(store, *rows)
    run(store, correlation=correlation)
    found = {event["span_id"]: event for event in events(store)}
    return [found.get(made["SpanId"], {}) for made in rows]


def objects(event: dict[str, Any]) -> list[tuple[str, str, str]]:
    return list(zip(event["objects.type"], event["objects.key"], event["objects.role"], strict=True))


def test_a_span_becomes_the_event_of_its_step(store: Store) -> None:
    made = row(
        "create order",
        {
            "tieout.object.order": " 004711a",
            "tieout.amount": "1250.50",
            "tieout.currency": "eur",
            "tieout.department": "surgery",
            "tieout.supplier": "ACME",
            "tieout.actor": "buyer 7",
            "error.type": "timeout",
            "secret": "not kept",
        },
        at=AT + timedelta(microseconds=5),
    )
    event = one(store, made)
    assert len(event.pop("event_id")) == 32
    assert event == {
        "workflow": "orders",
        "step": "po.created",
        "occurred_at": AT + timedelta(microseconds=5),
        "known_at": KNOWN,
        "objects.type": ["order"],
        "objects.key": ["4711A"],
        "objects.role": [""],
        "amount": Decimal("1250.500000"),
        "currency": "EUR",
        "outcome": "ok",
        "attempt": 1,
        "actor": "buyer 7",
        "dims": {"department": "surgery", "supplier": "ACME"},
        "attributes": {"error.type": "timeout"},
        "trace_id": made["TraceId"],
        "span_id": made["SpanId"],
        "source": "otlp/erp",
        "source_ref": "",
    }
    assert store.value("SELECT object_key FROM event_objects") == "4711A"


def test_the_first_selector_that_holds_is_the_step_unless_the_span_names_it(store: Store) -> None:
    cases = [
        (row("send order"), "po.sent"),
        (row("send order", {"priority": "high"}), "po.urgent"),
        (row("send order", resource={"priority": "high"}), "po.urgent"),
        (row("send order", {"priority": "low"}, resource={"priority": "high"}), "po.sent"),
        (row("any", {"messaging.operation.type": "receive"}, service="supplier"), "po.acked"),
        (row("any", {"tieout.step": "po.sent"}), "po.sent"),
        (row("create order", {"tieout.step": "po.sent", "tieout.flow": "orders"}), "po.sent"),
        (row("create order", resource={"tieout.flow": "orders"}), "po.created"),
        (row("any", {"tieout.flow": "orders"}), "unmapped"),
        (row("create order", {"tieout.flow": "orders", "tieout.step": "po.sended"}), "unmapped"),
    ]
    found = by_span(store, [made for made, _ in cases])
    assert [event["step"] for event in found] == [step for _, step in cases]
    assert [event["attributes"].get("activity") for event in found][-3:] == [None, "any", "create order"]


def test_other_spans_are_no_events(store: Store) -> None:
    put(
        store,
        row("any"),
        row("any", {"messaging.operation.type": "receive"}, service="erp"),
        row("create order", {"tieout.flow": "invoices"}),
        row("create order", resource={"tieout.flow": "invoices"}),
        row("create order", {"tieout.step": "invoice.received"}),
    )
    assert run(store) == 0
    assert events(store) == []


def test_objects_are_named_by_the_span_its_baggage_its_events_its_links_and_its_resource(
    store: Store,
) -> None:
    cases: list[tuple[dict[str, Any], list[tuple[str, str, str]]]] = [
        (row("create order", ORDER), [("order", "4711", "")]),
        (
            row("create order", {"tieout.object.order": '["1", " 02", "1"]'}),
            [("order", "1", ""), ("order", "2", "")],
        ),
        (row("create order", {"tieout.object.order": "[not a list"}), [("order", "[NOT A LIST", "")]),
        (row("create order", {"tieout.object.order": " "}), []),
        (row("create order", {"tieout.object.pallet": " 01"}), [("pallet", "01", "")]),
        (
            row(
                "create order",
                {"tieout.entity.type": "order", "tieout.entity.id": "7", "tieout.entity.role": "head"},
            ),
            [("order", "7", "head")],
        ),
        (row("create order", {"tieout.entity.id": "7"}), []),
        (
            row(
                "create order",
                links=[{"tieout.object.order": str(n)} for n in (5, 6)],
                events=[{"tieout.object.invoice": "I1"}],
            ),
            [("invoice", "I1", ""), ("order", "5", ""), ("order", "6", "")],
        ),
        (
            row(
                "create order",
                events=[
                    {
                        "tieout.entity.type": "invoice",
                        "tieout.entity.id": f"I{n}",
                        "tieout.entity.role": "paid",
                    }
                    for n in (1, 2)
                ],
            ),
            [("invoice", "I1", "paid"), ("invoice", "I2", "paid")],
        ),
        (row("create order", {"po.number": '["9"]'}), [("order", "9", "buyer")]),
        (
            row("create order", ORDER, resource={"tieout.object.invoice": "R1"}),
            [("invoice", "R1", ""), ("order", "4711", "")],
        ),
        (
            row(
                "create order",
                {"http.request.header.baggage": '["k=v,tieout.object.order=47%2011;p=1", "x"]'},
            ),
            [("order", "47 11", "")],
        ),
        (row("create order"), []),
    ]
    mapped = {"objects": [{"type": "order", "attribute": "po.number", "role": "buyer"}]}
    found = by_span(store, [made for made, _ in cases], Correlation.model_validate(mapped))
    assert [sorted(objects(event)) for event in found] == [sorted(expected) for _, expected in cases]


def test_all_correlation_ids_are_kept_and_the_best_one_is_the_events(store: Store) -> None:
    event = one(
        store,
        row(
            "create order",
            {
                "http.request.header.x-request-id": '["r1","r2"]',
                "messaging.message.conversation_id": " c1 ",
                "correlation_id": "c1",
                "http.request.header.sap-message-id": "",
            },
            links=[{"messaging.message.conversation_id": "c2"}],
        ),
    )
    assert objects(event) == [
        ("correlation_id", "c1", "messaging.message.conversation_id"),
        ("correlation_id", "c2", "messaging.message.conversation_id"),
        ("correlation_id", "r1", "http.request.header.x-request-id"),
        ("correlation_id", "r2", "http.request.header.x-request-id"),
    ]
    assert event["attributes"] == {"correlation_id": "c1"}


def test_the_order_of_correlation_ids_is_the_sites(store: Store) -> None:
    correlation = Correlation(ids=("x-trace", "tieout.correlation_id"))
    event = one(store, row("create order", {"tieout.correlation_id": "a", "x-trace": "b"}), correlation)
    assert event["attributes"] == {"correlation_id": "b"}


def test_amounts_are_exact_or_unknown(store: Store) -> None:
    most = "99999999999999999999999999.999999"
    cases = {
        "12.5": "12.5", "-3": "-3", "+1.000000": "1", "0": "0", most: most, "1.1234560": "1.123456", "1.1234567": None,
        "1e3": None, "12,50": None, "": None, "abc": None, "NaN": None, " 7 ": "7",
    }  # fmt: skip
    found = by_span(
        store, [row("create order", {"tieout.amount": text, "tieout.currency": "USD"}) for text in cases]
    )
    assert [event["amount"] for event in found] == [
        None if text is None else Decimal(text) for text in cases.values()
    ]
    assert [event["currency"] for event in found] == [
        "" if text is None else "USD" for text in cases.values()
    ]


def test_a_currency_that_is_none_is_not_kept(store: Store) -> None:
    event = one(store, row("create order", {"tieout.amount": "1", "tieout.currency": "Euro"}))
    assert (event["amount"], event["currency"]) == (Decimal(1), "")


def test_the_attempt_is_counted_from_one(store: Store) -> None:
    cases: list[tuple[dict[str, str], int]] = [
        ({}, 1),
        ({"messaging.servicebus.message.delivery_count": "3"}, 3),
        ({"http.request.resend_count": "2"}, 3),
        ({"http.request.resend_count": "0"}, 1),
        ({"tieout.attempt": "4", "http.request.resend_count": "9"}, 4),
        ({"tieout.attempt": "many", "http.request.resend_count": "1"}, 2),
        ({"tieout.attempt": "999999"}, 65535),
    ]
    found = by_span(store, [row("create order", attributes) for attributes, _ in cases])
    assert [event["attempt"] for event in found] == [attempt for _, attempt in cases]


def test_an_error_or_a_failed_step_is_a_failed_try(store: Store) -> None:
    cases = [
        (row("create order"), "ok"),
        (row("create order", status="Ok"), "ok"),
        (row("create order", status="Error"), "failed"),
        (row("refuse order", status="Ok"), "failed"),
    ]
    assert [event["outcome"] for event in by_span(store, [made for made, _ in cases])] == [
        want for _, want in cases
    ]


def test_segments_and_actor_come_from_the_span_before_its_resource(store: Store) -> None:
    correlation = Correlation.model_validate(
        {"dims": {"department": ["cost.center", "tieout.department"], "site": ["host.name"]}}
    )
    made = row(
        "create order",
        {"tieout.department": "icu", "tieout.supplier": " "},
        resource={
            "host.name": "h1",
            "tieout.department": "other",
            "tieout.supplier": "ACME",
            "enduser.id": "u1",
        },
    )
    event = one(store, made, correlation)
    assert event["dims"] == {"department": "icu", "site": "h1"}, "a blank hides what the resource says"
    assert event["actor"] == "u1"


def test_an_end_before_the_start_is_said(store: Store) -> None:
    assert one(store, row("create order", duration=2**64 - 5))["attributes"] == {
        "quality": "end before start"
    }


def test_a_span_may_carry_the_identity_and_source_of_an_imported_event(store: Store) -> None:
    """The same event from a log and from telemetry is one event, whichever comes first."""
    carried = {"tieout.event_id": "abc", "tieout.source": "orders_log", "tieout.source_ref": "log.csv:7"}
    imported = {
        "event_id": "abc", "workflow": "orders", "step": "po.created", "occurred_at": AT, "known_at": KNOWN,
        "source": "orders_log", "outcome": "ok", "attempt": 1,
    }  # fmt: skip
    store.insert("events", [imported])
    put(store, row("create order", carried))
    assert run(store) == 0
    store.command("TRUNCATE TABLE events")
    put(store, row("create order", carried))
    assert run(store, NOW + timedelta(seconds=1)) == 1, "two spans with one identity are one event"
    (event,) = events(store)
    assert (event["event_id"], event["source"], event["source_ref"]) == ("abc", "orders_log", "log.csv:7")


def test_running_again_changes_nothing(store: Store) -> None:
    put(store, *(row("create order", ORDER, at=AT + timedelta(minutes=n)) for n in range(10)))
    assert run(store) == 10
    before = events(store)
    assert run(store) == 0
    assert run(store, NOW + timedelta(days=1)) == 0
    store.command("TRUNCATE TABLE marks")  # as after a crash between the events and the mark
    assert run(store, NOW + timedelta(days=2)) == 0
    assert events(store) == before


def test_a_span_sent_again_is_one_event_however_late(store: Store) -> None:
    made = row("create order", ORDER)
    put(store, made, made, {**made, "known_at": KNOWN + timedelta(seconds=5)})
    assert run(store) == 1
    for later in (timedelta(minutes=1), timedelta(hours=9)):
        put(store, {**made, "known_at": NOW + later})
        assert run(store, NOW + later) == 0
    assert [event["known_at"] for event in events(store)] == [KNOWN]


def test_what_an_earlier_run_passed_over_is_known_from_now_on(store: Store) -> None:
    """Figures as of the earlier run stay what they were."""
    put(store, row("create order", ORDER))
    assert run(store) == 1
    late = row("send order", ORDER, known_at=NOW - timedelta(seconds=1))
    put(store, late, row("refuse order", ORDER, known_at=NOW + timedelta(seconds=1)))
    assert run(store, NOW + timedelta(seconds=10)) == 2
    assert {event["step"]: event["known_at"] for event in events(store)} == {
        "po.created": KNOWN,
        "po.sent": NOW + timedelta(seconds=10),
        "po.failed": NOW + timedelta(seconds=1),
    }


def test_spans_of_the_future_wait_for_their_time(store: Store) -> None:
    put(store, row("create order", known_at=NOW + timedelta(seconds=1)))
    assert run(store) == 0
    assert run(store, NOW + timedelta(seconds=1)) == 1


def test_a_new_selector_reads_the_past_and_leaves_what_was_derived(store: Store) -> None:
    put(
        store,
        row("create order", {**ORDER, "tieout.flow": "orders"}),
        row("approve order", {**ORDER, "tieout.flow": "orders"}, at=AT + timedelta(hours=1)),
        row("check order", ORDER, at=AT + timedelta(hours=2)),
    )
    assert run(store) == 2
    assert [event["step"] for event in events(store)] == ["po.created", "unmapped"]
    steps = {name: step.model_dump() for name, step in ORDERS.steps.items()}
    steps["po.approved"] = {"title": "Approved", "select": [{"name": "approve order"}]}
    steps["po.checked"] = {"title": "Checked", "select": [{"name": "check order"}, {"name": "create order"}]}
    changed = workflow(steps={"po.checked": steps.pop("po.checked"), **steps})
    assert derive_events(store, [changed], Correlation(), NOW + timedelta(days=1)) == 2
    assert [event["step"] for event in events(store)] == [
        "po.created",
        "po.approved",
        "unmapped",
        "po.checked",
    ]


def test_one_span_may_be_a_step_of_two_workflows(store: Store) -> None:
    put(store, row("create order", ORDER))
    assert derive_events(store, [ORDERS, workflow("purchases")], Correlation(), NOW) == 2
    ids = {event["event_id"] for event in events(store)}
    assert len(ids) == 2


def test_many_spans_are_read_in_slices(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(derive, "SLICE_SPANS", 3)
    rows = [row("create order", ORDER, known_at=KNOWN + timedelta(microseconds=n // 2)) for n in range(20)]
    put(store, *rows)
    assert run(store) == 20
    assert {event["span_id"] for event in events(store)} == {made["SpanId"] for made in rows}


def watermarks(store: Store) -> list[tuple[str, datetime, datetime]]:
    found = store.rows("SELECT * FROM watermarks ORDER BY known_at, source")
    assert all(mark["run_id"] for mark in found)
    return [(mark["source"], mark["complete_through"], mark["heartbeat_at"]) for mark in found]


def test_telemetry_is_complete_up_to_the_newest_span_less_the_lag(store: Store) -> None:
    put(
        store,
        row("any", at=AT),
        row("any", at=AT + timedelta(hours=1), known_at=KNOWN + timedelta(seconds=2)),
        row("any", at=AT + timedelta(hours=2), service="nobody waits for"),
        row("any", {"tieout.source": "orders_log"}, at=AT),
    )
    run(store)
    expected = [
        ("orders_log", AT - timedelta(minutes=1), KNOWN),
        ("otlp/erp", AT + timedelta(minutes=59), KNOWN + timedelta(seconds=2)),
    ]
    assert watermarks(store) == expected
    put(store, row("any", at=AT + timedelta(minutes=30), known_at=NOW))
    run(store, NOW + timedelta(seconds=1))
    assert watermarks(store) == expected, "an older span proves nothing new"
    put(store, row("any", {"tieout.heartbeat": "true"}, at=AT + timedelta(hours=1), known_at=NOW))
    run(store, NOW + timedelta(seconds=2))
    assert watermarks(store)[-1] == ("otlp/erp", AT + timedelta(hours=1), NOW), "a heartbeat has no lag"


def test_a_clock_that_is_ahead_does_not_complete_the_future(store: Store) -> None:
    put(store, row("any", at=NOW + timedelta(days=400)))
    run(store)
    assert [complete for _, complete, _ in watermarks(store)] == [NOW]


def test_the_lag_is_the_sites(store: Store) -> None:
    put(store, row("any", at=AT))
    run(store, correlation=Correlation.model_validate({"watermark_lag": "2h"}))
    assert [complete for _, complete, _ in watermarks(store)] == [AT - timedelta(hours=2)]


def test_spans_sent_over_otlp_become_events(otlp: httpx.Client, store: Store) -> None:
    """From the wire to the event, lists and links included."""
    made = span({"tieout.object.order": ["0007", "8"], "tieout.amount": 12.5, "tieout.currency": "EUR", "http.request.header.x-request-id": ["r1"]}, name="create order")  # fmt: skip
    made.links.add(trace_id=bytes(16), span_id=bytes(8)).attributes.add(
        key="tieout.object.invoice"
    ).value.int_value = 5
    assert post(otlp, request(made, service="erp").SerializeToString()).status_code == 200
    assert run(store, datetime.now(UTC) + timedelta(seconds=1)) == 1
    event = events(store)[0]
    assert objects(event) == [
        ("order", "7", ""),
        ("order", "8", ""),
        ("invoice", "5", ""),
        ("correlation_id", "r1", "http.request.header.x-request-id"),
    ]
    assert (event["amount"], event["trace_id"]) == (Decimal("12.5"), made.trace_id.hex())
    assert event["known_at"] == store.value("SELECT known_at FROM otel_traces")


def test_what_the_receiver_traces_of_itself_is_no_evidence(store: Store) -> None:
    """The same span from a program is an event and proves how far its source has come."""
    own = {**row("create order", {**ORDER, "tieout.step": "po.created"}), "ScopeName": "tieout.collector"}
    put(store, own)
    assert run(store) == 0
    assert store.rows("SELECT * FROM watermarks") == []
    put(store, {**row("create order", ORDER), "ScopeName": "tieout.collector.of.another"})
    assert run(store) == 1
    assert store.value("SELECT count() FROM watermarks") == 1


def log(event: str, attributes: dict[str, str], **more: Any) -> dict[str, Any]:
    """One log record of the ERP."""
    return {
        "Timestamp": AT, "TraceId": "", "SpanId": "", "SeverityNumber": 9, "ServiceName": "erp", "Body": "b", "EventName": event,
        "ResourceAttributes": {"service.name": "erp"}, "LogAttributes": attributes, "known_at": KNOWN, **more,
    }  # fmt: skip


LOGGED = workflow(
    steps={
        "po.created": {"title": "Created", "select": [{"name": "create order"}]},
        "po.acked": {"title": "Acknowledged", "select": [{"signal": "log", "name": "order.acked"}]},
    },
    expectations=[
        {
            "name": "ack", "kind": "sequence", "title": "Acknowledged", "item": "order", "after": ["po.created"],
            "expect": ["po.acked"], "within": "1d", "owner": "buying",
        }
    ],
)  # fmt: skip


def test_a_log_record_becomes_the_event_of_its_step_once_however_often_it_is_sent(store: Store) -> None:
    record = log("order.acked", {"tieout.object.order": "4711", "correlation_id": "c-1"}, TraceId="a" * 32)
    store.insert("otel_logs", [record, record])
    assert derive_events(store, [LOGGED], Correlation(), NOW) == 1
    store.insert("otel_logs", [record])
    assert derive_events(store, [LOGGED], Correlation(), NOW + timedelta(minutes=1)) == 0
    [event] = events(store)
    assert (event["step"], event["occurred_at"], event["outcome"]) == ("po.acked", AT, "ok")
    assert objects(event) == [("order", "4711", ""), ("correlation_id", "c-1", "correlation_id")]
    assert (event["trace_id"], event["source"]) == ("a" * 32, "otlp/erp")
    assert event["attributes"] == {"signal": "log", "correlation_id": "c-1"}


def test_a_span_and_the_records_logged_in_it_are_events_of_their_own(store: Store) -> None:
    span = row("create order", ORDER)
    ids = {"TraceId": span["TraceId"], "SpanId": span["SpanId"]}
    records = [log("order.acked", {**ORDER, "n": str(n)}, **ids) for n in range(2)]
    store.insert("otel_logs", records)
    assert derive_events(store, [LOGGED], Correlation(), NOW) == 2
    # The span comes later, as spans do: it is not taken for one of the records.
    put(store, span)
    assert derive_events(store, [LOGGED], Correlation(), NOW + timedelta(minutes=1)) == 1
    assert [event["step"] for event in events(store)] == ["po.acked", "po.acked", "po.created"]


def test_what_a_record_says_of_itself_and_what_its_program_only_chats(store: Store) -> None:
    flow = {"tieout.flow": "orders"}
    program = {"ResourceAttributes": {"service.name": "erp", **flow}}
    store.insert(
        "otel_logs",
        [
            log("", {**ORDER, "tieout.step": "po.created"}),
            log("order.acked", ORDER, SeverityNumber=17),
            log("", {**ORDER, "event.name": "order.acked", "n": "1"}),
            log("something", {**ORDER, **flow}),
            log("create order", ORDER),
            log("chat", ORDER, **program),
        ],
    )
    derive_events(store, [LOGGED], Correlation(), NOW)
    found = sorted(
        (event["step"], event["outcome"], event["attributes"].get("activity")) for event in events(store)
    )
    assert found == [
        ("po.acked", "failed", None), ("po.acked", "ok", None), ("po.created", "ok", None), ("unmapped", "ok", "something"),
    ]  # fmt: skip


def test_log_records_bring_their_source_further(store: Store) -> None:
    store.insert("otel_logs", [log("order.acked", ORDER)])
    derive_events(store, [LOGGED], Correlation(watermark_lag=timedelta(0)), NOW)
    assert store.rows("SELECT source, complete_through FROM watermarks") == [
        {"source": "otlp/erp", "complete_through": AT}
    ]
