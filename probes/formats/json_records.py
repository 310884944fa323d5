"""JSON: one list of objects somewhere in a document, or one object a line. Read as it comes, never as a whole."""

from __future__ import annotations

import codecs
import json
import re
from collections.abc import Iterator
from typing import Any, ClassVar, Literal

from pydantic import Field

from probes.formats.contract import Encoding, Format, Source
from probes.formats.lines import lines, too_large, without_mark
from probes.probe import BATCH_ROWS, BadLine, Batch, ProbeError
from probes.texts import record_batch

MAX_RECORD_CHARACTERS = 16_000_000
# So much JSON is held at a time; as Python's objects it is several times as large.
_BATCH_CHARACTERS = 8_000_000
_CHUNK_BYTES = 1_000_000
_BLANK = " \t\r\n"
_SPACE = re.compile(r"[ \t\r\n]*")
# Numbers stay as they are written: 12.50 is not 12.5, and 20 digits are not a float.
_DECODER = json.JSONDecoder(parse_float=str, parse_int=str)


class JsonRecords(Format):
    """`format: {type: json, select: result.orders}`: the list at a dotted path, or the document itself.

    `lines: true`: each line is an object of its own (JSON Lines), and a line that is none is set aside.
    A column is a dotted path inside the record, as in a REST probe.
    """

    errors: ClassVar = (UnicodeError,)
    loose: ClassVar = True

    type: Literal["json"]
    select: str = ""
    lines: bool = False
    encoding: Encoding = "utf-8"
    max_record_characters: int = Field(default=MAX_RECORD_CHARACTERS, ge=1)

    def read(self, source: Source) -> Iterator[Batch]:
        return _batches(source, self._each_line(source) if self.lines else self._listed(source))

    def _each_line(self, source: Source) -> Iterator[_Found]:
        for number, line in lines(source, self.encoding):
            text = line.strip(_BLANK)
            if not text or text.isspace():
                continue
            try:
                record, end = _DECODER.raw_decode(text)
            except (ValueError, RecursionError):
                record, end = None, 0
            yield number, record if end == len(text) else None, end

    def _listed(self, source: Source) -> Iterator[_Found]:
        text = _Text(source, without_mark(self.encoding), self.max_record_characters)
        number = 0
        try:
            _go_to_list(text, self.select, source)
            for record, size in _items(text):
                number += 1
                yield number, record, size
        except _NotJsonError as broken:
            if not number:
                raise ProbeError(
                    "bad_file", f"file {source.name} is not a readable json file; ask for it again"
                ) from None
            yield number + 1, BadLine(number + 1, broken.problem, "not_whole"), 0


# Where it stands in the file, what stands there, and how many characters it has.
_Found = tuple[int, Any, int]


def _batches(source: Source, items: Iterator[_Found]) -> Iterator[Batch]:
    numbers, records, bad, characters = list[int](), list[Any](), list[BadLine](), 0
    for number, record, size in items:
        if isinstance(record, dict):
            numbers.append(number)
            records.append(record)
        else:
            bad.append(record if isinstance(record, BadLine) else BadLine(number, "it is not a JSON object"))
        characters += size
        if len(records) + len(bad) >= BATCH_ROWS or characters >= _BATCH_CHARACTERS:
            yield Batch(record_batch(source.columns, records), lines=tuple(numbers), bad_lines=tuple(bad))
            numbers, records, bad, characters = [], [], [], 0
    if records or bad:
        yield Batch(record_batch(source.columns, records), lines=tuple(numbers), bad_lines=tuple(bad))


class _NotJsonError(Exception):
    def __init__(self, problem: str) -> None:
        super().__init__(problem)
        self.problem = problem


class _Text:
    """The text of a file as far as it is needed: what is used is forgotten, what is missing is read."""

    def __init__(self, source: Source, encoding: str, longest: int) -> None:
        self._source, self._longest = source, longest
        self._decode = codecs.getincrementaldecoder(encoding)()
        self._buffer, self._at, self._ended = "", 0, False

    def _more(self) -> bool:
        if self._ended:
            return False
        if len(self._buffer) - self._at > self._longest:
            raise too_large(self._source, "a record", self._longest)
        self._source.check()
        block = self._source.file.read(_CHUNK_BYTES)
        self._ended = not block
        self._buffer = self._buffer[self._at :] + self._decode.decode(block, final=not block)
        self._at = 0
        return True

    def next_sign(self) -> str:
        """The next character that is not blank, or an empty text at the end."""
        while True:
            self._at = _SPACE.match(self._buffer, self._at).end()  # type: ignore[union-attr]
            if self._at < len(self._buffer):
                return self._buffer[self._at]
            if not self._more():
                return ""

    def skip(self, sign: str) -> None:
        if self.next_sign() != sign:
            self.fail()
        self._at += 1

    def value(self) -> Any:
        """The next value, whatever it is."""
        return self.measured()[0]

    def measured(self) -> tuple[Any, int]:
        """The next value, and how many characters it has."""
        self.next_sign()
        while True:
            try:
                found, end = _DECODER.raw_decode(self._buffer, self._at)
            except RecursionError:
                raise _NotJsonError("it is nested too deeply") from None
            except ValueError:
                if not self._more():
                    self.fail()
                continue
            # A number at the very end of what was read may go on.
            if end == len(self._buffer) and self._more():
                continue
            size, self._at = end - self._at, end
            return found, size

    def fail(self) -> None:
        raise _NotJsonError("the file ends here, or is not JSON from here on")


def _go_to_list(text: _Text, path: str, source: Source) -> None:
    """Goes behind the `[` of the list at `path`."""
    for part in path.split(".") if path else ():
        text.skip("{")
        while text.next_sign() == '"':
            key = text.value()
            text.skip(":")
            if key == part:
                break
            text.value()
            if text.next_sign() == ",":
                text.skip(",")
        else:
            raise ProbeError("no_records", f"file {source.name} has nothing at {path!r}; check 'select'")
    if text.next_sign() != "[":
        if not text.next_sign():
            text.fail()
        hint = "check 'select', or write lines: true" if not path else "check 'select'"
        raise ProbeError("no_records", f"file {source.name} has no list at {path or 'its top'!r}; {hint}")
    text.skip("[")


def _items(text: _Text) -> Iterator[tuple[Any, int]]:
    if text.next_sign() == "]":
        return
    while True:
        yield text.measured()
        if text.next_sign() == "]":
            return
        text.skip(",")
