"""OTLP in JSON. Numbers are those of the checklist."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path
from typing import Any

import httpx
import pytest
from google.rpc import code_pb2
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from otlp_bodies import START_NS, answer_of, post, status_of
from otlp_rows import expected, rows

from collector.otlp_json import ENUM_NAMES, SNAKE_CASE
from collector.repair.traces import TRACE_ID
from store.client import Store

EXAMPLE = Path(__file__).parents[1] / "data" / "otlp_trace.json"


def document(**span_fields: Any) -> dict[str, Any]:
    """A request with one span; fields given replace or extend it."""
    made = {
        "traceId": os.urandom(16).hex(), "spanId": os.urandom(8).hex(), "name": "step", "kind": 2,
        "startTimeUnixNano": str(START_NS), "endTimeUnixNano": str(START_NS + 1_500), **span_fields,
    }  # fmt: skip
    return {"resourceSpans": [{"scopeSpans": [{"spans": [made]}]}]}


def value(content: Any) -> dict[str, Any]:
    return document(attributes=[{"key": "k", "value": content}])


def send(otlp: httpx.Client, content: Any) -> httpx.Response:
    raw = content if isinstance(content, bytes) else json.dumps(content).encode()
    return post(otlp, raw, "application/json")


def stored_value(store: Store) -> str:
    return str(store.value("SELECT SpanAttributes['k'] FROM otel_traces"))


def refused(response: httpx.Response) -> str:
    assert (response.status_code, response.headers["content-type"]) == (400, "application/json")
    assert status_of(response).code == code_pb2.INVALID_ARGUMENT
    return status_of(response).message


def test_case_67_and_84_the_example_of_the_specification_is_stored_as_from_protobuf(
    otlp: httpx.Client, store: Store
) -> None:
    assert send(otlp, EXAMPLE.read_bytes()).json() == {}
    (row,) = rows(store)
    assert (row["TraceId"], row["SpanId"]) == ("5b8efff798038103d269b633813fc60c", "eee19b7ec3c1b174")
    store.command("TRUNCATE TABLE otel_traces")
    sent = ExportTraceServiceRequest()
    group = sent.resource_spans.add()
    group.resource.attributes.add(key="service.name").value.string_value = "my.service"
    scope = group.scope_spans.add()
    scope.scope.name, scope.scope.version = "my.library", "1.0.0"
    scope.spans.add(
        trace_id=bytes.fromhex("5B8EFFF798038103D269B633813FC60C"), span_id=bytes.fromhex("EEE19B7EC3C1B174"),
        parent_span_id=bytes.fromhex("EEE19B7EC3C1B173"), name="I'm a server span", kind=2,  # type: ignore[arg-type]
        start_time_unix_nano=1544712660000000000, end_time_unix_nano=1544712661000000000,
    ).attributes.add(key="my.span.attr").value.string_value = "some value"  # fmt: skip
    assert post(otlp, sent.SerializeToString()).status_code == 200
    assert rows(store) == [row] == expected(sent)


def test_case_68_ids_in_any_case_are_the_same(otlp: httpx.Client, store: Store) -> None:
    for trace_id in ("ab" * 16, "AB" * 16, "aB" * 16):
        assert send(otlp, document(traceId=trace_id)).status_code == 200
    assert {row["TraceId"] for row in rows(store)} == {"ab" * 16}


@pytest.mark.parametrize("trace_id", ["abc", "zz" * 16, "ab" * 15, "", None, "é" * 16])
def test_case_69_damaged_ids_are_set_aside_as_in_protobuf(
    otlp: httpx.Client, store: Store, trace_id: str | None
) -> None:
    answer = answer_of(send(otlp, document(traceId=trace_id))).partial_success
    assert (answer.rejected_spans, answer.error_message) == (1, f"1 spans were not stored: {TRACE_ID} (1)")
    assert rows(store) == []


def test_a_partial_success_is_proto3_json(otlp: httpx.Client, store: Store) -> None:
    answer = send(otlp, document(spanId="abc")).json()
    assert answer["partialSuccess"]["rejectedSpans"] == "1"


@pytest.mark.parametrize(
    "number", ["9007199254740993", 9007199254740993, "-9223372036854775808", 0, "0", 5.0]
)
def test_case_70_integers_are_exact_as_text_and_as_number(
    otlp: httpx.Client, store: Store, number: Any
) -> None:
    assert send(otlp, value({"intValue": number})).status_code == 200
    assert stored_value(store) == str(int(number))


@pytest.mark.parametrize(
    "number",
    [
        18446744073709551616,
        9223372036854775808,
        "9223372036854775808",
        "1e3",
        "0x10",
        "",
        " 1",
        "1_0",
        True,
        1.5,
        {},
    ],
)
def test_case_70_integers_that_cannot_be_exact_are_refused(otlp: httpx.Client, number: Any) -> None:
    assert "intValue" in refused(send(otlp, value({"intValue": number})))


@pytest.mark.parametrize("start", [str(START_NS), START_NS])
def test_case_71_times_as_text_and_as_number(otlp: httpx.Client, store: Store, start: Any) -> None:
    assert send(otlp, document(startTimeUnixNano=start)).status_code == 200
    assert rows(store)[0]["start"] == START_NS


@pytest.mark.parametrize("start", ["1.5e18", "-1", -1, 1.5e18])
def test_case_71_times_with_exponent_or_sign_are_refused(otlp: httpx.Client, start: Any) -> None:
    assert "startTimeUnixNano" in refused(send(otlp, document(startTimeUnixNano=start)))


def test_case_72_names_of_enum_values_are_read_and_the_sender_told(otlp: httpx.Client, store: Store) -> None:
    sent = document(kind="SPAN_KIND_CLIENT", status={"code": "STATUS_CODE_ERROR"})
    answer = answer_of(send(otlp, sent)).partial_success
    assert (answer.rejected_spans, answer.error_message) == (0, f"{ENUM_NAMES} (2)")
    assert (rows(store)[0]["SpanKind"], rows(store)[0]["StatusCode"]) == ("Client", "Error")
    assert "kind" in refused(send(otlp, document(kind="CLIENT")))
    assert "kind" in refused(send(otlp, document(kind=1.5)))


def test_case_73_snake_case_is_never_a_silent_empty_success(otlp: httpx.Client, store: Store) -> None:
    inner = document()["resourceSpans"][0]["scopeSpans"][0]["spans"][0]
    sent = {"resource_spans": [{"scope_spans": [{"spans": [{**inner, "parent_span_id": "ab" * 8}]}]}]}
    answer = answer_of(send(otlp, sent)).partial_success
    assert (answer.rejected_spans, answer.error_message) == (0, f"{SNAKE_CASE} (3)")
    assert rows(store)[0]["ParentSpanId"] == "ab" * 8


def test_case_74_unknown_fields_are_ignored_at_every_level(otlp: httpx.Client, store: Store) -> None:
    sent = document(new=1, attributes=[{"key": "k", "value": {"stringValue": "v", "new": []}, "new": {}}])
    sent["new"] = sent["resourceSpans"][0]["new"] = sent["resourceSpans"][0]["scopeSpans"][0]["new"] = {
        "a": [1]
    }
    sent["resourceSpans"][0]["resource"] = {"attributes": [], "new": 1}
    assert send(otlp, sent).json() == {}
    assert stored_value(store) == "v"


def test_case_75_null_is_the_default(otlp: httpx.Client, store: Store) -> None:
    sent = document(
        name=None,
        kind=None,
        parentSpanId=None,
        events=None,
        attributes=[{"key": "k", "value": None}],
        status=None,
    )
    sent["resourceSpans"][0]["resource"] = None
    assert send(otlp, sent).json() == {}
    row = rows(store)[0]
    assert (row["SpanName"], row["SpanKind"], row["SpanAttributes"]) == ("", "Unspecified", {"k": ""})


def test_case_76_an_empty_object_is_fine(otlp: httpx.Client) -> None:
    assert send(otlp, b"{}").json() == {}


NOT_AN_OBJECT = {
    "case_77_list": b"[]", "case_77_number": b"1234", "case_77_null": b"null", "case_77_string": b'"x"',
    "case_77_nothing": b"", "case_78_trailing": b"{} trailing", "case_78_bom": b"\xef\xbb\xbf{}",
    "case_78_nan": b'{"a": NaN}', "case_78_surrogate": b'{"a": "\\ud800"}', "bytes": b'{"a": "\xff"}',
    "open": b"{",
}  # fmt: skip


@pytest.mark.parametrize("case", NOT_AN_OBJECT)
def test_case_77_and_78_what_is_no_json_object_is_refused(otlp: httpx.Client, case: str) -> None:
    refused(send(otlp, NOT_AN_OBJECT[case]))


@pytest.mark.parametrize("text", ["NaN", "Infinity", "-Infinity"])
def test_case_79_doubles_without_a_number(otlp: httpx.Client, store: Store, text: str) -> None:
    assert send(otlp, value({"doubleValue": text})).status_code == 200
    assert stored_value(store) == text


@pytest.mark.parametrize("number", [1.5, "1.5", "15e-1"])
def test_doubles_as_number_and_as_text(otlp: httpx.Client, store: Store, number: Any) -> None:
    assert send(otlp, value({"doubleValue": number})).status_code == 200
    assert stored_value(store) == "1.5"


@pytest.mark.parametrize("number", ["nan", "infinity", "", " 1", "1_0", True, [], "x"])
def test_doubles_that_are_none_are_refused(otlp: httpx.Client, number: Any) -> None:
    assert "doubleValue" in refused(send(otlp, value({"doubleValue": number})))


@pytest.mark.parametrize("text", ["+/8=", "-_8=", "-_8", "+/8"])
def test_case_80_bytes_are_base64_in_both_alphabets(otlp: httpx.Client, store: Store, text: str) -> None:
    assert send(otlp, value({"bytesValue": text})).status_code == 200
    assert stored_value(store) == "+/8="


def test_case_80_bytes_that_are_no_base64_are_refused(otlp: httpx.Client) -> None:
    assert "bytesValue" in refused(send(otlp, value({"bytesValue": "*"})))


def test_case_81_two_members_of_one_value_are_refused(otlp: httpx.Client) -> None:
    assert "value is given twice" in refused(send(otlp, value({"stringValue": "a", "intValue": "1"})))


def test_case_82_of_two_equal_keys_the_last_counts(otlp: httpx.Client, store: Store) -> None:
    content = json.dumps(document()).replace('"name": "step"', '"name": "first", "name": "last"')
    assert send(otlp, content.encode()).status_code == 200
    assert rows(store)[0]["SpanName"] == "last"


def test_case_83_a_hundred_thousand_brackets_are_refused_at_once(otlp: httpx.Client) -> None:
    begun = time.perf_counter()
    refused(send(otlp, b"[" * 100_000))
    assert time.perf_counter() - begun < 2


@pytest.mark.parametrize(("levels", "status"), [(47, 200), (48, 400)])
def test_values_may_nest_as_deep_as_in_protobuf(
    otlp: httpx.Client, store: Store, levels: int, status: int
) -> None:
    inner: dict[str, Any] = {"stringValue": "x"}
    for _ in range(levels):
        inner = {"arrayValue": {"values": [inner]}}
    assert send(otlp, value(inner)).status_code == status


@pytest.mark.parametrize(
    ("content", "name"),
    [
        ({"resourceSpans": {}}, "resourceSpans"),
        ({"resourceSpans": [1]}, "ResourceSpans"),
        ({"resourceSpans": [{"resource": []}]}, "Resource"),
        (document(name=1), "name"),
        (document(events=[{"attributes": "x"}]), "attributes"),
        (value({"boolValue": "true"}), "boolValue"),
        (value({"boolValue": 1}), "boolValue"),
        (value({"stringValue": 1}), "stringValue"),
        (value("x"), "AnyValue"),
        (document(flags="4294967296"), "flags"),
        (document(traceId=1), "traceId"),
    ],
)
def test_a_wrong_type_is_refused_with_the_name_of_the_field(
    otlp: httpx.Client, content: Any, name: str
) -> None:
    assert name in refused(send(otlp, content))
