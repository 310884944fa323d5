"""State read from a folder of CSV, Parquet or Excel files."""

from __future__ import annotations

import csv as plain_csv
import hashlib
import os
import zipfile
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import islice
from pathlib import Path, PurePath
from typing import Any, ClassVar, Literal, Self

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from pyarrow import csv
from pydantic import Field, field_validator, model_validator
from python_calamine import CalamineError, CalamineWorkbook

from core.duration import Duration
from core.findings import Finding, nearest
from core.yamlfile import Parsed
from probes.controls import Control, Said
from probes.probe import (
    BATCH_ROWS,
    BadLine,
    Batch,
    Origin,
    ProbeError,
    ProbeFile,
    Question,
    Window,
    as_text,
    text_batch,
)
from probes.trailer import Before, Trailer, read_trailer

BLOCK_BYTES = 8_000_000
# A workbook is a zip archive; one that unpacks to more than this is an accident or an attack.
MAX_UNPACKED_BYTES = 2_000_000_000


class FilesControl(Control):
    """`trailer` is the number of the field in the trailer record of each file; 1 is the first."""

    trailer: int | None = Field(default=None, ge=1)

    @model_validator(mode="after")
    def _asked(self) -> Self:
        return self.one_of("trailer", self.trailer is not None)


class FilesProbe(ProbeFile):
    """Files in `folder` (relative to the probe file) whose names match `glob`.

    `mode: incremental`: every file brings new or changed records and is read once. `mode: full`: the files
    are the whole state; `take: newest` the newest of them alone, `take: all` all of them together.
    A file younger than `settle` is still being written. `format: excel` reads `sheet` (default: the first).
    `trailer`: how the last line of a CSV file begins when it is no record but says what the records are.
    """

    questions: ClassVar[tuple[Question, ...]] = (
        Question("folder", "folder of the files, from the folder of the probe file", "../inbox/bank"),
        Question("glob", "which files of it", "*.csv"),
        Question("format", "what is in them", "csv"),
    )

    kind: Literal["files"]
    folder: Path
    glob: str = "*"
    format: Literal["csv", "parquet", "excel"]
    take: Literal["newest", "all"] = "newest"
    settle: Duration = timedelta(minutes=1)
    delimiter: str = Field(default=",", min_length=1, max_length=1)
    encoding: str = "utf-8"
    sheet: str = ""
    trailer: str = ""
    controls: tuple[FilesControl, ...] = ()
    max_bytes: int = Field(default=2_000_000_000, ge=1)

    @field_validator("glob")
    @classmethod
    def _stays_inside(cls, value: str) -> str:
        if not value or ".." in PurePath(value).parts or PurePath(value).is_absolute():
            raise ValueError("a pattern of names inside the folder, such as *.csv or **/*.parquet")
        return value

    @field_validator("encoding")
    @classmethod
    def _encoding_known(cls, value: str) -> str:
        try:
            "".encode(value)
        except LookupError:
            raise ValueError("unknown encoding; write utf-8, latin-1, cp1252 …") from None
        return value

    @model_validator(mode="after")
    def _keys_fit(self) -> Self:
        if self.sheet and self.format != "excel":
            raise ValueError("'sheet' belongs to 'format: excel'")
        if self.trailer and (self.format != "csv" or "\n".encode(self.encoding) != b"\n"):
            raise ValueError("'trailer' belongs to 'format: csv' in an encoding with one byte a line end")
        if any(control.trailer for control in self.controls) and not self.trailer:
            raise ValueError("a control by 'trailer' needs the key 'trailer': how the last line begins")
        return self

    @property
    def place(self) -> str:
        return f"folder {self.folder}"

    def located(self, file: Path, parsed: Parsed) -> tuple[Self, list[Finding]]:  # noqa: ARG002
        """The folder may come later than its probe, so it is looked for when the probe runs."""
        return self.model_copy(update={"folder": file.parent / self.folder}), []

    def read(self, window: Window) -> Generator[Batch]:
        files = self._files(window.end)
        if self.mode == "incremental":
            yield from self._each_once(files, window)
        elif self.take == "newest":
            yield from self._newest(files, window)
        else:
            yield from self._together(files, window)

    def _each_once(self, files: list[_File], window: Window) -> Iterator[Batch]:
        """A file that is still growing has not arrived yet."""
        for file in files:
            if file.settled:
                yield from self._read_unless_known(file, window)

    def _newest(self, files: list[_File], window: Window) -> Iterator[Batch]:
        settled = [file for file in files if file.settled]
        if not settled:
            yield from self._nothing_there(files)
            return
        yield from self._read_unless_known(
            max(settled, key=lambda file: (file.modified_ns, file.name)), window
        )

    def _together(self, files: list[_File], window: Window) -> Iterator[Batch]:
        """One file alone proves no absence, so a change in one of them means reading all."""
        if not all(file.settled for file in files) or not files:
            yield from self._nothing_there(files)
            return
        prints = {file.name: file.fingerprint(window) for file in files}
        if all(same_content(window.seen.get(name, ""), text) for name, text in prints.items()):
            for file in files:
                yield self._empty(file.origin(prints[file.name], "unchanged"))
            return
        for file in files:
            yield from self._checked(file, prints[file.name], window)

    def _nothing_there(self, files: list[_File]) -> Iterator[Batch]:
        growing = [file for file in files if not file.settled]
        if not growing:
            raise ProbeError(
                "no_file",
                f"no file in {self.place} matches {self.glob!r}; check folder, glob and who delivers it",
            )
        for file in growing:
            yield self._empty(file.origin("", "growing"))

    def _read_unless_known(self, file: _File, window: Window) -> Iterator[Batch]:
        fingerprint = file.fingerprint(window)
        if same_content(window.seen.get(file.name, ""), fingerprint):
            yield self._empty(file.origin(fingerprint, "unchanged"))
        else:
            yield from self._checked(file, fingerprint, window)

    def _checked(self, file: _File, fingerprint: str, window: Window) -> Iterator[Batch]:
        """The records of one file, provided it is the same at the end as at the beginning."""
        origin = file.origin(fingerprint, "read")
        reader: Callable[[_File, Origin], Iterator[Batch]] = {
            "csv": self._csv,
            "parquet": self._parquet,
            "excel": self._excel,
        }[self.format]
        with self._explained(file):
            for batch in reader(file, origin):
                window.check(f"file {file.name}")
                yield batch
            yield self._said(file, origin)
        if file.changed():
            raise ProbeError(
                "file_changed", f"file {file.name} in {self.place} changed while it was read", retryable=True
            )

    def _said(self, file: _File, origin: Origin) -> Batch:
        """What the trailer says of the file; without one, that it should have said something."""
        trailer = self._trailer(file)
        fields = trailer.fields if trailer else ()
        asked = [(n, control.trailer) for n, control in enumerate(self.controls) if control.trailer]
        said = tuple(Said(n, fields[at - 1] if at <= len(fields) else "", file.name) for n, at in asked)
        return Batch(text_batch(self.columns, []), origin, said=said)

    def _trailer(self, file: _File) -> Trailer | None:
        return read_trailer(file.path, self.trailer, self.delimiter, self.encoding) if self.trailer else None

    def _csv(self, file: _File, origin: Origin) -> Iterator[Batch]:
        bad: list[BadLine] = []
        trailer = self._trailer(file)
        yield Batch(text_batch(self.columns, []), origin, schema=dict.fromkeys(self._header(file), ""))

        def skip(row: Any) -> str:
            detail = f"line has {row.actual_columns} columns, the header has {row.expected_columns}"
            bad.append(BadLine(int(row.number or 0), detail))
            return "skip"

        reader = csv.open_csv(
            Before(file.path, trailer.at) if trailer else file.path,
            read_options=csv.ReadOptions(block_size=BLOCK_BYTES, encoding=self.encoding),
            parse_options=csv.ParseOptions(
                delimiter=self.delimiter, newlines_in_values=True, invalid_row_handler=skip
            ),
            convert_options=csv.ConvertOptions(
                column_types=dict.fromkeys(self.columns, pa.string()), include_columns=list(self.columns)
            ),
        )
        line = 1
        for batch in reader:
            found, bad = tuple(bad), []
            yield Batch(batch, origin, line, bad_lines=found)
            line += batch.num_rows
        if bad:
            yield Batch(text_batch(self.columns, []), origin, line, bad_lines=tuple(bad))

    def _header(self, file: _File) -> list[str]:
        with file.path.open(encoding=self.encoding, newline="") as source:
            return next(plain_csv.reader([source.readline(BLOCK_BYTES)], delimiter=self.delimiter), [])

    def _parquet(self, file: _File, origin: Origin) -> Iterator[Batch]:
        with pq.ParquetFile(file.path) as source:
            self._all_there(source.schema_arrow.names, file)
            types = {field.name: str(field.type) for field in source.schema_arrow}
            yield Batch(text_batch(self.columns, []), origin, schema=types)
            line = 1
            for batch in source.iter_batches(BATCH_ROWS, columns=list(self.columns)):
                columns = [_text_column(batch.column(name)) for name in self.columns]
                yield Batch(pa.RecordBatch.from_arrays(columns, names=list(self.columns)), origin, line)
                line += batch.num_rows

    def _excel(self, file: _File, origin: Origin) -> Iterator[Batch]:
        if zipfile.is_zipfile(file.path):
            with zipfile.ZipFile(file.path) as archive:
                if sum(part.file_size for part in archive.infolist()) > MAX_UNPACKED_BYTES:
                    raise ProbeError(
                        "too_large", f"file {file.name} unpacks to more than {MAX_UNPACKED_BYTES} bytes"
                    )
        with CalamineWorkbook.from_path(file.path) as book:
            rows = book.get_sheet_by_name(self._sheet(book, file)).iter_rows()
            header = [str(cell).strip() for cell in next(rows, [])]
            self._all_there(header, file)
            picked = [header.index(name) for name in self.columns]
            yield Batch(text_batch(self.columns, []), origin, schema=dict.fromkeys(filter(None, header), ""))
            line = 1
            while chunk := list(islice(rows, BATCH_ROWS)):
                cells = [[_cell(row[i]) for i in picked] for row in chunk if any(cell != "" for cell in row)]
                yield Batch(text_batch(self.columns, cells), origin, line)
                line += len(cells)

    def _sheet(self, book: CalamineWorkbook, file: _File) -> str:
        names = book.sheet_names
        if self.sheet and self.sheet not in names:
            near = nearest(self.sheet, names)
            hint = f"did you mean {near!r}?" if near else f"it has {', '.join(names)}"
            raise ProbeError("no_sheet", f"file {file.name} has no sheet {self.sheet!r}; {hint}")
        return self.sheet or names[0]

    def _all_there(self, given: list[str], file: _File) -> None:
        missing = [name for name in self.columns if name not in given]
        if missing:
            near = nearest(missing[0], given)
            hint = f"did you mean {near!r}?" if near else f"it has {', '.join(given[:20])}"
            raise ProbeError("column_missing", f"file {file.name} has no column {missing[0]!r}; {hint}")

    @contextmanager
    def _explained(self, file: _File) -> Iterator[None]:
        """`from None`: what a reader says of a file may quote it."""
        try:
            yield
        except KeyError:
            with csv.open_csv(file.path, parse_options=csv.ParseOptions(delimiter=self.delimiter)) as reader:
                self._all_there(reader.schema.names, file)
            raise
        except (pa.ArrowException, CalamineError, zipfile.BadZipFile, UnicodeError):
            raise ProbeError(
                "bad_file", f"file {file.name} is not a readable {self.format} file; ask for it again"
            ) from None
        except OSError as error:
            raise _unreadable(f"file {file.name}", error) from None

    def _empty(self, origin: Origin) -> Batch:
        return Batch(text_batch(self.columns, []), origin)

    def _files(self, now: datetime) -> list[_File]:
        """Plain files inside the folder, by name. Links are left out: they may lead anywhere."""
        try:
            root = self.folder.resolve(strict=True)
            found = [
                path for path in sorted(root.glob(self.glob)) if path.is_file() and not path.is_symlink()
            ]
            inside = [path for path in found if path.resolve().is_relative_to(root)]
            files = [_File.at(path, root, now - self.settle) for path in inside]
        except OSError as error:
            raise _unreadable(self.place, error) from None
        for file in files:
            if file.bytes > self.max_bytes:
                raise ProbeError("too_large", f"file {file.name} in {self.place} is larger than max_bytes")
        return files


