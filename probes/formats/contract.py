"""The contract of a format: an open file → batches of named text columns, and what is wrong with it.

A format knows nothing of folders, servers or schedules: whoever has opened the file asks for its records.
"""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Annotated, BinaryIO, ClassVar, NamedTuple

from pydantic import AfterValidator

from core.findings import nearest
from core.yamlfile import FileModel
from probes.probe import BATCH_ROWS, BadLine, Batch, Counted, ProbeError
from probes.texts import column_batch

BLOCK_BYTES = 8_000_000
# Texts of one batch; a few large records make a batch as well as many small ones do.
BATCH_CHARACTERS = 32_000_000


def _encoding_known(value: str) -> str:
    try:
        "".encode(value)
    except LookupError:
        raise ValueError("unknown encoding; write utf-8, latin-1, cp1252 …") from None
    return value


Encoding = Annotated[str, AfterValidator(_encoding_known)]


@dataclass(frozen=True)
class Source:
    """One file to be read: `file` gives bytes and can be rewound, `name` is for messages.

    `columns` are the ones wanted, in this order. `check` raises ProbeError when the run has used up its time.
    """

    file: BinaryIO
    name: str
    columns: tuple[str, ...]
    check: Callable[[], None] = lambda: None


class Row(NamedTuple):
    """One record: where it stands in its file (line, record or segment number) and a value for each column."""

    line: int
    values: Sequence[str | None]


class Format(FileModel, ABC):
    """What a file is written in. `errors` are what its library raises on a file of another format."""

    errors: ClassVar[tuple[type[Exception], ...]] = (UnicodeError,)
    # Whether each record brings its own columns, so that one may be missing for a while.
    loose: ClassVar[bool] = False

    @abstractmethod
    def read(self, source: Source) -> Iterator[Batch]:
        """The records of the file, a bounded batch at a time. Raises ProbeError, or one of `errors`."""

    def told(self, source: Source) -> tuple[str, ...]:  # noqa: ARG002 - most formats leave it to their records
        """The fields of the trailer, which says what the records are; empty when there is none."""
        return ()

    def misnamed(self, column: str) -> str:  # noqa: ARG002 - most formats find out in the file
        """Why no file of this format can have `column`, or an empty text."""
        return ""


def gathered(source: Source, items: Iterable[Row | BadLine | Counted]) -> Iterator[Batch]:
    """Records and what was found between them, as batches of bounded size."""
    # Flat, because many small objects that live for a while cost the garbage collector more than reading them.
    texts: list[str | None] = []
    lines: list[int] = []
    bad: list[BadLine] = []
    counted: list[Counted] = []
    characters = 0

    def batch() -> Batch:
        width = len(source.columns)
        records = column_batch(source.columns, [texts[at::width] for at in range(width)])
        return Batch(records, lines=tuple(lines), bad_lines=tuple(bad), counted=tuple(counted))

    for item in items:
        if isinstance(item, Row):
            texts += item.values
            lines.append(item.line)
            characters += sum(map(len, filter(None, item.values)))
        elif isinstance(item, BadLine):
            bad.append(item)
        else:
            counted.append(item)
        if len(lines) + len(bad) + len(counted) >= BATCH_ROWS or characters >= BATCH_CHARACTERS:
            yield batch()
            texts, lines, bad, counted, characters = [], [], [], [], 0
    if lines or bad or counted:
        yield batch()


def all_there(source: Source, given: Sequence[str]) -> None:
    """Raises ProbeError when a wanted column is not among those the file has."""
    missing = [name for name in source.columns if name not in given]
    if missing:
        near = nearest(missing[0], given)
        hint = f"did you mean {near!r}?" if near else f"it has {', '.join(given[:20])}"
        raise ProbeError("column_missing", f"file {source.name} has no column {missing[0]!r}; {hint}")


_POSITIONS = re.compile(r"^([1-9][0-9]{0,5})(?:-([1-9][0-9]{0,5}))?$")


def positions(text: str) -> slice:
    """`11-20` or `7`, counted from 1 with the last one included, as a slice. Raises ValueError."""
    found = _POSITIONS.match(text)
    first, last = (int(found[1]), int(found[2] or found[1])) if found else (1, 0)
    if last < first:
        raise ValueError("positions are written like 11-20, counted from 1, the last one included")
    return slice(first - 1, last)
