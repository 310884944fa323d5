"""Cuts an export request into what the engine reads: one row a scope, with its resource, in front of each its length.

Groups and scopes are looked at, items are not. What a sender wrote stands inside fields of the row (`Row` in the
schemas of the signals), so nothing of it can be taken for a mark of ours. The fields of the three signals have the
same numbers down to the scope.
"""

from __future__ import annotations

from collections.abc import Iterator

from collector.protobuf import bytes_field, number_field, varint
from collector.refusals import UndecodableError

GROUP = 1
RESOURCE, SCOPE, SCHEMA_URL = GROUP_FIELDS = (1, 2, 3)
DEPRECATED = 1000
ROW_SCOPE, ROW_RESOURCE, ROW_SCHEMA_URL, ROW_DEPRECATED, ROW_RECEIPT = range(1, 6)
# What a field consists of: wire types of protobuf.
NUMBER, EIGHT_BYTES, CONTENT, BEGIN, END, FOUR_BYTES = range(6)

Parts = list[bytes | memoryview]


def scope_rows(body: bytes, mark: bytes) -> Parts:
    """The rows of the request in `body`, one behind the other, with `mark` in each; pieces of `body` are not copied.

    The body must have been parsed. Raises UndecodableError when a field down to the scopes is of another type than
    it should be, which the library passes over.
    """
    parts: Parts = []
    for number, group in _fields(memoryview(body), (GROUP,)):
        if number == GROUP:
            _add_rows(group, mark, parts)
    return parts


def receipt_mark(request_id: str, items: int) -> bytes:
    """Protobuf that names the request and how many rows it has."""
    return bytes_field(ROW_RECEIPT, bytes_field(1, request_id.encode()) + number_field(2, items))


def _add_rows(group: memoryview, mark: bytes, parts: Parts) -> None:
    scopes: list[memoryview] = []
    # Of a message that is there several times the parts are put together, of a text the last one counts.
    resource, url, deprecated = b"", b"", False
    for number, content in _fields(group, GROUP_FIELDS):
        if number == SCOPE:
            scopes.append(content)
        elif number == RESOURCE:
            resource += content
        elif number == SCHEMA_URL:
            url = bytes(content)
        elif number == DEPRECATED:
            deprecated = True
    rest = bytes_field(ROW_RESOURCE, resource) + bytes_field(ROW_SCHEMA_URL, url) + mark
    for scope in scopes:
        head = varint(ROW_SCOPE << 3 | CONTENT) + varint(len(scope))
        parts += [varint(len(head) + len(scope) + len(rest)) + head, scope, rest]
    if deprecated:
        alone = number_field(ROW_DEPRECATED, 1) + rest
        parts.append(varint(len(alone)) + alone)


def _fields(message: memoryview, known: tuple[int, ...]) -> Iterator[tuple[int, memoryview]]:
    """Number and content of each field that has one; the others are passed over, if they are not `known`."""
    at = 0
    while at < len(message):
        number, kind, start, at = _field(message, at)
        if kind == CONTENT:
            yield number, message[start:at]
        elif number in known:
            raise UndecodableError("the body is not a valid protobuf message")


def _field(message: memoryview, at: int) -> tuple[int, int, int, int]:
    """Number and wire type of the field at `at`, where its content begins and where it ends."""
    tag, start = _varint(message, at)
    number, kind = tag >> 3, tag & 7
    if kind == CONTENT:
        length, start = _varint(message, start)
        return number, kind, start, start + length
    if kind == NUMBER:
        return number, kind, start, _varint(message, start)[1]
    if kind in (EIGHT_BYTES, FOUR_BYTES):
        return number, kind, start, start + (8 if kind == EIGHT_BYTES else 4)
    end = start
    while kind == BEGIN:
        _, inner, _, end = _field(message, end)
        if inner == END:
            break
    return number, kind, start, end


def _varint(message: memoryview, at: int) -> tuple[int, int]:
    """The number at `at`, and what stands behind it."""
    number = shift = 0
    while True:
        byte = message[at]
        at += 1
        number |= (byte & 0x7F) << shift
        if byte < 0x80:
            return number, at
        shift += 7