@dataclass(frozen=True)
class _File:
    path: Path
    name: str
    bytes: int
    modified_ns: int
    settled: bool

    @classmethod
    def at(cls, path: Path, root: Path, settled_before: datetime) -> _File:
        found = path.stat()
        modified = datetime.fromtimestamp(found.st_mtime, UTC)
        return cls(
            path,
            path.relative_to(root).as_posix(),
            found.st_size,
            found.st_mtime_ns,
            modified <= settled_before,
        )

    def origin(self, fingerprint: str, state: Literal["read", "unchanged", "growing"]) -> Origin:
        return Origin(self.name, fingerprint, datetime.fromtimestamp(self.modified_ns / 1e9, UTC), state)

    def fingerprint(self, window: Window) -> str:
        """`size:modified:sha256`. Content is hashed only when size or time differ from the last reading."""
        stamp, known = f"{self.bytes}:{self.modified_ns}", window.seen.get(self.name, "")
        if known.startswith(f"{stamp}:"):
            return known
        return f"{stamp}:{_sha256(self.path, window)}"

    def changed(self) -> bool:
        try:
            found = os.stat(self.path)  # noqa: PTH116 - one call, both figures
        except OSError:
            return True
        return (found.st_size, found.st_mtime_ns) != (self.bytes, self.modified_ns)


