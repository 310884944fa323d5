"""Logs over HTTP. Numbers are those of the checklist, which says the same for all signals."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Callable, Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import otlp_random as rnd
import pytest
from google.protobuf.message import Message
from google.rpc import code_pb2
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from opentelemetry._logs import LogRecord as SdkRecord
from opentelemetry._logs import SeverityNumber
from opentelemetry.exporter.otlp.proto.http import Compression
from opentelemetry.exporter.otlp.proto.http._log_exporter import OTLPLogExporter
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
from opentelemetry.proto.logs.v1.logs_pb2 import LogRecord, ScopeLogs
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk._logs.export import BatchLogRecordProcessor
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from otlp_bodies import START_NS, any_value, nested, pairs, request, span, status_of
from otlp_log_rows import expected, rows
from otlp_send import JSON, PROTOBUF, field, outcome, send, varint
from starlette.applications import Starlette

from collector.app import receiver
from collector.otlp_json import ENUM_NAMES
from collector.repair.common import REPEATED_KEY, STRING_INDEX
from collector.repair.logs import DEPRECATED, SPAN_ID, TIME, TRACE_ID
from collector.signals import LOGS, TRACES
from store.client import Store

AFTER_2106 = (1 << 32) * 10**9
EXAMPLE = Path(__file__).parents[1] / "data" / "otlp_logs.json"


def record(attributes: Mapping[str, Any] | None = None, body: Any = "said", **fields: Any) -> LogRecord:
    """A valid record inside of a trace; `fields` replace what stands there."""
    made = LogRecord(
        time_unix_nano=START_NS, observed_time_unix_nano=START_NS + 5, severity_number=9,  # type: ignore[arg-type]
        severity_text="INFO", trace_id=os.urandom(16), span_id=os.urandom(8), flags=1,
        body=any_value(body), attributes=pairs(attributes or {}),
    )  # fmt: skip
    for name, value in fields.items():
        setattr(made, name, value)
    return made


def logs(
    *records: LogRecord, resource: Mapping[str, Any] | None = None, scope: Mapping[str, Any] | None = None
) -> ExportLogsServiceRequest:
    """One resource, one scope, these records."""
    made = ExportLogsServiceRequest()
    group = made.resource_logs.add(schema_url="https://example.test/1")
    group.resource.attributes.extend(pairs({"service.name": "orders", **(resource or {})}))
    inner = group.scope_logs.add(schema_url="https://example.test/2")
    inner.scope.name, inner.scope.version = "orders.api", "1.2.3"
    inner.scope.attributes.extend(pairs(scope or {}))
    inner.log_records.extend(records)
    return made


def stored(otlp: httpx.Client, store: Store, sent: ExportLogsServiceRequest) -> list[dict[str, Any]]:
    """Sends what must be taken without a word, and gives the rows."""
    assert send(otlp, LOGS, sent).content == b""
    return rows(store)


@st.composite
def records(draw: st.DrawFn) -> LogRecord:
    made = LogRecord(
        time_unix_nano=draw(rnd.times | st.just(0)),
        observed_time_unix_nano=draw(rnd.times),
        severity_number=draw(st.integers(0, 30)),  # type: ignore[arg-type]
        severity_text=draw(rnd.texts), event_name=draw(rnd.texts), flags=draw(st.integers(0, 2**32 - 1)),
        trace_id=draw(rnd.trace_ids), span_id=draw(rnd.span_ids | st.sampled_from([b"", b"abc", bytes(8)])),
        attributes=pairs(draw(rnd.attributes)), dropped_attributes_count=draw(st.integers(0, 9)),
    )  # fmt: skip
    if draw(st.booleans()):
        made.body.CopyFrom(any_value(draw(rnd.values)))
    if draw(st.integers(0, 9)) == 0:
        made.time_unix_nano = AFTER_2106
    return made


@st.composite
def requests(draw: st.DrawFn) -> ExportLogsServiceRequest:
    made = ExportLogsServiceRequest()
    for _ in range(draw(st.integers(0, 3))):
        group = made.resource_logs.add(schema_url=draw(rnd.texts))
        group.resource.attributes.extend(pairs({**draw(rnd.attributes), "service.name": draw(rnd.texts)}))
        for _ in range(draw(st.integers(0, 3))):
            scope = group.scope_logs.add(schema_url=draw(rnd.texts))
            scope.scope.name, scope.scope.version = draw(rnd.texts), draw(rnd.texts)
            scope.scope.attributes.extend(pairs(draw(rnd.attributes)))
            scope.log_records.extend(draw(st.lists(records(), max_size=3)))
    return made


@settings(max_examples=15, deadline=None, suppress_health_check=list(HealthCheck))
@given(sent=requests())
def test_case_119_protobuf_json_and_python_agree(
    otlp: httpx.Client, store: Store, sent: ExportLogsServiceRequest
) -> None:
    sent = rnd.unlike_any_other(sent, "resource_logs")
    kept = expected(sent)
    for content, media_type in [(sent.SerializeToString(), PROTOBUF), (rnd.as_json(sent), JSON)]:
        store.command("TRUNCATE TABLE otel_logs")
        rejected, _ = outcome(LOGS, send(otlp, LOGS, content, media_type))
        assert rejected == LOGS.size(sent) - len(kept)
        assert rows(store) == kept


@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
@given(sent=requests(), at=st.floats(0, 1), put=st.binary(min_size=0, max_size=4), drop=st.integers(0, 4))
def test_damaged_requests_are_answered_and_never_to_be_sent_again(
    otlp: httpx.Client, store: Store, sent: ExportLogsServiceRequest, at: float, put: bytes, drop: int
) -> None:
    whole = sent.SerializeToString()
    place = int(at * len(whole))
    assert send(otlp, LOGS, whole[:place] + put + whole[place + drop :]).status_code in (200, 400)


def test_every_field_of_a_valid_request_arrives_without_repair(
    serve: Callable[[Starlette], httpx.Client], store: Store
) -> None:
    app = receiver(store)
    sent = logs(
        record(
            {"s": "x", "i": -3, "d": 0.5, "b": True, "y": b"\x00\xff", "l": ["a", "b"]}, event_name="sent"
        ),
        record(body=AnyValue(), trace_id=b"", span_id=b"", flags=0xFFFFFF01, severity_number=24),
        resource={"process.command_args": ["run", "--now"]},
        scope={"n": 1},
    )
    found = stored(serve(app), store, sent)
    assert found == expected(sent)
    assert app.state.intake.counts["repaired"] == 0
    assert {row["TraceFlags"] for row in found} == {1}
    whole = store.one("SELECT * FROM otel_logs WHERE EventName = 'sent'")
    assert whole["LogAttributes"] == {
        "s": "x",
        "i": "-3",
        "d": "0.5",
        "b": "true",
        "y": "AP8=",
        "l": '["a","b"]',
    }
    assert (whole["request_items"], len(whole["request_id"])) == (2, 32)


def test_the_request_a_row_came_in_is_known(otlp: httpx.Client, store: Store) -> None:
    """Rows of all resources of one request have its id and its number of records; another one has another."""
    first, other = logs(record(), record()), logs(record())
    first.resource_logs.add().scope_logs.add().log_records.append(record())
    first.resource_logs.add()
    for sent in (first, other):
        assert stored(otlp, store, sent)
    found = store.rows(
        "SELECT request_id, request_items, count() AS n FROM otel_logs GROUP BY ALL ORDER BY n"
    )
    assert [(row["request_items"], row["n"]) for row in found] == [(1, 1), (3, 3)]


def test_receipts_that_a_sender_makes_up_are_left_out(otlp: httpx.Client, store: Store) -> None:
    forged = field(2000, field(1, b"forged") + b"\x10\x63")
    content = logs(record()).SerializeToString() + forged * 2 + logs(record()).SerializeToString()
    assert send(otlp, LOGS, content).content == b""
    assert store.rows("SELECT DISTINCT request_items, length(request_id) AS n FROM otel_logs") == [
        {"request_items": 2, "n": 32}
    ]


BODIES = {
    "string": ("a\0b", "a\0b"),
    "nothing": (AnyValue(), ""),
    "true": (True, "true"),
    "integer": (-(2**63), "-9223372036854775808"),
    "double": (1e21, "1e+21"),
    "infinity": (-math.inf, "-Infinity"),
    "not a number": (math.nan, "NaN"),
    "bytes": (b"\x00\xffab", "AP9hYg=="),
    "strings": (["a/b", "c"], '["a/b","c"]'),
    "mixed": (["a", 7, None, b"ab"], '["a",7,null,"YWI="]'),
    "map": ({"b": 1, "a": {"c": [True]}}, '{"a":{"c":[true]},"b":1}'),
    "no members": ({}, "{}"),
}


@pytest.mark.parametrize("case", BODIES)
def test_case_54_a_body_may_be_a_value_of_any_kind(otlp: httpx.Client, store: Store, case: str) -> None:
    value, text = BODIES[case]
    (row,) = stored(otlp, store, logs(record({"k": value}, value), scope={"k": value}, resource={"k": value}))
    assert row["Body"] == text
    assert row["LogAttributes"] == {"k": text}
    assert row["ScopeAttributes"] == {"k": text}
    assert row["ResourceAttributes"]["k"] == text


@pytest.mark.parametrize(
    ("happened", "observed", "at"),
    [(START_NS, START_NS + 5, START_NS), (0, START_NS + 5, START_NS + 5), (START_NS, 0, START_NS)],
)
def test_the_time_of_observation_stands_in_for_a_time_not_known(
    otlp: httpx.Client, store: Store, happened: int, observed: int, at: int
) -> None:
    (row,) = stored(otlp, store, logs(record(time_unix_nano=happened, observed_time_unix_nano=observed)))
    assert row["at"] == at


def test_a_record_without_any_time_is_as_old_as_its_arrival(otlp: httpx.Client, store: Store) -> None:
    assert stored(otlp, store, logs(record(time_unix_nano=0, observed_time_unix_nano=0)))
    row = store.one("SELECT Timestamp, known_at FROM otel_logs")
    assert abs(row["Timestamp"] - row["known_at"]) < timedelta(seconds=1)


@pytest.mark.parametrize("media_type", [PROTOBUF, JSON])
def test_case_59_to_65_what_cannot_be_kept_is_counted_and_the_rest_stored(
    otlp: httpx.Client, store: Store, media_type: str
) -> None:
    good = [record({"n": n}) for n in range(9)]
    late = record(time_unix_nano=AFTER_2106), record(time_unix_nano=0, observed_time_unix_nano=2**64 - 1)
    sent = logs(*good[:4], late[0], *good[4:], late[1])
    content = sent.SerializeToString() if media_type == PROTOBUF else rnd.as_json(sent)
    assert outcome(LOGS, send(otlp, LOGS, content, media_type)) == (
        2, f"2 log records were not stored: {TIME} (2)"
    )  # fmt: skip
    assert rows(store) == expected(logs(*good))
    assert store.value("SELECT DISTINCT request_items FROM otel_logs") == 9
    assert store.rows("SELECT signal, reason, items FROM dead_letters") == [
        {"signal": "logs", "reason": TIME, "items": 2}
    ]


def test_case_62_all_records_set_aside_is_still_an_answer(otlp: httpx.Client, store: Store) -> None:
    sent = logs(*(record(time_unix_nano=AFTER_2106) for _ in range(3)))
    assert outcome(LOGS, send(otlp, LOGS, sent))[0] == 3
    assert rows(store) == []


def test_case_60_an_id_that_is_none_does_not_cost_the_record(otlp: httpx.Client, store: Store) -> None:
    sent = logs(record(trace_id=b"abc"), record(span_id=b"123456789"), record())
    rejected, message = outcome(LOGS, send(otlp, LOGS, sent))
    assert (rejected, message) == (0, f"{TRACE_ID} (1). {SPAN_ID} (1)")
    assert rows(store) == expected(sent)


def test_all_zero_ids_are_no_ids(otlp: httpx.Client, store: Store) -> None:
    (row,) = stored(otlp, store, logs(record(trace_id=bytes(16), span_id=bytes(8))))
    assert (row["TraceId"], row["SpanId"]) == ("", "")


def test_ids_read_as_in_the_traces_they_belong_to(otlp: httpx.Client, store: Store) -> None:
    step = span()
    assert send(otlp, TRACES, request(step)).status_code == 200
    assert stored(otlp, store, logs(record(trace_id=step.trace_id, span_id=step.span_id)))
    joined = "SELECT count() FROM otel_logs AS l JOIN otel_traces AS t ON l.TraceId = t.TraceId AND l.SpanId = t.SpanId"
    assert store.value(joined) == 1


def test_case_53_severities_of_the_future_are_kept_while_they_fit(otlp: httpx.Client, store: Store) -> None:
    sent = logs(*(record(severity_number=number) for number in (0, 24, 25, 255, 256, -1)))
    found = stored(otlp, store, sent)
    assert sorted(row["SeverityNumber"] for row in found) == [0, 0, 0, 24, 25, 255]


def test_case_55_and_56_repeated_keys_and_string_indices_are_told(otlp: httpx.Client, store: Store) -> None:
    made = record({"k": "first"}, AnyValue(string_value_strindex=3))
    made.attributes.append(KeyValue(key="k", value=any_value("last")))
    sent = logs(made)
    sent.resource_logs[0].scope_logs[0].scope.attributes.extend(
        [KeyValue(key="x", value=any_value(n)) for n in (1, 2)]
    )
    rejected, message = outcome(LOGS, send(otlp, LOGS, sent))
    assert (rejected, message) == (0, f"{REPEATED_KEY} (2). {STRING_INDEX} (1)")
    (row,) = rows(store)
    assert (row["LogAttributes"], row["ScopeAttributes"], row["Body"]) == ({"k": "last"}, {"x": "2"}, "")


def test_case_58_records_in_the_deprecated_field_are_kept(otlp: httpx.Client, store: Store) -> None:
    old = ScopeLogs(log_records=[record()])
    old.scope.name = "old"
    content = field(1, field(1000, old.SerializeToString()))
    assert DEPRECATED in outcome(LOGS, send(otlp, LOGS, content))[1]
    assert [row["ScopeName"] for row in rows(store)] == ["old"]
    assert send(otlp, LOGS, field(1, field(1000, b"\xff"))).status_code == 400


def test_case_45_unknown_fields_at_every_level_are_passed_over(otlp: httpx.Client, store: Store) -> None:
    later = varint(99 << 3) + b"\x07" + field(98, b"later")

    def put(number: int, message: Message) -> bytes:
        return field(number, message.SerializeToString() + later)

    sent = logs(record({"k": "v"}))
    group = sent.resource_logs[0]
    scope = group.scope_logs[0]
    inner = put(1, scope.scope) + put(2, scope.log_records[0]) + field(3, scope.schema_url.encode()) + later
    outer = put(1, group.resource) + field(2, inner) + field(3, group.schema_url.encode()) + later
    assert send(otlp, LOGS, field(1, outer) + later).content == b""
    assert rows(store) == expected(sent)


def test_case_74_unknown_fields_of_json_are_passed_over(otlp: httpx.Client, store: Store) -> None:
    record_json = {
        "timeUnixNano": str(START_NS),
        "later": {"a": [1]},
        "body": {"stringValue": "x", "other": 1},
    }
    content = {
        "later": 1,
        "resourceLogs": [{"later": [], "scopeLogs": [{"later": 0, "logRecords": [record_json]}]}],
    }
    assert send(otlp, LOGS, json.dumps(content).encode(), JSON).json() == {}
    assert [row["Body"] for row in rows(store)] == ["x"]


def test_case_69_and_72_damaged_ids_and_names_of_severities_in_json(otlp: httpx.Client, store: Store) -> None:
    record_json = {
        "timeUnixNano": START_NS, "traceId": "xyz", "spanId": "0123456789ABCDEF",
        "severityNumber": "SEVERITY_NUMBER_WARN",
    }  # fmt: skip
    content = {"resourceLogs": [{"scopeLogs": [{"logRecords": [record_json]}]}]}
    rejected, message = outcome(LOGS, send(otlp, LOGS, json.dumps(content).encode(), JSON))
    assert rejected == 0
    assert TRACE_ID in message
    assert ENUM_NAMES in message
    (row,) = rows(store)
    assert (row["TraceId"], row["SpanId"], row["SeverityNumber"]) == ("", "0123456789abcdef", 13)


def test_case_84_the_example_of_the_specification(otlp: httpx.Client, store: Store) -> None:
    assert send(otlp, LOGS, EXAMPLE.read_bytes(), JSON).json() == {}
    (row,) = rows(store)
    assert row["at"] == 1544712660300000000
    assert (row["TraceId"], row["SpanId"]) == ("5b8efff798038103d269b633813fc60c", "eee19b7ec3c1b174")
    assert (row["Body"], row["SeverityNumber"], row["SeverityText"]) == (
        "An order was sent",
        10,
        "Information",
    )
    assert row["ServiceName"] == "my.service"
    assert row["ScopeAttributes"] == {"my.scope.attribute": "some scope attribute"}
    assert row["LogAttributes"] == {
        "string.attribute": "some string", "boolean.attribute": "true", "int.attribute": "10",
        "double.attribute": "637.704", "array.attribute": '["many","values"]',
        "map.attribute": '{"some.map.key":"some value"}',
    }  # fmt: skip


@pytest.mark.parametrize(
    ("content", "media_type"),
    [
        (b"", PROTOBUF),
        (b"\x0a\x00", PROTOBUF),
        (b"\x0a\x02\x12\x00", PROTOBUF),
        (b"{}", JSON),
        (b'{"resourceLogs":[{}]}', JSON),
    ],
)
def test_case_41_42_and_76_nothing_to_store_is_fine(
    otlp: httpx.Client, store: Store, content: bytes, media_type: str
) -> None:
    assert send(otlp, LOGS, content, media_type).content == (b"" if media_type == PROTOBUF else b"{}")
    assert rows(store) == []


BODY = logs(record({"k": 1}), record()).SerializeToString()
POISON = {
    "case_43_one_byte_short": BODY[:-1],
    "case_44_json": b'{"resourceLogs": []}',
    "case_46_wire_type_7": BODY + b"\x9f\x06",
    "case_48_wrong_wire_type": BODY + b"\x08\x01",
    "case_49_invalid_utf8": BODY.replace(b"said", b"sa\xffd"),
    "case_51_48_nested_lists": logs(record(body=nested(49))).SerializeToString(),
    "a_trace_request_with_a_span": request(span()).SerializeToString(),
}


@pytest.mark.parametrize("case", POISON)
def test_case_43_to_51_poison_is_400_and_the_next_request_is_served(
    otlp: httpx.Client, store: Store, case: str
) -> None:
    response = send(otlp, LOGS, POISON[case])
    assert (response.status_code, status_of(response).code) == (400, code_pb2.INVALID_ARGUMENT)
    assert rows(store) == []
    assert store.rows("SELECT signal, reason FROM dead_letters") == [
        {"signal": "logs", "reason": "undecodable"}
    ]
    assert len(stored(otlp, store, logs(record()))) == 1


def test_case_115_the_same_body_twice_is_stored_once(otlp: httpx.Client, store: Store) -> None:
    repaired = logs(record(body={"a": 1}), record(time_unix_nano=AFTER_2106))
    for sent in (logs(record()), repaired):
        assert outcome(LOGS, send(otlp, LOGS, sent)) == outcome(LOGS, send(otlp, LOGS, sent))
    assert len(rows(store)) == 2


@pytest.mark.parametrize("compression", [Compression.NoCompression, Compression.Gzip])
def test_case_120_logs_of_a_program_arrive_complete(
    otlp_url: str, store: Store, compression: Compression
) -> None:
    resource = Resource({"service.name": "billing", "process.command_args": ["run", "--now"]})
    provider = LoggerProvider(resource=resource, shutdown_on_exit=False)
    exporter = OTLPLogExporter(endpoint=f"{otlp_url}/v1/logs", compression=compression)
    provider.add_log_record_processor(BatchLogRecordProcessor(exporter, max_export_batch_size=64))
    logger = provider.get_logger("billing.api", "2.0", attributes={"tier": 1})
    tracer = TracerProvider(resource=resource, shutdown_on_exit=False).get_tracer("billing.api")
    with tracer.start_as_current_span("bill") as bill:
        for number in range(100):
            logger.emit(
                SdkRecord(
                    timestamp=START_NS + number, severity_number=SeverityNumber.WARN, severity_text="WARN",
                    body={"text": "late", "days": number}, attributes={"n": number, "tags": ["a", "b"]},
                    event_name="invoice.late",
                )
            )  # fmt: skip
    provider.shutdown()
    assert store.value("SELECT count() FROM otel_logs") == 100
    row = store.one("SELECT * FROM otel_logs WHERE LogAttributes['n'] = '7'")
    assert (row["ServiceName"], row["ScopeName"], row["ScopeVersion"]) == ("billing", "billing.api", "2.0")
    assert row["ScopeAttributes"] == {"tier": "1"}
    assert row["Body"] == '{"days":7,"text":"late"}'
    assert row["LogAttributes"] == {"n": "7", "tags": '["a","b"]'}
    assert (row["SeverityNumber"], row["SeverityText"], row["EventName"]) == (13, "WARN", "invoice.late")
    context = bill.get_span_context()
    assert (row["TraceId"], row["SpanId"]) == (f"{context.trace_id:032x}", f"{context.span_id:016x}")
    assert row["TraceFlags"] == context.trace_flags
