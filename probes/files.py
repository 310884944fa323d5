"""State read from a folder of files, here or on a server."""

from __future__ import annotations

import hashlib
from collections.abc import Generator, Iterator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from datetime import timedelta
from pathlib import Path, PurePath
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import Field, field_validator, model_validator

from core.duration import Duration
from core.findings import Finding
from core.yamlfile import Parsed
from probes.columns import misnamed_columns
from probes.controls import Control, Said
from probes.folders.contract import Folder, Found, unreadable
from probes.folders.local import LocalFolder
from probes.folders.s3 import S3
from probes.folders.sftp import Sftp
from probes.formats.contract import BLOCK_BYTES, Source
from probes.formats.delimited import Delimited
from probes.formats.kinds import AnyFormat, from_short
from probes.network import IpNetwork
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
    """Files in `folder` (relative to the probe file; on a `server`, as it calls it) whose names match `glob`.

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
    server: Annotated[Sftp | S3, Field(discriminator="type")] | None = None
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
        return self.server.place(str(self.folder)) if self.server else f"folder {self.folder}"

    @property
    def hosts(self) -> tuple[tuple[str, int], ...]:
        return (self.server.address,) if self.server else ()

    @property
    def networks(self) -> tuple[IpNetwork, ...] | None:
        return self.server.networks if self.server else None

    @property
    def reads_files(self) -> bool:
        return True

    @property
    def loose(self) -> bool:
        return self.format.loose

    def located(self, file: Path, parsed: Parsed) -> tuple[Self, list[Finding]]:
        """The folder may come later than its probe, so it is looked for when the probe runs."""
        findings = misnamed_columns(self.format.misnamed, self.columns, parsed)
        if self.server is None:
            return self.model_copy(update={"folder": file.parent / self.folder}), findings
        server, misplaced = self.server.located(file, parsed)
        return self.model_copy(update={"server": server}), [*findings, *misplaced]

    def read(self, window: Window) -> Generator[Batch]:
        with self._opened(window) as folder:
            reading = _Reading(self, folder, window)
            if self.mode == "incremental":
                yield from reading.each_once()
            elif self.take == "newest":
                yield from reading.newest()
            else:
                yield from reading.together()

    def _opened(self, window: Window) -> AbstractContextManager[Folder]:
        if self.server:
            return self.server.opened(str(self.folder), window, self.timeouts)
        try:
            return nullcontext(LocalFolder(self.folder))
        except OSError as error:
            raise unreadable(self.place, error) from None


class _Reading:
    """One reading of an open folder."""

    def __init__(self, probe: FilesProbe, folder: Folder, window: Window) -> None:
        self.probe, self.folder, self.window = probe, folder, window
        self.files = self._files()

    def each_once(self) -> Iterator[Batch]:
        """A file that is still growing has not arrived yet."""
        for file in self.files:
            if self._settled(file):
                yield from self._read_unless_known(file)

    def newest(self) -> Iterator[Batch]:
        settled = [file for file in self.files if self._settled(file)]
        if not settled:
            yield from self._nothing_there()
            return
        yield from self._read_unless_known(max(settled, key=lambda file: (file.modified_ns, file.name)))

    def together(self) -> Iterator[Batch]:
        """One file alone proves no absence, so a change in one of them means reading all."""
        if not all(self._settled(file) for file in self.files) or not self.files:
            yield from self._nothing_there()
            return
        prints = {file.name: self._fingerprint(file) for file in self.files}
        if all(same_content(self.window.seen.get(name, ""), text) for name, text in prints.items()):
            for file in self.files:
                yield self._empty(file, prints[file.name], "unchanged")
            return
        for file in self.files:
            yield from self._checked(file, prints[file.name])

    def _settled(self, file: Found) -> bool:
        return file.modified <= self.window.end - self.probe.settle

    def _nothing_there(self) -> Iterator[Batch]:
        growing = [file for file in self.files if not self._settled(file)]
        if not growing:
            raise ProbeError(
                "no_file",
                f"no file in {self.probe.place} matches {self.probe.glob!r}; check folder, glob and who delivers it",
            )
        for file in growing:
            yield self._empty(file, "", "growing")

    def _read_unless_known(self, file: Found) -> Iterator[Batch]:
        fingerprint = self._fingerprint(file)
        if same_content(self.window.seen.get(file.name, ""), fingerprint):
            yield self._empty(file, fingerprint, "unchanged")
        else:
            yield from self._checked(file, fingerprint)

    def _checked(self, file: Found, fingerprint: str) -> Iterator[Batch]:
        """The records of one file, provided it is the same at the end as at the beginning."""
        origin = Origin(file.name, fingerprint, file.modified, "read")
        for batch in self._records(file):
            self._check(file)
            yield replace(batch, origin=origin)
        if self._changed(file):
            raise ProbeError(
                "file_changed",
                f"file {file.name} in {self.probe.place} changed while it was read",
                retryable=True,
            )

    def _changed(self, file: Found) -> bool:
        try:
            return self.folder.again(file) != file
        except OSError:
            return True

    def _said(self, source: Source) -> tuple[Said, ...]:
        """What the trailer says of the file; without one, that it should have said something."""
        asked = [(n, control.trailer) for n, control in enumerate(self.probe.controls) if control.trailer]
        fields = self.probe.format.told(source) if asked else ()
        return tuple(Said(n, fields[at - 1] if at <= len(fields) else "", source.name) for n, at in asked)

    def _records(self, file: Found) -> Iterator[Batch]:
        """`from None`: what a reader says of a file may quote it."""
        columns, kind = self.probe.columns, self.probe.format
        try:
            with self.folder.open(file) as content:
                source = Source(content, file.name, columns, lambda: self._check(file))
                said = self._said(source)
                yield from kind.read(source)
            yield Batch(text_batch(columns, []), said=said)
        except kind.errors:
            raise ProbeError(
                "bad_file", f"file {file.name} is not a readable {kind.type} file; ask for it again"
            ) from None
        except OSError as error:
            raise unreadable(f"file {file.name}", error) from None

    def _empty(self, file: Found, fingerprint: str, state: Literal["unchanged", "growing"]) -> Batch:
        origin = Origin(file.name, fingerprint, file.modified, state)
        return Batch(text_batch(self.probe.columns, []), origin)

    def _files(self) -> list[Found]:
        try:
            files = self.folder.files(self.probe.glob)
        except OSError as error:
            raise unreadable(self.probe.place, error) from None
        for file in files:
            if file.bytes > self.probe.max_bytes:
                raise ProbeError(
                    "too_large", f"file {file.name} in {self.probe.place} is larger than max_bytes"
                )
        return files

    def _fingerprint(self, file: Found) -> str:
        """`size:modified:sha256`. Content is hashed only when size or time differ from the last reading."""
        stamp, known = f"{file.bytes}:{file.modified_ns}", self.window.seen.get(file.name, "")
        return known if known.startswith(f"{stamp}:") else f"{stamp}:{self._sha256(file)}"

    def _sha256(self, file: Found) -> str:
        digest = hashlib.sha256()
        try:
            with self.folder.open(file) as source:
                while block := source.read(BLOCK_BYTES):
                    self._check(file)
                    digest.update(block)
        except OSError as error:
            raise unreadable(f"file {file.name}", error) from None
        return digest.hexdigest()

    def _check(self, file: Found) -> None:
        self.window.check(f"file {file.name}")


def same_content(known: str, fingerprint: str) -> bool:
    """Whether two fingerprints are of the same bytes, as those of a file that was only touched."""
    return known.rsplit(":", 1)[-1] == fingerprint.rsplit(":", 1)[-1]
