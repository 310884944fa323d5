"""HL7 v2: messages, alone or in batches, as records: one message each, or one of its repeated segments."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal

from pydantic import StringConstraints

from probes.formats.contract import Encoding, Format, Row, Source, gathered
from probes.formats.hl7_segments import Segment, segments_of
from probes.formats.lines import lines, too_large
from probes.formats.times import iso_time
from probes.probe import BadLine, Batch, Counted, ProbeError

MAX_MESSAGE_CHARACTERS = 16_000_000
# What MLLP puts around a message, when somebody wrote the wire to a file.
_FRAME = "\x0b\x1c"
_SEGMENT = re.compile(r"^[A-Z][A-Z0-9]{2}(?:[^A-Za-z0-9]|$)")
_PATH = re.compile(
    r"^(?P<name>[A-Z][A-Z0-9]{2})-(?P<field>[1-9][0-9]?)(?:\[(?:(?P<repetition>[1-9][0-9]?)|(?P<at>[1-9][0-9]?)=(?P<value>[^\]]+))\])?"
    r"(?:\.(?P<component>[1-9][0-9]?)(?:\.(?P<part>[1-9][0-9]?))?)?$"
)
_CALL = re.compile(r"^(?P<call>time|list)\((?P<of>[^()]+)\)$")

Segments = Sequence[Segment]
Column = Callable[["Record"], str | None]


@dataclass(frozen=True)
class Record:
    """The segments of a record, those of the message before its first record, and its number in the message."""

    own: Segments
    shared: Segments
    number: int


@dataclass(frozen=True)
class Message:
    """The segments of one message and the line number of each."""

    lines: list[int]
    segments: list[str]

    @property
    def line(self) -> int:
        return self.lines[0]


class Hl7v2(Format):
    """`format: {type: hl7v2, level: FT1}`: a record is a message, or a segment `level` with what follows it.

    Columns: `PID-3` or `PID-3.1`, `PV1-19[2].1` (second repetition), `PID-3[5=MR].1` (the repetition whose fifth
    component is MR), `list(PID-3.1)` for a link with `split: json`, `time(MSH-7)`, `@number`.
    `messages`: only these (`DFT`, `ADT^A01`). `control_ids: unique` tells when a sender uses an MSH-10 twice.
    Batches are checked: BTS-1 and FTS-1 count what there is, and a header has its trailer.
    """

    errors: ClassVar = (UnicodeError,)

    type: Literal["hl7v2"]
    level: Annotated[str, StringConstraints(pattern=r"^[A-Z][A-Z0-9]{2}$")] = "MSH"
    messages: tuple[str, ...] = ()
    control_ids: Literal["any", "unique"] = "any"
    encoding: Encoding = "utf-8"

    def misnamed(self, name: str) -> str:
        try:
            column(name)
        except ValueError as error:
            return str(error)
        return ""

    def read(self, source: Source) -> Iterator[Batch]:
        return gathered(source, self._items(source))

    def _items(self, source: Source) -> Iterator[Row | BadLine | Counted]:
        columns = [column(name) for name in source.columns]
        for found in messages(source, self.encoding):
            if isinstance(found, BadLine):
                yield found
                continue
            parsed = segments_of(found.segments)
            if parsed is None:
                yield BadLine(found.line, "the message cannot be taken apart")
                continue
            if self.control_ids == "unique":
                who = " ".join(value_of(parsed, "MSH", field) for field in (3, 4, 10))
                yield Counted(f"MSH {who}", 1, found.line)
            if self._wanted(parsed):
                for line, record in _records(parsed, self.level, found.lines):
                    yield Row(line, [value(record) for value in columns])

    def _wanted(self, parsed: Segments) -> bool:
        kind = value_of(parsed, "MSH", 9), value_of(parsed, "MSH", 9, 2)
        return not self.messages or kind[0] in self.messages or "^".join(kind) in self.messages


def messages(source: Source, encoding: str) -> Iterator[Message | BadLine]:
    """The messages of a file, and what is wrong around them. Raises ProbeError, UnicodeError."""
    batches = _Batches()
    message: Message | None = None
    size = number = 0
    for number, raw in lines(source, encoding):
        line = raw.strip(_FRAME).rstrip()
        name = line[:3]
        if not line:
            continue
        if name in ("MSH", "FHS", "BHS", "BTS", "FTS"):
            if message:
                yield message
                message = None
            yield from batches.take(number, name, line)
            if name == "MSH":
                message, size = Message([number], [line]), 0
        elif message is None and not batches.begun:
            raise ProbeError("bad_file", f"file {source.name} is not a readable hl7v2 file; ask for it again")
        elif message is None or not _SEGMENT.match(line):
            yield BadLine(number, "the line is no segment of a message")
        else:
            size += len(line)
            if size > MAX_MESSAGE_CHARACTERS:
                raise too_large(source, f"the message at line {message.line}", MAX_MESSAGE_CHARACTERS)
            message.lines.append(number)
            message.segments.append(line)
    if message:
        yield message
    elif not batches.begun:
        raise ProbeError("bad_file", f"file {source.name} is not a readable hl7v2 file; ask for it again")
    yield from batches.end(number)


def header_of(content: bytes, encoding: str) -> list[str]:
    """The fields of a message's MSH with their standard numbers, as they are written; empty when there is none."""
    first = content.lstrip(b"\r\n").split(b"\r", 1)[0].decode(encoding, "replace").lstrip("\ufeff")
    if not first.startswith("MSH") or len(first) < 8:
        return []
    fields = first.split(first[3])
    return ["MSH", first[3], *fields[1:]]


