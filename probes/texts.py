"""Values as sources give them (of a driver, of JSON, of a spreadsheet) → text, and records → columns of text.

Columns are made one by one, so that what all records have in common is not looked at in Python value for value.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from datetime import UTC, date, datetime
from datetime import time as time_of_day
from decimal import Decimal, InvalidOperation
from operator import itemgetter
from typing import Any

import pyarrow as pa

from probes.paging import find


def as_text(value: Any) -> str | None:
    """A value of a database driver, of JSON or of a spreadsheet as text; times in ISO 8601, UTC if zoned."""
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, datetime):
        return iso(value) if value.tzinfo else value.isoformat(sep=" ")
    if isinstance(value, date | time_of_day):
        return value.isoformat()
    if isinstance(value, Decimal):
        return f"{value:f}"
    if isinstance(value, bytes | bytearray | memoryview):
        return bytes(value).hex()
    if isinstance(value, list | tuple | dict):
        return json.dumps(value, default=as_text, ensure_ascii=False)
    return str(value)


def iso(moment: datetime) -> str:
    """`2026-11-20T10:00:00.000000Z`."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def parse_time(text: str) -> datetime:
    """The moment that `iso`, or a person in a probe file, wrote. Without a zone it is UTC."""
    moment = datetime.fromisoformat(text)
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def is_number(text: str) -> bool:
    try:
        return Decimal(text).is_finite()
    except InvalidOperation:
        return False


def text_batch(columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> pa.RecordBatch:
    """Rows of Python values, in the order of `columns`, as text columns."""
    return column_batch(columns, list(zip(*rows, strict=True)) or [() for _ in columns])


def record_batch(columns: Sequence[str], records: Sequence[Any]) -> pa.RecordBatch:
    """Records as JSON gives them as text columns: each column is a dotted path, as `probes.paging.find` reads it."""
    return column_batch(columns, columns_of(records, columns))


def column_batch(columns: Sequence[str], values: Sequence[Sequence[Any]]) -> pa.RecordBatch:
    """Columns of Python values as text columns."""
    return pa.RecordBatch.from_arrays([_text_array(column) for column in values], names=list(columns))


def columns_of(records: Sequence[Any], paths: Sequence[str]) -> list[list[Any]]:
    """What stands at each path, record for record: `find` of all of them."""
    if set(map(type, records)) != {dict}:
        return [[find(record, path) for record in records] for path in paths]
    names = set().union(*records)
    return [_column(records, path, names) for path in paths]


def _column(records: Sequence[dict[str, Any]], path: str, names: set[str]) -> list[Any]:
    head, dot, rest = path.partition(".")
    if "[" in path or path.endswith(".") or not path or (dot and _dotted(head, names)):
        return [find(record, path) for record in records]
    try:
        found = list(map(itemgetter(head), records))
    except KeyError:
        found = [record.get(head) for record in records]
    if not dot:
        return found
    inner = [{} if value is None else value for value in found]
    return columns_of(inner, [rest])[0]


def _dotted(head: str, names: set[Any]) -> bool:
    """Whether a key holds dots itself, so that `a.b` may mean it."""
    return any(str(name).startswith(f"{head}.") for name in names)


def _text_array(values: Sequence[Any]) -> pa.Array:
    """Most columns are text, and those are not walked in Python."""
    kinds = set(map(type, values))
    if kinds <= {str, type(None)}:
        return pa.array(values, pa.string())
    return pa.array([as_text(value) for value in values], pa.string())
