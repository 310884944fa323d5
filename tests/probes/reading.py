"""Reads bytes in a format, without folder or store."""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import Any

from probes.formats.contract import Format, Source
from probes.formats.kinds import FORMATS
from probes.probe import BadLine, Batch, Counted


class Told:
    """What one file says in one format: records, where they stand, what is wrong, and control numbers."""

    def __init__(self, batches: list[Batch]) -> None:
        self.batches = batches
        self.rows: list[dict[str, Any]] = [row for batch in batches for row in batch.records.to_pylist()]
        self.lines: list[int] = [line for batch in batches for line in batch.lines]
        self.bad: list[BadLine] = [bad for batch in batches for bad in batch.bad_lines]
        self.counted: list[Counted] = [number for batch in batches for number in batch.counted]

    @property
    def whole(self) -> bool:
        return all(bad.reason != "not_whole" for bad in self.bad)

    def wrong(self, reason: str = "") -> list[tuple[int, str]]:
        return [(bad.number, bad.detail) for bad in self.bad if reason in ("", bad.reason)]


def format_of(kind: str, /, **keys: Any) -> Format:
    return FORMATS[kind].model_validate({"type": kind} | keys)


def told(kind: str, content: bytes | str, columns: Sequence[str], /, **keys: Any) -> Told:
    data = content.encode() if isinstance(content, str) else content
    source = Source(io.BytesIO(data), "a.file", tuple(columns))
    return Told(list(format_of(kind, **keys).read(source)))
