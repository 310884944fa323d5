"""Columns that a probe file names and its source cannot have, found before anything is asked."""

from __future__ import annotations

from collections.abc import Callable

from core.findings import Finding
from core.yamlfile import Location, Parsed


def misnamed_columns(why: Callable[[str], str], columns: tuple[str, ...], parsed: Parsed) -> list[Finding]:
    """A finding for each column that `why` says something against, where the probe file names it first."""
    misnamed = {column: why(column) for column in columns}
    return [
        parsed.finding(_place_of(column, parsed), f"column {column!r}: {text}")
        for column, text in misnamed.items()
        if text
    ]


def _place_of(column: str, parsed: Parsed) -> Location:
    """Where the probe file first names a column."""
    for location in parsed.positions:
        value = parsed.data
        for part in location:
            value = value[part]
        if value == column:
            return location
    return ("object",)