def same_content(known: str, fingerprint: str) -> bool:
    """Whether two fingerprints are of the same bytes, as those of a file that was only touched."""
    return known.rsplit(":", 1)[-1] == fingerprint.rsplit(":", 1)[-1]


def _sha256(path: Path, window: Window) -> str:
    digest = hashlib.sha256()
    try:
        with path.open("rb") as source:
            while block := source.read(BLOCK_BYTES):
                window.check(f"file {path.name}")
                digest.update(block)
    except OSError as error:
        raise _unreadable(f"file {path.name}", error) from None
    return digest.hexdigest()


def _unreadable(what: str, error: OSError) -> ProbeError:
    reason = os.strerror(error.errno) if error.errno else type(error).__name__
    return ProbeError(
        "unreadable",
        f"{what} cannot be read: {reason}; check the path, the mount and its permissions",
        retryable=True,
    )


def _text_column(column: pa.Array) -> pa.Array:
    """A Parquet column as text; what Arrow cannot write as text goes through Python."""
    kind = column.type
    if pa.types.is_string(kind):
        return column
    if pa.types.is_timestamp(kind) and kind.tz:
        utc = pc.cast(column, pa.timestamp("us", tz="UTC"), safe=False)
        return pc.strftime(utc, format="%Y-%m-%dT%H:%M:%SZ")
    simple = pa.types.is_integer(kind) or pa.types.is_decimal(kind) or pa.types.is_large_string(kind)
    if simple or pa.types.is_date(kind) or pa.types.is_timestamp(kind):
        return pc.cast(column, pa.string())
    return pa.array([as_text(value) for value in column.to_pylist()], pa.string())


def _cell(value: Any) -> Any:
    """Excel knows no whole numbers: 4711.0 in a key column is 4711. An empty cell says nothing."""
    if isinstance(value, float) and value.is_integer() and abs(value) < 1e15:
        return int(value)
    return None if value == "" else value
