"""Requests cut into rows of one scope each: nothing is lost, and what is not ours stays inside."""

from __future__ import annotations

import pytest
from google.protobuf.empty_pb2 import Empty
from google.protobuf.unknown_fields import UnknownFieldSet
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.resource.v1.resource_pb2 import Resource
from opentelemetry.proto.trace.v1.trace_pb2 import ScopeSpans
from otlp_bodies import request, span

from collector.protobuf import bytes_field, number_field, varint
from collector.refusals import UndecodableError
from collector.scope_rows import receipt_mark, scope_rows

MARK = receipt_mark("me", 7)
# Fields that nobody knows, of every wire type: a number, eight bytes, a text, a group with a group inside, four bytes.
UNKNOWN = (
    number_field(90, 1 << 63),
    varint(91 << 3 | 1) + bytes(8),
    bytes_field(92, b"\x0a\x03" * 200),
    varint(93 << 3 | 3) + varint(2 << 3 | 3) + number_field(1, 300) + varint(2 << 3 | 4) + varint(93 << 3 | 4),
    varint(94 << 3 | 5) + bytes(4),
)  # fmt: skip


def rows_of(body: bytes) -> list[dict[int, object]]:
    """The fields of each row, by number."""
    ExportTraceServiceRequest.FromString(body)
    content, rows = b"".join(scope_rows(body, MARK)), []
    while content:
        length, shift = 0, 0
        while True:
            byte, content = content[0], content[1:]
            length |= (byte & 127) << shift
            shift += 7
            if byte < 128:
                break
        fields = UnknownFieldSet(Empty.FromString(content[:length]))
        rows.append({fields[n].field_number: fields[n].data for n in range(len(fields))})
        content = content[length:]
    return rows


def test_a_row_is_a_scope_with_its_resource() -> None:
    sent = ExportTraceServiceRequest()
    for service in ("orders", "billing"):
        sent.MergeFrom(request(span({"k": "v" * 300}), span(), service=service))
        sent.resource_spans[-1].scope_spans.add().scope.name = "empty"
        sent.resource_spans[-1].schema_url = f"https://{service}"
    sent.resource_spans.add().resource.attributes.add(key="nothing follows")
    wanted = [
        (scope, group.resource, group.schema_url.encode())
        for group in sent.resource_spans
        for scope in group.scope_spans
    ]
    rows = rows_of(sent.SerializeToString())
    assert [
        (ScopeSpans.FromString(row[1]), Resource.FromString(row[2]), row[3])  # type: ignore[arg-type]
        for row in rows
    ] == wanted
    assert {row.keys() == {1, 2, 3, 5} for row in rows} == {True}


def test_fields_that_nobody_knows_are_passed_over_at_every_level() -> None:
    [group] = request(span()).resource_spans
    plain = [bytes_field(1, group.resource.SerializeToString())]
    plain += [bytes_field(2, scope.SerializeToString()) for scope in group.scope_spans]
    inner = b"".join(unknown + known for unknown, known in zip(UNKNOWN, [*plain, b"", b"", b""], strict=True))
    body = UNKNOWN[3] + bytes_field(1, inner) + b"".join(UNKNOWN)
    assert rows_of(body) == rows_of(bytes_field(1, b"".join(plain)))
    assert len(rows_of(body)) == 1


def test_parts_of_one_resource_are_put_together_and_the_last_schema_counts() -> None:
    parts = [Resource(), Resource()]
    for number, part in enumerate(parts):
        part.attributes.add(key=str(number))
    group = b"".join(bytes_field(1, part.SerializeToString()) for part in parts)
    group += bytes_field(3, b"first") + bytes_field(2, b"") + bytes_field(3, b"last")
    [row] = rows_of(bytes_field(1, group))
    assert [pair.key for pair in Resource.FromString(row[2]).attributes] == ["0", "1"]  # type: ignore[arg-type]
    assert row[3] == b"last"


def test_items_in_the_deprecated_field_make_a_row_that_says_so() -> None:
    rows = rows_of(bytes_field(1, bytes_field(1000, b"spans")))
    assert [(row.get(1), row.get(4)) for row in rows] == [(None, 1)]


@pytest.mark.parametrize("wrong", [number_field(1, 3), bytes_field(1, number_field(2, 3)), bytes_field(1, UNKNOWN[0] + number_field(3, 1))])  # fmt: skip
def test_known_fields_of_another_type_are_refused(wrong: bytes) -> None:
    with pytest.raises(UndecodableError):
        rows_of(wrong)