class _Batches:
    """FHS and BHS with what their trailers count."""

    def __init__(self) -> None:
        self.begun = False
        self._open: dict[str, int] = {}
        self._messages = self._batches = 0

    def take(self, number: int, name: str, line: str) -> Iterator[BadLine]:
        self.begun = True
        if name == "MSH":
            self._messages += 1
        elif name in ("FHS", "BHS"):
            if name in self._open:
                yield BadLine(
                    self._open[name], f"the {name} that begins here has no {_TRAILER[name]}", "not_whole"
                )
            self._open[name] = number
            if name == "BHS":
                self._messages = 0
                self._batches += 1
        else:
            header = "BHS" if name == "BTS" else "FHS"
            if self._open.pop(header, None) is None:
                yield BadLine(number, f"{name} ends a {header} that never began", "not_whole")
            there, what = (self._messages, "messages") if name == "BTS" else (self._batches, "batches")
            said = line[4:].split(line[3:4])[0].strip() if len(line) > 4 else ""
            if said and (not said.isdecimal() or int(said[:9]) != there):
                counted = said[:9] if said.isdecimal() else "an unreadable number of"
                yield BadLine(number, f"{name}-1 counts {counted} {what}, there are {there}", "not_whole")

    def end(self, number: int) -> Iterator[BadLine]:
        for name in sorted(self._open):
            detail = f"the {name} that begins at {self._open[name]} has no {_TRAILER[name]}"
            yield BadLine(number, detail, "not_whole")


_TRAILER = {"FHS": "FTS", "BHS": "BTS"}


def _records(parsed: Segments, level: str, lines_of: list[int]) -> Iterator[tuple[int, Record]]:
    if level == "MSH":
        yield lines_of[0], Record(parsed, (), 1)
        return
    starts = [at for at, segment in enumerate(parsed) if segment.name == level]
    ends = [*starts[1:], len(parsed)]
    for number, (start, end) in enumerate(zip(starts, ends, strict=False), start=1):
        yield lines_of[start], Record(parsed[start:end], parsed[: starts[0]], number)


def column(text: str) -> Column:
    """What a column name reads. Raises ValueError with what names look like."""
    if text == "@number":
        return lambda record: str(record.number)
    call = _CALL.match(text)
    found = _PATH.match(call["of"] if call else text)
    if not found:
        raise ValueError(
            "a column is written like PID-3, PID-3.1, PV1-19[2].1, PID-3[5=MR].1, list(PID-3.1), time(MSH-7) or @number"
        )
    path = _Path(
        found["name"], int(found["field"]), int(found["repetition"] or 0), int(found["at"] or 0),
        found["value"] or "", int(found["component"] or 1), int(found["part"] or 1),
    )  # fmt: skip
    if not call:
        return path.first
    if call["call"] == "time":
        return lambda record: iso_time(path.first(record))
    return lambda record: json.dumps(list(path.values(record)), ensure_ascii=False)


@dataclass(frozen=True)
class _Path:
    name: str
    field: int
    repetition: int
    at: int
    value: str
    component: int
    part: int

    def first(self, record: Record) -> str | None:
        return next(self.values(record), None)

    def values(self, record: Record) -> Iterator[str]:
        """Of the record's own segments of this name; if it has none, of the message's."""
        there = [segment for segment in record.own if segment.name == self.name]
        for segment in there or [segment for segment in record.shared if segment.name == self.name]:
            for number, repetition in enumerate(segment.repetitions(self.field), start=1):
                if self.repetition and number != self.repetition:
                    continue
                if self.at and segment.value(self.field, repetition, self.at) != self.value:
                    continue
                value = segment.value(self.field, repetition, self.component, self.part)
                # Two quotes say that there is nothing.
                if value and value != '""':
                    yield value


def value_of(parsed: Segments, name: str, field: int, component: int = 1) -> str:
    """One value of the first segment with this name, or an empty text."""
    path = _Path(name, field, 1, 0, "", component, 1)
    return path.first(Record(parsed, (), 1)) or ""
