"""State read from a folder of files."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Generator, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path, PurePath
from typing import Any, ClassVar, Literal, Self

from pydantic import Field, field_validator, model_validator

from core.duration import Duration
from core.findings import Finding
from core.yamlfile import Location, Parsed
from probes.controls import Control, Said
from probes.formats.contract import BLOCK_BYTES, Format, Source
from probes.formats.delimited import Delimited
from probes.formats.kinds import AnyFormat, from_short
from probes.probe import Batch, Origin, ProbeError, ProbeFile, Question, Window, text_batch

# Keys of a format that may stand beside `format: csv` instead of inside it.
_BESIDE = ("delimiter", "encoding", "sheet", "trailer")


class FilesControl(Control):
    """`trailer` is the number of the field in the trailer record of each CSV file; 1 is the first."""

    trailer: int | None = Field(default=None, ge=1)

    @model_validator(mode="after")
    def _asked(self) -> Self:
        return self.one_of("trailer", self.trailer is not None)


class FilesProbe(ProbeFile):
    """Files in `folder` (relative to the probe file) whose names match `glob`.

    `mode: incremental`: every file brings new or changed records and is read once. `mode: full`: the files
    are the whole state; `take: newest` the newest of them alone, `take: all` all of them together.
    A file younger than `settle` is still being written. `format` is one of `probes.formats.kinds`.
    """

    questions: ClassVar[tuple[Question, ...]] = (
        Question("folder", "folder of the files, from the folder of the probe file", "../inbox/bank"),
        Question("glob", "which files of it", "*.csv"),
        Question("format", "what is in them", "csv"),
    )

    kind: Literal["files"]
    folder: Path
    glob: str = "*"
    format: AnyFormat
    take: Literal["newest", "all"] = "newest"
    settle: Duration = timedelta(minutes=1)
    controls: tuple[FilesControl, ...] = ()
    max_bytes: int = Field(default=2_000_000_000, ge=1)

    @field_validator("glob")
    @classmethod
    def _stays_inside(cls, value: str) -> str:
        if not value or ".." in PurePath(value).parts or PurePath(value).is_absolute():
            raise ValueError("a pattern of names inside the folder, such as *.csv or **/*.parquet")
        return value

    @model_validator(mode="before")
    @classmethod
    def _short_form(cls, data: Any) -> Any:
        """`format: csv` with its keys beside it is short for `format: {type: csv, …}`."""
        if not isinstance(data, dict) or not isinstance(data.get("format"), str):
            return data
        beside = {key: value for key, value in data.items() if key in _BESIDE}
        rest = {key: value for key, value in data.items() if key not in _BESIDE}
        return rest | {"format": from_short(data["format"], beside)}

    @model_validator(mode="after")
    def _trailer_named(self) -> Self:
        named = isinstance(self.format, Delimited) and self.format.trailer
        if any(control.trailer for control in self.controls) and not named:
            raise ValueError(
                "a control by 'trailer' needs the key 'trailer' of 'format: csv': how the last line begins"
            )
        return self

    @property
    def place(self) -> str:
        return f"folder {self.folder}"

    @property
    def reads_files(self) -> bool:
        return True

    @property
    def loose(self) -> bool:
        return self.format.loose

    def located(self, file: Path, parsed: Parsed) -> tuple[Self, list[Finding]]:
        """The folder may come later than its probe, so it is looked for when the probe runs."""
        findings = misnamed_columns(self.format, self.columns, parsed)
        return self.model_copy(update={"folder": file.parent / self.folder}), findings

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
        for batch in self._opened(file, window):
            window.check(f"file {file.name}")
            yield replace(batch, origin=origin)
        if file.changed():
            raise ProbeError(
                "file_changed", f"file {file.name} in {self.place} changed while it was read", retryable=True
            )

    def _said(self, source: Source) -> tuple[Said, ...]:
        """What the trailer says of the file; without one, that it should have said something."""
        asked = [(n, control.trailer) for n, control in enumerate(self.controls) if control.trailer]
        fields = self.format.told(source) if asked else ()
        return tuple(Said(n, fields[at - 1] if at <= len(fields) else "", source.name) for n, at in asked)

    def _opened(self, file: _File, window: Window) -> Iterator[Batch]:
        """`from None`: what a reader says of a file may quote it."""

        def check() -> None:
            window.check(f"file {file.name}")

        try:
            with file.path.open("rb") as content:
                source = Source(content, file.name, self.columns, check)
                said = self._said(source)
                yield from self.format.read(source)
            yield Batch(text_batch(self.columns, []), said=said)
        except self.format.errors:
            raise ProbeError(
                "bad_file",
                f"file {file.name} is not a readable {self.format.type} file; ask for it again",
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


def misnamed_columns(kind: Format, columns: tuple[str, ...], parsed: Parsed) -> list[Finding]:
    """Columns that no file of this format can have, each where the probe file names it first."""
    misnamed = {column: kind.misnamed(column) for column in columns}
    return [
        parsed.finding(_place_of(column, parsed), f"column {column!r}: {why}")
        for column, why in misnamed.items()
        if why
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
