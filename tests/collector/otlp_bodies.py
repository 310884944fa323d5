"""Export requests for tests: small, with ids that no other test uses."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

import httpx
from google.protobuf import json_format
from google.rpc.status_pb2 import Status
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
from opentelemetry.proto.trace.v1.trace_pb2 import Span

START_NS = 1_790_000_000_000_000_000


def any_value(value: Any) -> AnyValue:
    """A Python value as an attribute value; lists and dicts nest."""
    if isinstance(value, AnyValue):
        return value
    made = AnyValue()
    if isinstance(value, bool):
        made.bool_value = value
    elif isinstance(value, int):
        made.int_value = value
    elif isinstance(value, float):
        made.double_value = value
    elif isinstance(value, str):
        made.string_value = value
    elif isinstance(value, bytes):
        made.bytes_value = value
    elif isinstance(value, list):
        made.array_value.SetInParent()
        made.array_value.values.extend(any_value(item) for item in value)
    elif isinstance(value, dict):
        made.kvlist_value.SetInParent()
        made.kvlist_value.values.extend(pairs(value))
    return made


def pairs(attributes: Mapping[str, Any]) -> list[KeyValue]:
    """Attributes in the order given."""
    return [KeyValue(key=key, value=any_value(value)) for key, value in attributes.items()]


def span(attributes: Mapping[str, Any] | None = None, **fields: Any) -> Span:
    """A valid span with fresh ids; `fields` replace what stands there."""
    made = Span(
        trace_id=os.urandom(16), span_id=os.urandom(8), name="step", kind=Span.SPAN_KIND_SERVER,
        start_time_unix_nano=START_NS, end_time_unix_nano=START_NS + 1_500,
        attributes=pairs(attributes or {}),
    )  # fmt: skip
    for name, value in fields.items():
        setattr(made, name, value)
    return made


def request(
    *spans: Span, service: str = "orders", resource: Mapping[str, Any] | None = None
) -> ExportTraceServiceRequest:
    """One resource, one scope, these spans."""
    made = ExportTraceServiceRequest()
    group = made.resource_spans.add()
    group.resource.attributes.extend(pairs({"service.name": service, **(resource or {})}))
    scope = group.scope_spans.add()
    scope.scope.name, scope.scope.version = "tests", "1.2.3"
    scope.spans.extend(spans)
    return made


def body(count: int = 2) -> bytes:
    """A protobuf body with `count` fresh spans."""
    return request(*(span() for _ in range(count))).SerializeToString()


def post(
    client: httpx.Client, content: bytes, media_type: str = "application/x-protobuf", **headers: str
) -> httpx.Response:
    """Sends `content` to the default path; underscores in names of headers stand for hyphens."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return client.post("/v1/traces", content=content, headers={"content-type": media_type, **named})


def status_of(response: httpx.Response) -> Status:
    """The refusal in the encoding that the response declares."""
    if response.headers["content-type"] == "application/json":
        return json_format.Parse(response.content, Status())
    assert response.headers["content-type"] == "application/x-protobuf"
    return Status.FromString(response.content)


def answer_of(response: httpx.Response) -> ExportTraceServiceResponse:
    """The answer to a request that was taken."""
    assert response.status_code == 200, response.content
    if response.headers["content-type"] == "application/json":
        return json_format.Parse(response.content, ExportTraceServiceResponse())
    return ExportTraceServiceResponse.FromString(response.content)


def nested(levels: int) -> AnyValue:
    """A string inside `levels` lists."""
    made = AnyValue()
    inner = made
    for _ in range(levels):
        inner = inner.array_value.values.add()
    inner.string_value = "x"
    return made
