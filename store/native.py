"""The Native format as clients of the newer protocol read it, from what the engine writes for the oldest.

A client that sends `client_protocol_version` expects two things more in a block: facts about the block before it, and
a mark before the data of each column. To put the marks where they belong, the ends of the columns must be found.
"""

from __future__ import annotations

import mmap
import re
import struct
from functools import lru_cache
from typing import IO, Protocol

from store.access import RefusedError
from store.engine import IN_MEMORY_BYTES, spool

# From this protocol version on a column has a mark.
MARKS_COLUMNS = 54454
NOT_IMPLEMENTED = 48

# Not an overflow of GROUP BY, no bucket of an aggregation.
_BLOCK_FACTS = b"\x01\x00\x02\xff\xff\xff\xff\x00"
# The column has no encoding of its own kind.
_MARK = b"\x00"
_WIDTHS = {
    1: "UInt8 Int8 Bool Enum8 Nothing",
    2: "UInt16 Int16 Enum16 Date BFloat16",
    4: "UInt32 Int32 Float32 Date32 DateTime Decimal32 IPv4 Time",
    8: "UInt64 Int64 Float64 DateTime64 Decimal64 Time64",
    16: "UInt128 Int128 UUID IPv6 Decimal128",
    32: "UInt256 Int256 Decimal256",
}
_WIDTH = {name: width for width, names in _WIDTHS.items() for name in names.split()}
_SAME_AS = {
    "Point": "Tuple(Float64, Float64)",
    "Ring": "Array(Point)",
    "LineString": "Array(Point)",
    "MultiLineString": "Array(LineString)",
    "Polygon": "Array(Ring)",
    "MultiPolygon": "Array(Polygon)",
}
_TOKEN = re.compile(r"'(?:[^'\\]|\\.)*'|`(?:[^`\\]|\\.)*`|[(),]|[^'`(),]+")
_FIELD = re.compile(r"(?:`(?:[^`\\]|\\.)*`|\w+) (?P<type>.+)", re.DOTALL)
_NULLABLE = re.compile(r"^Nullable\((.*)\)$", re.DOTALL)
_LONG = struct.Struct("<Q")
# Of a column of distinct values: the width of an index, and whether the values stand in this block.
_INDEX_WIDTH, _HAS_VALUES = 0xFF, 1 << 9

Bytes = bytes | mmap.mmap


class _Column(Protocol):
    """Finds the end of a column of one type. `prefix` comes once, before the data of all nested columns."""

    def prefix(self, at: int) -> int: ...
    def end(self, data: Bytes, at: int, rows: int) -> int: ...


def with_block_facts(body: IO[bytes], size: int) -> tuple[IO[bytes], int]:
    """The blocks in `body` as protocol MARKS_COLUMNS has them, at its start, and the size of that in bytes.

    Raises RefusedError for a type whose columns this cannot measure.
    """
    out, written, at = spool(), 0, 0
    data = body.read() if size <= IN_MEMORY_BYTES else mmap.mmap(body.fileno(), size, access=mmap.ACCESS_READ)
    while at < size:
        start = at
        columns, at = _number(data, at)
        rows, at = _number(data, at)
        written += out.write(_BLOCK_FACTS + data[start:at])
        for _ in range(columns):
            start = at
            _, at = _text(data, at)
            kind, at = _text(data, at)
            written += out.write(data[start:at] + _MARK)
            start, at = at, _end(kind, data, at, rows)
            written += out.write(data[start:at])
    out.seek(0)
    return out, written


def _end(kind: str, data: Bytes, at: int, rows: int) -> int:
    if not rows:
        return at
    column = _column(kind)
    return column.end(data, column.prefix(at), rows)


def _number(data: Bytes, at: int) -> tuple[int, int]:
    number = shift = 0
    while True:
        byte = data[at]
        at += 1
        number |= (byte & 0x7F) << shift
        if byte < 0x80:
            return number, at
        shift += 7


def _text(data: Bytes, at: int) -> tuple[str, int]:
    length, at = _number(data, at)
    return data[at : at + length].decode(), at + length


def _long(data: Bytes, at: int) -> int:
    return int(_LONG.unpack_from(data, at)[0])


