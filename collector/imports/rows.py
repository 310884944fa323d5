"""What a reader gives: rows of text by column name with their place in the file, in batches."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc

BATCH = 20_000
FIELDS = pa.map_(pa.string(), pa.string())


@dataclass(frozen=True)
class Rows:
    """A batch: `part` is the table inside the file, `lines` are record numbers, `fields` the rows."""

    part: str
    file: str
    lines: pa.Array
    fields: pa.MapArray


@dataclass(frozen=True)
class Bad:
    """A record that is no row: its place, a reason code, what was expected, and its text."""

    file: str
    line: int
    reason: str
    detail: str
    text: str = ""


@dataclass(frozen=True)
class Cut:
    """The file ends in the middle of a record, so nothing is proven about what should follow."""

    file: str
    line: int


@dataclass(frozen=True)
class Note:
    """Something a person should know about the file."""

    text: str


Item = Rows | Bad | Cut | Note


def from_columns(part: str, file: str, lines: pa.Array, columns: dict[str, pa.Array]) -> Rows:
    """Columns of text as rows; an empty or null value is the same as an absent one."""
    rows, width = len(lines), len(columns)
    if not width:
        return Rows(part, file, lines, pa.array([{}] * rows, FIELDS))
    # Value by value, row after row: cell (r, c) stands at c * rows + r in the joined columns.
    cell = pa.arange(0, rows * width)
    row = pc.divide(cell, width)
    column = pc.subtract(cell, pc.multiply(row, width))
    values = pa.concat_arrays(list(columns.values())).take(pc.add(pc.multiply(column, rows), row))
    filled = pc.fill_null(pc.not_equal(values, ""), False)
    ends = pc.cumulative_sum(filled.cast(pa.int32())).take(
        pc.add(pc.multiply(pa.arange(0, rows), width), width - 1)
    )
    offsets = pa.concat_arrays([pa.array([0], pa.int32()), ends.cast(pa.int32())])
    keys = pa.array(list(columns), pa.string()).take(column.filter(filled))
    return Rows(part, file, lines, pa.MapArray.from_arrays(offsets, keys, values.filter(filled)))


def from_dicts(
    part: str, file: str, rows: Iterable[dict[str, str]], needed: frozenset[str] | None
) -> Iterator[Rows]:
    """Dicts of text as batches of rows, numbered from 1; only `needed` columns, all when None."""
    batches = Batches(file, needed)
    for line, row in enumerate(rows, start=1):
        yield from batches.add(part, line, row)
    yield from batches.rest()


class Batches:
    """Gathers dicts of text, part by part, and gives them away by the batch."""

    def __init__(self, file: str, needed: frozenset[str] | None) -> None:
        self._file, self._needed = file, needed
        self._lines: dict[str, list[int]] = {}
        self._rows: dict[str, list[list[tuple[str, str]]]] = {}

    def add(self, part: str, line: int, row: dict[str, str]) -> Iterator[Rows]:
        """Takes one row; gives a batch when one is full."""
        needed = self._needed
        kept = [(key, value) for key, value in row.items() if value and (needed is None or key in needed)]
        self._rows.setdefault(part, []).append(kept)
        lines = self._lines.setdefault(part, [])
        lines.append(line)
        if len(lines) >= BATCH:
            yield self._batch(part)

    def rest(self) -> Iterator[Rows]:
        """What is left at the end."""
        yield from [self._batch(part) for part in list(self._rows)]

    def _batch(self, part: str) -> Rows:
        lines, rows = self._lines.pop(part), self._rows.pop(part)
        return Rows(part, self._file, pa.array(lines, pa.uint64()), pa.array(rows, FIELDS))
