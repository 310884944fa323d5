"""Case 119: the same requests over HTTP in protobuf, HTTP in JSON and gRPC are stored and answered alike."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import grpc
import httpx
import pytest
from google.protobuf.message import DecodeError
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
from otlp_bodies import START_NS, answer_of, nested, post, request, span, status_of
from otlp_grpc import Receiver, export, refused
from otlp_grpc import status_of as grpc_status_of
from otlp_rows import rows
from test_otlp_same_rows import as_json

from collector.app import http_app
from collector.intake import Limits
from collector.readiness import Readiness
from collector.reception import Reception
from store.client import Store

# How the codes of gRPC stand in HTTP (case 93).
HTTP_OF = {
    grpc.StatusCode.OK: 200,
    grpc.StatusCode.INVALID_ARGUMENT: 400,
    grpc.StatusCode.UNAVAILABLE: 503,
    grpc.StatusCode.RESOURCE_EXHAUSTED: 413,
}
Outcome = tuple[int, int, str, list[dict[str, Any]], list[dict[str, Any]]]


def twice(key: str) -> list[KeyValue]:
    return [KeyValue(key=key, value=AnyValue(int_value=n)) for n in (1, 2)]


def messages() -> dict[str, ExportTraceServiceRequest]:
    """Requests that JSON can say as well."""
    repeated = span()
    repeated.attributes.extend(twice("again"))
    empty = ExportTraceServiceRequest()
    empty.resource_spans.add().scope_spans.add()
    return {
        "nothing": ExportTraceServiceRequest(),
        "groups without spans": empty,
        "plain": request(span({"a": "b", "n": 9007199254740993, "f": 0.1, "ok": True, "raw": b"\x00\xff"})),
        "links and events": linked(),
        "mixed and nested values": request(
            span({"list": [1, "a", None], "map": {"a": [1, {"b": 2}]}}), span()
        ),
        "deep value": request(span({"deep": nested(40)})),
        "repeated key": request(repeated),
        "no trace id": request(span(trace_id=b""), span()),
        "zero ids": request(span(trace_id=bytes(16)), span(span_id=bytes(8)), span()),
        "short ids": request(
            span(trace_id=b"abc"), span(span_id=b"abc"), span(parent_span_id=b"abc"), span()
        ),
        "all refused": request(span(trace_id=b"abc"), span(trace_id=b"abc")),
        "no start": request(span(start_time_unix_nano=0), span()),
        "after 2106": request(span(start_time_unix_nano=(1 << 64) - 1), span()),
        "end before start": request(span(end_time_unix_nano=START_NS - 5)),
        "unknown kind": request(span(kind=99)),
        "control characters": request(span({"k": "a\x00b\x1b"}, name="\u202e" + "\U0001f600")),
    }


def deeper(levels: int) -> bytes:
    """A span whose attribute holds a string inside so many lists: more than a parser can make, so by hand."""
    value = field(1, b"x")
    for _ in range(levels):
        value = field(5, field(1, value))
    attribute = field(9, field(1, b"deep") + field(2, value))
    ids = field(1, bytes(range(1, 17))) + field(2, bytes(range(1, 9)))
    return field(1, field(2, field(2, ids + attribute)))


def field(number: int, content: bytes) -> bytes:
    """A field of bytes as protobuf writes it."""
    length, size = bytearray(), len(content)
    while size > 0x7F:
        length.append(size & 0x7F | 0x80)
        size >>= 7
    return bytes([number << 3 | 2, *length, size]) + content


def linked() -> ExportTraceServiceRequest:
    made = span()
    made.events.add(time_unix_nano=START_NS, name="sent")
    made.links.add(trace_id=bytes(range(16)), span_id=bytes(range(8)), trace_state="a=b")
    return request(made)


VALID = request(span(), span()).SerializeToString()
# What JSON cannot say: damaged or ambiguous bytes.
BYTES = {
    "cut by one": VALID[:-1],
    "cut in half": VALID[: len(VALID) // 2],
    "text": b"1234",
    "JSON": b'{"resourceSpans": []}',
    "unknown field": VALID + b"\x9a\x06\x01a",
    "unterminated group": VALID + b"\x9b\x06",
    "wire type 7": VALID + b"\x0f",
    "field number 0": VALID + b"\x02\x00",
    "length overflow": VALID + b"\x0a\xff\xff\xff\xff\x7f",
    "long varint": VALID + b"\x08" + b"\xff" * 10 + b"\x01",
    "wrong wire type": VALID + b"\x08\x01",
    "wrong wire type inside": b"\x0a\x02\x10\x05",
    "invalid UTF-8": request(span(name="xyzzy")).SerializeToString().replace(b"xyzzy", b"x\xff\xfey\xc0"),
    "too deep a value": deeper(60),
    "two messages": VALID + request(span()).SerializeToString(),
}


@pytest.fixture
def sides(
    store: Store, serve: Callable[..., httpx.Client], receive: Callable[..., Receiver]
) -> tuple[httpx.Client, grpc.Channel]:
    """HTTP and gRPC, each with a reception of its own: one alone would know the same body again."""
    desks = [Reception(store, limits=Limits(body_bytes=1 << 20)) for _ in range(2)]
    return serve(http_app(desks[0], Readiness(desks[0], store))), receive(desks[1]).channel


Sides = tuple[httpx.Client, grpc.Channel]


def clean(store: Store) -> None:
    """What the other transport stored is gone."""
    for table in ("otel_traces", "otel_traces_trace_id_ts", "dead_letters"):
        store.command("TRUNCATE TABLE {table:Identifier}", {"table": table})


def letters(store: Store) -> list[dict[str, Any]]:
    return store.rows("SELECT reason, items FROM dead_letters ORDER BY reason, items")


def over_http(client: httpx.Client, store: Store, content: bytes, media_type: str) -> Outcome:
    clean(store)
    response = post(client, content, media_type)
    if response.status_code == 200:
        partial = answer_of(response).partial_success
        return 200, partial.rejected_spans, partial.error_message, rows(store), letters(store)
    return response.status_code, 0, status_of(response).message, rows(store), letters(store)


def over_grpc(channel: grpc.Channel, store: Store, content: bytes) -> Outcome:
    clean(store)
    try:
        said = export(channel, content)
    except grpc.RpcError:
        clean(store)
        error = refused(channel, content)
        status = grpc_status_of(error)
        assert status.code == error.code().value[0]
        return HTTP_OF[error.code()], 0, status.message, rows(store), letters(store)
    partial = ExportTraceServiceResponse.FromString(said).partial_success
    return 200, partial.rejected_spans, partial.error_message, rows(store), letters(store)


@pytest.mark.parametrize("case", messages())
def test_case_119_requests_are_stored_and_answered_alike(store: Store, sides: Sides, case: str) -> None:
    client, channel = sides
    message = messages()[case]
    content = message.SerializeToString()
    protobuf = over_http(client, store, content, "application/x-protobuf")
    assert over_grpc(channel, store, content) == protobuf
    in_json = over_http(client, store, as_json(message), "application/json")
    # A refusal of JSON names the field, which protobuf cannot.
    assert in_json[:2] + in_json[3:] == protobuf[:2] + protobuf[3:]
    if protobuf[0] == 200:
        assert in_json[2] == protobuf[2]


@pytest.mark.parametrize("case", BYTES)
def test_case_119_bytes_are_stored_and_answered_alike(store: Store, sides: Sides, case: str) -> None:
    client, channel = sides
    protobuf = over_http(client, store, BYTES[case], "application/x-protobuf")
    assert over_grpc(channel, store, BYTES[case]) == protobuf
    if case not in ("unknown field", "two messages"):
        assert protobuf[0] == 400


def test_case_119_the_corpus_holds_what_it_should() -> None:
    """Of all outcomes some: taken, taken in part, refused by either of the two decoders."""
    refused_by_library = []
    for name, content in BYTES.items():
        try:
            ExportTraceServiceRequest.FromString(content)
        except DecodeError:
            refused_by_library.append(name)
    assert 5 < len(refused_by_library) < len(BYTES)
    assert all(json.loads(as_json(message)) is not None for message in messages().values())


def test_case_93_what_is_too_large_is_so_on_both(store: Store, sides: Sides) -> None:
    """gRPC says it without our status: the transport refuses before we see the message."""
    client, channel = sides
    large = request(span({"k": "v" * (1 << 20)})).SerializeToString()
    assert post(client, large).status_code == HTTP_OF[refused(channel, large).code()] == 413
    assert rows(store) == []
