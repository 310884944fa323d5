"""Tables that rules read: codes of one system in terms of another, units, exchange rates, each valid for a time.

A CSV file `tables/NAME.csv` with the columns `from`, `to`, and, if wanted, `valid_from` and `valid_until` (days;
the last one is not included). An empty day means always.
"""

from __future__ import annotations

import csv
import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from decimal import Decimal, InvalidOperation
from itertools import pairwise
from pathlib import Path

from core.findings import Finding, nearest

COLUMNS = ("from", "to", "valid_from", "valid_until")
ALWAYS, FOREVER = date(1900, 1, 1), date(2299, 12, 31)
MAX_FILE_BYTES = 50_000_000
# A factor or rate is below it, so that numbers multiplied by several stay exact.
MOST = 10**12


@dataclass(frozen=True)
class Entry:
    """One line: `value` means `result` on days from `valid_from` up to, without, `valid_until`."""

    value: str
    result: str
    valid_from: date
    valid_until: date
    line: int


@dataclass(frozen=True)
class Table:
    """A checked table; `version` is a hash of what it says."""

    name: str
    file: str
    entries: tuple[Entry, ...]
    version: str


def load_tables(folder: Path) -> tuple[dict[str, Table], list[Finding]]:
    """The tables in `folder` by name, and what is wrong with the files that are not among them."""
    tables: dict[str, Table] = {}
    findings: list[Finding] = []
    for file in sorted(folder.glob("*.csv")):
        table, problems = _read(file)
        findings += problems
        if not problems:
            tables[file.stem] = table
    return tables, findings


def not_numbers(table: Table) -> Iterator[Finding]:
    """Entries of a table of factors or rates that are not a number above zero, or too large to be meant."""
    for entry in table.entries:
        try:
            fits = 0 < Decimal(entry.result) < MOST
        except InvalidOperation:
            fits = False
        if not fits:
            yield Finding(table.file, entry.line, 1, "column 'to' must be a number above zero, like 1.0834")


def _read(file: Path) -> tuple[Table, list[Finding]]:
    nothing = Table(file.stem, str(file), (), "")
    try:
        if file.stat().st_size > MAX_FILE_BYTES:
            return nothing, [Finding(str(file), 1, 1, f"file is larger than {MAX_FILE_BYTES} bytes")]
        content = file.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        return nothing, [Finding(str(file), 1, 1, f"cannot be read: {type(error).__name__}")]
    rows = list(csv.reader(content.splitlines()))
    header = [name.strip() for name in rows[0]] if rows else []
    findings = list(_wrong_header(file, header))
    if findings:
        return nothing, findings
    entries = []
    for line, row in enumerate(rows[1:], start=2):
        if not any(cell.strip() for cell in row):
            continue
        entry = _entry(dict(zip(header, (cell.strip() for cell in row), strict=False)), line)
        if isinstance(entry, str):
            findings.append(Finding(str(file), line, 1, entry))
        else:
            entries.append(entry)
    findings += _overlaps(file, entries)
    said = repr([(e.value, e.result, e.valid_from, e.valid_until) for e in entries])
    return Table(
        file.stem, str(file), tuple(entries), hashlib.sha256(said.encode()).hexdigest()[:16]
    ), findings


def _wrong_header(file: Path, header: list[str]) -> Iterator[Finding]:
    for name in ("from", "to"):
        if name not in header:
            yield Finding(str(file), 1, 1, f"column {name!r} is missing", ", ".join(COLUMNS))
    for index, name in enumerate(header):
        if name not in COLUMNS:
            yield Finding(
                str(file),
                1,
                index + 1,
                f"unknown column {name!r}",
                ", ".join(COLUMNS),
                nearest(name, COLUMNS),
            )


def _entry(row: dict[str, str], line: int) -> Entry | str:
    if not row.get("from") or not row.get("to"):
        return "both 'from' and 'to' must be filled"
    try:
        begins = date.fromisoformat(row["valid_from"]) if row.get("valid_from") else ALWAYS
        ends = date.fromisoformat(row["valid_until"]) if row.get("valid_until") else FOREVER
    except ValueError:
        return "a day is written like 2026-03-31"
    if begins >= ends:
        return "the entry ends before it begins; 'valid_until' is the first day it no longer holds"
    return Entry(row["from"], row["to"], begins, ends, line)


def _overlaps(file: Path, entries: list[Entry]) -> Iterator[Finding]:
    """Two entries for one value on one day: nobody could say which holds."""
    ordered = sorted(entries, key=lambda e: (e.value, e.valid_from, e.line))
    for before, after in pairwise(ordered):
        if before.value == after.value and after.valid_from < before.valid_until:
            message = f"its validity overlaps the entry of line {before.line} for the same value"
            yield Finding(str(file), max(before.line, after.line), 1, message)
