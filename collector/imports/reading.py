"""Files to staged rows: all of them are read to their end before anything is decided."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from collector.imports import ocel, parquet, xes
from collector.imports.csv_file import text_of
from collector.imports.mapping import Mapping
from collector.imports.parameters import Params, needed_columns, optional_columns, required_columns
from collector.imports.result import ImportProgress, Tally
from collector.imports.rows import Item, Note
from collector.imports.source import Source
from collector.imports.staging import Staging, new_import_id
from collector.imports.statements import statement
from core.errors import ConfigurationError
from core.findings import nearest
from store.client import Store

Progress = Callable[[ImportProgress], None]


@dataclass
class Staged:
    """One file whose rows wait to be decided, and the numbers of its import."""

    source: Source
    staging: Staging
    sha256: str
    tally: Tally = field(default_factory=Tally)

    @property
    def import_id(self) -> str:
        return self.staging.import_id

    @property
    def params(self) -> Params:
        """What statements on the rows of this file are told."""
        return {"import_id": self.import_id, "import_ids": [self.import_id], "file_sha256": self.sha256}


def read_all(
    store: Store, mapping: Mapping, paths: Sequence[Path], now: datetime, progress: Progress
) -> list[Staged]:
    """Stages all files, or none. Raises ImportFailedError, or ConfigurationError for a missing column."""
    files: list[Staged] = []
    try:
        for number, path in enumerate(paths):
            staging = Staging(store, new_import_id(now, number), keep_text=mapping.keep_rejected == "whole")
            files.append(Staged(Source(path), staging, ""))
            files[-1] = _read(path, mapping, staging, progress)
            files[-1].staging.notes += _check_seen(store, mapping, files[-1])
    except BaseException:
        for file in files:
            file.staging.drop()
        raise
    return files


def _read(path: Path, mapping: Mapping, staging: Staging, progress: Progress) -> Staged:
    done = 0

    def count(read: int) -> None:
        nonlocal done
        done += read

    source = Source(path, count)
    for _item in staging.take(_items(source, mapping)):
        total = source.size
        progress(ImportProgress("reading", source.name, min(done, total), total, staging.rows))
    return Staged(source, staging, source.sha256())


def _items(source: Source, mapping: Mapping) -> Iterator[Item]:
    """The reader of the mapping's format, on the columns the mapping needs."""
    needed = needed_columns(mapping)
    if mapping.format == "csv":
        text = text_of(source, mapping.csv)
        yield from _compared(source.name, mapping, text.header())
        yield from text.rows(needed, "rows")
    elif mapping.format == "parquet":
        yield from _compared(source.name, mapping, parquet.header(source))
        yield from parquet.read(source, needed)
    elif mapping.format == "xes":
        yield from xes.read(source, needed)
    else:
        yield from ocel.read(source, needed or frozenset())


def _compared(file: str, mapping: Mapping, names: Collection[str]) -> Iterator[Note]:
    """Columns the file does not have: a needed one is a mistake, of the others there is a note."""
    for column in sorted(required_columns(mapping) - set(names)):
        near = nearest(column, names)
        hint = f"; did you mean {near!r}?" if near else ""
        raise ConfigurationError(
            f"{file}: has no column {column!r}, which mapping {mapping.mapping!r} needs{hint} "
            f"The file has: {', '.join(sorted(names))}"
        )
    for column in sorted(optional_columns(mapping) - set(names)):
        yield Note(f"{file}: has no column {column!r}, so nothing is kept of it")


def _check_seen(store: Store, mapping: Mapping, file: Staged) -> list[str]:
    """XES and OCEL name their columns row by row, so what they have is known only afterwards."""
    if mapping.format not in ("xes", "ocel2") or not file.staging.rows:
        return []
    seen = [row["name"] for row in store.rows(statement("seen_columns"), file.params)]
    return [note.text for note in _compared(file.source.name, mapping, seen)]
