"""What the engine makes of protobuf bodies, what is refused or set aside. Numbers are the checklist's."""

from __future__ import annotations

import math
import struct

import httpx
import pytest
from google.rpc import code_pb2
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
from opentelemetry.proto.trace.v1.trace_pb2 import ScopeSpans, Span
from otlp_bodies import START_NS, answer_of, any_value, body, nested, post, request, span, status_of
from otlp_rows import expected, known_at, rows

from collector.repair.common import REPEATED_KEY, STRING_INDEX
from collector.repair.traces import DEPRECATED, PARENT_ID, SPAN_ID, START_TIME, TRACE_ID
from store.client import Store

DAY_NS = 86_400 * 1_000_000_000


def field(number: int, content: bytes) -> bytes:
    """A length-delimited field on the wire."""
    return varint(number << 3 | 2) + varint(len(content)) + content


def varint(value: int) -> bytes:
    out = b""
    while value > 127:
        out, value = out + bytes([value & 127 | 128]), value >> 7
    return out + bytes([value])


def attribute(store: Store, key: str) -> str:
    return str(store.value("SELECT SpanAttributes[{key:String}] FROM otel_traces", {"key": key}))


def test_case_41_an_empty_body_is_fine(otlp: httpx.Client, store: Store) -> None:
    assert post(otlp, b"").status_code == 200


def test_case_42_groups_without_spans_store_nothing(otlp: httpx.Client, store: Store) -> None:
    empty = ExportTraceServiceRequest()
    empty.resource_spans.add()
    empty.resource_spans.add().scope_spans.add()
    assert post(otlp, empty.SerializeToString()).content == b""
    assert rows(store) == []


def test_case_42_empty_groups_beside_full_ones_do_not_shift_anything(
    otlp: httpx.Client, store: Store
) -> None:
    sent = request(span({"n": 1}), service="first")
    sent.resource_spans.insert(0, ExportTraceServiceRequest().resource_spans.add())
    sent.resource_spans.add().scope_spans.add()
    sent.MergeFrom(request(span(), span({"n": 3, "s": "t"}), service="last"))
    sent.resource_spans[-1].scope_spans.add()
    last = sent.resource_spans[-1].scope_spans.add()
    last.scope.name = "other"
    last.spans.append(span({"n": 4}))
    assert post(otlp, sent.SerializeToString()).status_code == 200
    assert rows(store) == expected(sent)


