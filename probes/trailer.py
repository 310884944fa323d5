"""The last line of a file that says what stands before it: how many records, what they sum up to."""

from __future__ import annotations

import csv
import os
from dataclasses import dataclass
from io import RawIOBase
from typing import BinaryIO

# Longer than any trailer record.
TAIL_BYTES = 65_536


@dataclass(frozen=True)
class Trailer:
    """Its fields, and the byte where the line begins: the records end there."""

    fields: tuple[str, ...]
    at: int


def read_trailer(file: BinaryIO, begins: str, delimiter: str, encoding: str) -> Trailer | None:
    """The last line of `file` if it begins as a trailer does. Raises OSError, UnicodeDecodeError."""
    size = file.seek(0, os.SEEK_END)
    start = file.seek(max(0, size - TAIL_BYTES))
    tail = file.read()
    file.seek(0)
    # Some hosts end a file with the end-of-file character of DOS.
    text = tail.rstrip(b"\r\n\x1a \t")
    cut = text.rfind(b"\n") + 1
    line = text[cut:].decode(encoding)
    if not line.startswith(begins):
        return None
    fields = next(csv.reader([line], delimiter=delimiter), [])
    return Trailer(tuple(field.strip() for field in fields), start + cut)


class Before(RawIOBase):
    """A file up to a byte, for readers that take everything they are given. Closed, it leaves the file open."""

    def __init__(self, file: BinaryIO, end: int) -> None:
        self._source = file
        self._end = end

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: bytearray | memoryview) -> int:  # type: ignore[override]
        left = max(0, self._end - self._source.tell())
        piece = self._source.read(min(len(buffer), left))
        buffer[: len(piece)] = piece
        return len(piece)