# --- types


@lru_cache(maxsize=1024)
def _column(kind: str) -> _Column:
    """How a column of this type, in the engine's own writing, is measured."""
    name, _, rest = kind.partition("(")
    inner = _arguments(rest[:-1]) if rest else []
    name = _SAME_AS.get(name, name)
    if "(" in name:
        return _column(name)
    if name == "String":
        return _Strings()
    if name == "FixedString":
        return _Fixed(int(inner[0]))
    if name == "Decimal":
        precision = int(inner[0])
        return _Fixed(
            next(width for most, width in ((9, 4), (18, 8), (38, 16), (76, 32)) if precision <= most)
        )
    if name in _WIDTH or name.startswith("Interval"):
        return _Fixed(_WIDTH.get(name, 8))
    if name in ("Nullable", "Array") and len(inner) == 1:
        return (_Nullable if name == "Nullable" else _Array)(_column(inner[0]))
    if name in ("Tuple", "Map", "Nested") and inner:
        parts = _Tuple([_column(_without_name(part)) for part in inner])
        return parts if name == "Tuple" else _Array(parts)
    if name == "LowCardinality":
        return _Distinct(_column(_NULLABLE.sub(r"\1", inner[0])))
    if name == "SimpleAggregateFunction":
        return _column(inner[1])
    raise RefusedError(
        NOT_IMPLEMENTED,
        f"Columns of type {re.sub(r'[^A-Za-z0-9]', '', name)[:40]} are not served in this protocol version; cast them, or ask for another format",
    )


def _arguments(text: str) -> list[str]:
    """The parts between commas that stand in no brackets and no quotes."""
    parts, depth = [""], 0
    for sign in _TOKEN.findall(text):
        depth += (sign == "(") - (sign == ")")
        if sign == "," and not depth:
            parts.append("")
        else:
            parts[-1] += sign
    return [part.strip() for part in parts]


def _without_name(part: str) -> str:
    field = _FIELD.fullmatch(part)
    return field["type"] if field else part


class _Fixed:
    def __init__(self, width: int) -> None:
        self._width = width

    def prefix(self, at: int) -> int:
        return at

    def end(self, data: Bytes, at: int, rows: int) -> int:  # noqa: ARG002
        return at + rows * self._width


class _Strings:
    def prefix(self, at: int) -> int:
        return at

    def end(self, data: Bytes, at: int, rows: int) -> int:
        for _ in range(rows):
            length = data[at]
            at += 1
            if length >= 0x80:
                length, at = _number(data, at - 1)
            at += length
        return at


class _Nullable:
    def __init__(self, inner: _Column) -> None:
        self._inner = inner

    def prefix(self, at: int) -> int:
        return self._inner.prefix(at)

    def end(self, data: Bytes, at: int, rows: int) -> int:
        return self._inner.end(data, at + rows, rows)


class _Array:
    def __init__(self, inner: _Column) -> None:
        self._inner = inner

    def prefix(self, at: int) -> int:
        return self._inner.prefix(at)

    def end(self, data: Bytes, at: int, rows: int) -> int:
        if not rows:
            return at
        ends = at + _LONG.size * rows
        return self._inner.end(data, ends, _long(data, ends - _LONG.size))


class _Tuple:
    def __init__(self, parts: list[_Column]) -> None:
        self._parts = parts

    def prefix(self, at: int) -> int:
        for part in self._parts:
            at = part.prefix(at)
        return at

    def end(self, data: Bytes, at: int, rows: int) -> int:
        for part in self._parts:
            at = part.end(data, at, rows)
        return at


class _Distinct:
    """LowCardinality: the distinct values, then one index into them a row."""

    def __init__(self, values: _Column) -> None:
        self._values = values

    def prefix(self, at: int) -> int:
        return at + _LONG.size

    def end(self, data: Bytes, at: int, rows: int) -> int:
        if not rows:
            return at
        facts, at = _long(data, at), at + _LONG.size
        if facts & _HAS_VALUES:
            at = self._values.end(data, at + _LONG.size, _long(data, at))
        return at + _LONG.size + _long(data, at) * (1 << (facts & _INDEX_WIDTH))