BODY = body(2)
MALFORMED = {
    "case_43_one_byte_short": BODY[:-1],
    "case_43_half": BODY[: len(BODY) // 2],
    "case_44_digits": b"1234",
    "case_44_json": b'{"resourceSpans": []}',
    "case_46_unterminated_group": BODY + b"\x9b\x06",
    "case_46_wire_type_7": BODY + b"\x9f\x06",
    "case_46_length_overflow": b"\x0a\xff\xff\xff\xff\x0f",
    "case_46_varint_of_11_bytes": b"\x98\x06" + b"\xff" * 10 + b"\x01",
    "case_47_field_0": BODY + b"\x00\x00",
    "case_48_wrong_wire_type": BODY + b"\x08\x01",
    "case_49_invalid_utf8": request(span()).SerializeToString().replace(b"step", b"st\xffp"),
    "case_51_48_nested_lists": request(span({"k": nested(48)})).SerializeToString(),
}


@pytest.mark.parametrize("case", MALFORMED)
def test_case_43_to_51_malformed_bodies_are_400(otlp: httpx.Client, store: Store, case: str) -> None:
    response = post(otlp, MALFORMED[case])
    assert (response.status_code, status_of(response).code) == (400, code_pb2.INVALID_ARGUMENT)
    assert rows(store) == []
    assert store.value("SELECT count() FROM dead_letters WHERE reason = 'undecodable' AND items = 0") == 1


def test_case_51_a_thousand_nested_lists_are_400(otlp: httpx.Client) -> None:
    value = b"\x0a\x01x"
    for _ in range(1000):
        value = field(5, field(1, value))
    pair = field(1, b"k") + field(2, value)
    content = field(1, field(2, field(2, field(9, pair))))
    assert post(otlp, content).status_code == 400


def test_case_45_unknown_fields_and_groups_are_passed_over(otlp: httpx.Client, store: Store) -> None:
    sent = request(span())
    content = sent.SerializeToString() + field(99, b"later") + b"\x9b\x06\x9c\x06"
    assert post(otlp, content).content == b""
    assert rows(store) == expected(sent)


def test_case_50_a_nul_byte_is_kept(otlp: httpx.Client, store: Store) -> None:
    sent = request(span({"a\0b": "c\0d"}, name="x\0y"))
    assert post(otlp, sent.SerializeToString()).status_code == 200
    assert rows(store) == expected(sent)


def test_case_51_47_nested_lists_are_kept(otlp: httpx.Client, store: Store) -> None:
    assert post(otlp, request(span({"k": nested(47)})).SerializeToString()).status_code == 200
    assert attribute(store, "k") == "[" * 47 + '"x"' + "]" * 47


def test_case_52_two_messages_one_after_the_other_are_one(otlp: httpx.Client, store: Store) -> None:
    assert post(otlp, body(1) + body(2)).status_code == 200
    assert len(rows(store)) == 3


def test_case_53_kinds_and_codes_of_the_future_are_kept_as_numbers(otlp: httpx.Client, store: Store) -> None:
    sent = request(*(span(kind=kind) for kind in (0, 1, 2, 3, 4, 5, 99)))
    for code, made in enumerate([span(), span(), span(), span()]):
        made.status.code = code  # type: ignore[assignment]
        made.status.message = f"said {code}"
        sent.resource_spans[0].scope_spans[0].spans.append(made)
    assert post(otlp, sent.SerializeToString()).status_code == 200
    assert rows(store) == expected(sent)
    assert {row["SpanKind"] for row in rows(store)} >= {"Unspecified", "Internal", "Client", "Consumer", "99"}
    assert {row["StatusCode"] for row in rows(store)} == {"Unset", "Ok", "Error", "3"}


VALUES = {
    "string": ("a", "a"),
    "empty string": ("", ""),
    "true": (True, "true"),
    "false": (False, "false"),
    "zero": (0, "0"),
    "smallest integer": (-(2**63), "-9223372036854775808"),
    "double": (18.6, "18.6"),
    "whole double": (1.0, "1"),
    "large double": (1e21, "1e+21"),
    "small double": (1.5e-7, "1.5e-7"),
    "infinity": (-math.inf, "-Infinity"),
    "not a number": (math.nan, "NaN"),
    "bytes": (b"\x00\xffab", "AP9hYg=="),
    "nothing": (AnyValue(), ""),
    "strings": (["a/b", 'c"d', "é\u2028"], None),
    "no items": ([], "[]"),
    "mixed": (
        ["strVal", 7, 18.6, False, AnyValue(), b"ab", 1e21],
        '["strVal",7,18.6,false,null,"YWI=",1e+21]',
    ),
    "line ends of JavaScript": (["\u2028", {"\u2029": 1}], r'["\u2028",{"\u2029":1}]'),
    "map": ({"b": 1, "a": {"c": [True]}}, '{"a":{"c":[true]},"b":1}'),
    "no members": ({}, "{}"),
    "lists": ([["a"], []], '[["a"],[]]'),
}


@pytest.mark.parametrize("case", VALUES)
def test_case_54_every_kind_of_value_is_kept_in_full(otlp: httpx.Client, store: Store, case: str) -> None:
    value, expected_text = VALUES[case]
    made = span({"before": 1, "k": value, "after": "z"})
    made.events.add(name="e", time_unix_nano=START_NS).attributes.add(key="k").value.CopyFrom(
        any_value(value)
    )
    made.links.add(trace_id=bytes(16), span_id=bytes(8)).attributes.add(key="k").value.CopyFrom(
        any_value(value)
    )
    sent = request(made, resource={"k": value})
    assert post(otlp, sent.SerializeToString()).content == b""
    row = rows(store)[0]
    found = {
        row["SpanAttributes"]["k"],
        row["ResourceAttributes"]["k"],
        row["event_attributes"][0]["k"],
        row["link_attributes"][0]["k"],
    }
    if expected_text is None:
        # Which characters of JSON text are escaped is free.
        import json

        assert [json.loads(text) for text in found] == [value] * len(found)
    else:
        assert found == {expected_text}
    assert row["SpanAttributes"]["before"] == "1"
    assert row["SpanAttributes"]["after"] == "z"


def test_case_55_string_indices_outside_of_profiles_count_as_absent(otlp: httpx.Client, store: Store) -> None:
    made = span({"map": {"a": 1}})
    made.attributes.append(KeyValue(key="k", value=AnyValue(string_value_strindex=3)))
    answer = answer_of(post(otlp, request(made).SerializeToString()))
    assert (answer.partial_success.rejected_spans, attribute(store, "k")) == (0, "")
    assert STRING_INDEX in answer.partial_success.error_message


def test_case_56_of_repeated_attribute_keys_the_last_counts(otlp: httpx.Client, store: Store) -> None:
    made = span({"k": "first"})
    made.attributes.append(KeyValue(key="k", value=any_value("last")))
    made.events.add(name="e").attributes.extend([KeyValue(key="x", value=any_value(n)) for n in (1, 2)])
    answer = answer_of(post(otlp, request(made, resource={"r": 1}).SerializeToString()))
    assert answer.partial_success.rejected_spans == 0
    assert f"{REPEATED_KEY} (2)" in answer.partial_success.error_message
    assert rows(store)[0]["SpanAttributes"] == {"k": "last"}
    assert rows(store)[0]["event_attributes"] == [{"x": "2"}]


def test_case_57_links_events_flags_and_states_are_kept(otlp: httpx.Client, store: Store) -> None:
    made = span(
        trace_state="vendor=1", parent_span_id=b"parent12", flags=0xFFFFFFFF, dropped_attributes_count=7
    )
    made.events.add(name="first", time_unix_nano=START_NS + 1).attributes.add(key="a").value.int_value = 5
    made.events.add(name="second", time_unix_nano=START_NS + 2)
    made.links.add(trace_id=b"t" * 16, span_id=b"s" * 8, trace_state="x=y").attributes.add(
        key="b"
    ).value.bool_value = True
    sent = request(made, span())
    assert post(otlp, sent.SerializeToString()).status_code == 200
    assert rows(store) == expected(sent)


def test_case_58_spans_in_the_deprecated_field_are_kept_and_the_sender_told(
    otlp: httpx.Client, store: Store
) -> None:
    old = ScopeSpans(spans=[span({"k": "v"})])
    old.scope.name = "old"
    for beside in (request(span()), ExportTraceServiceRequest()):
        sent = ExportTraceServiceRequest.FromString(
            beside.SerializeToString() + field(1, field(1000, old.SerializeToString()))
        )
        answer = answer_of(post(otlp, sent.SerializeToString()))
        assert DEPRECATED in answer.partial_success.error_message
    assert [row["ScopeName"] for row in rows(store) if row["SpanAttributes"]] == ["old", "old"]
    broken = field(1, field(1000, b"\xff"))
    assert post(otlp, broken).status_code == 400


INVALID = {
    "case_59_empty_trace_id": ({"trace_id": b""}, TRACE_ID),
    "case_59_zero_trace_id": ({"trace_id": bytes(16)}, TRACE_ID),
    "case_60_short_trace_id": ({"trace_id": b"abc"}, TRACE_ID),
    "case_59_empty_span_id": ({"span_id": b""}, SPAN_ID),
    "case_59_zero_span_id": ({"span_id": bytes(8)}, SPAN_ID),
    "case_60_long_span_id": ({"span_id": b"123456789"}, SPAN_ID),
    "case_61_parent_of_3_bytes": ({"parent_span_id": b"abc"}, PARENT_ID),
    "case_64_start_0": ({"start_time_unix_nano": 0}, START_TIME),
    "case_64_start_all_ones": ({"start_time_unix_nano": 2**64 - 1}, START_TIME),
    "case_64_start_after_2106": ({"start_time_unix_nano": (1 << 32) * 10**9}, START_TIME),
}


@pytest.mark.parametrize("case", INVALID)
def test_case_59_to_64_a_span_that_cannot_be_kept_is_set_aside_and_the_rest_stored(
    otlp: httpx.Client, store: Store, case: str
) -> None:
    change, reason = INVALID[case]
    spans = [span() for _ in range(10)]
    sent = request(*spans[:4], span(**change), *spans[4:9])
    answer = answer_of(post(otlp, sent.SerializeToString())).partial_success
    assert answer.rejected_spans == 1
    assert answer.error_message == f"1 spans were not stored: {reason} (1)"
    assert rows(store) == expected(request(*spans[:9]))
    letters = store.rows("SELECT reason, items, encoding FROM dead_letters")
    assert letters == [{"reason": reason, "items": 1, "encoding": "protobuf"}]


def test_case_61_no_parent_is_a_root_span(otlp: httpx.Client, store: Store) -> None:
    assert post(otlp, request(span(parent_span_id=b"")).SerializeToString()).content == b""
    assert rows(store)[0]["ParentSpanId"] == ""


def test_case_62_all_spans_invalid_is_still_an_answer(otlp: httpx.Client, store: Store) -> None:
    content = request(*(span(trace_id=b"") for _ in range(3)), span(span_id=b"")).SerializeToString()
    answer = answer_of(post(otlp, content)).partial_success
    assert answer.rejected_spans == 4
    assert answer.error_message == f"4 spans were not stored: {TRACE_ID} (3); {SPAN_ID} (1)"
    assert rows(store) == []


def test_case_38_the_answer_stays_short_whatever_is_wrong(otlp: httpx.Client, store: Store) -> None:
    content = request(*(span(trace_id=bytes([n % 7])) for n in range(2_000))).SerializeToString()
    response = post(otlp, content)
    assert answer_of(response).partial_success.rejected_spans == 2_000
    assert len(response.content) < 1_500


def test_case_63_an_end_before_the_start_is_kept_as_it_is(otlp: httpx.Client, store: Store) -> None:
    """The exporter's unsigned column holds a negative difference; read as signed it is true again."""
    assert post(otlp, request(span(end_time_unix_nano=START_NS - 5)).SerializeToString()).status_code == 200
    assert store.value("SELECT reinterpretAsInt64(Duration) FROM otel_traces") == -5


def test_an_end_that_is_not_known_is_no_duration(otlp: httpx.Client, store: Store) -> None:
    assert post(otlp, request(span(end_time_unix_nano=0)).SerializeToString()).status_code == 200
    assert store.value("SELECT Duration FROM otel_traces") == 0


def test_case_64_a_request_may_span_more_than_a_hundred_days(otlp: httpx.Client, store: Store) -> None:
    spans = [span(start_time_unix_nano=START_NS + n * DAY_NS) for n in range(-101, 0)]
    assert post(otlp, request(*spans).SerializeToString()).status_code == 200
    assert len(rows(store)) == 101


def test_case_65_advice_comes_with_no_rejected_span_and_a_message(otlp: httpx.Client, store: Store) -> None:
    made = span({"k": 1})
    made.attributes.append(KeyValue(key="k", value=any_value(2)))
    answer = answer_of(post(otlp, request(made).SerializeToString()))
    assert answer.HasField("partial_success")
    assert answer.partial_success.rejected_spans == 0
    assert answer.partial_success.error_message


def test_members_of_one_value_given_twice_on_the_wire_the_last_counts(
    otlp: httpx.Client, store: Store
) -> None:
    pair = field(1, b"k") + field(2, field(1, b"first") + b"\x18\x07")
    content = Span.SerializeToString(span()) + field(9, pair)
    assert post(otlp, field(1, field(2, field(2, content)))).status_code == 200
    assert attribute(store, "k") == "7"


def test_ids_and_times_of_a_double_stand_where_they_should(otlp: httpx.Client, store: Store) -> None:
    """Bytes of a double that look like the start of another field change nothing."""
    odd = struct.unpack("<d", b"\x12\x2a\x32\x3a\x08\x18\x21\x40")[0]
    sent = request(span({"k": odd, "l": b"\x12\x2a\x32", "m": "\x12*2"}))
    assert post(otlp, sent.SerializeToString()).status_code == 200
    assert rows(store) == expected(sent)


def test_all_spans_of_a_request_are_known_at_the_same_time(otlp: httpx.Client, store: Store) -> None:
    assert post(otlp, body(20)).status_code == 200
    assert len(known_at(store)) == 1
