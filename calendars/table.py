"""The table `calendar`: the days of every calendar, each change of them as a new version beside the old one."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from calendars.days import CalendarDay, calendar_days
from calendars.model import Calendar
from store.client import Store
from store.sqlfile import read

SQL = Path(__file__).parent / "sql"
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

_MOMENT = pa.timestamp("us", "UTC")
_SHAPE = pa.schema(
    {
        "date": pa.date32(), "starts_at": _MOMENT, "ends_at": _MOMENT, "is_business": pa.bool_(), "ordinal": pa.int32(),
        "opens_at": _MOMENT, "closes_at": _MOMENT, "cutoff_at": _MOMENT, "business_s": pa.int64(),
        "reason": pa.string(), "fiscal_year": pa.uint16(), "fiscal_period": pa.uint8(), "day_of_period": pa.uint16(),
        "period_starts_on": pa.date32(), "period_ends_on": pa.date32(), "close_day": pa.date32(),
    }
)  # fmt: skip


def write_calendars(store: Store, calendars: Iterable[Calendar], now: datetime) -> list[str]:
    """Brings the table up to the files and gives the names of calendars that were new or had changed.

    The first version of a calendar holds for all known times; a changed one from `now` on, and views as of
    an earlier known time keep the one before. A calendar whose file is gone keeps its days. Raises StoreError.
    """
    rows = store.rows(read(SQL / "newest_versions.sql"))
    newest = {row["calendar"]: row["newest_version"] for row in rows}
    written = []
    for calendar in calendars:
        days = table_of(calendar_days(calendar))
        version = version_of(days)
        if newest.get(calendar.calendar) == version:
            continue
        stamps = {"calendar": calendar.calendar, "version": version, "zone": calendar.zone}
        known_at = now if calendar.calendar in newest else EPOCH
        store.insert_arrow("calendar", _stamped(days, stamps, known_at))
        written.append(calendar.calendar)
    return written


def table_of(days: Iterable[CalendarDay]) -> pa.Table:
    """The days as columns."""
    columns = zip(*days, strict=True)
    return pa.Table.from_arrays(
        [pa.array(column, kind) for column, kind in zip(columns, _SHAPE.types, strict=True)], schema=_SHAPE
    )


def version_of(days: pa.Table) -> str:
    """Hash of what the days say: another file, other holidays or another rule of the zone is another version."""
    digest = hashlib.sha256()
    for column in days.itercolumns():
        for text in map(_text, column.to_pylist() if pa.types.is_string(column.type) else [column]):
            digest.update(text)
    return digest.hexdigest()[:16]


def _text(values: str | pa.ChunkedArray) -> bytes:
    if isinstance(values, str):
        return values.encode() + b"\0"
    if pa.types.is_boolean(values.type):
        numbers = values.cast(pa.int64())
    elif pa.types.is_date32(values.type):
        numbers = values.cast(pa.int32()).cast(pa.int64())
    else:
        numbers = values.cast(pa.int64())
    return bytes(pc.fill_null(numbers, -1).to_numpy().astype("<i8").tobytes())


def _stamped(days: pa.Table, stamps: dict[str, str], known_at: datetime) -> pa.Table:
    same = partial(pa.repeat, size=days.num_rows)
    for name, text in stamps.items():
        days = days.append_column(name, same(pa.scalar(text)))
    return days.append_column("known_at", same(pa.scalar(known_at, _MOMENT)))
