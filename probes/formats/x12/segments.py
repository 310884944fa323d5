"""The text of an X12 file → its segments. Each interchange says with its ISA how it is separated.

pyx12 reads interchanges as well. It refuses those whose ISA12 is neither 00401 nor 00501, stops at an empty
segment and drops a last one without terminator, all of which real files have; so it is what the tests compare with.
"""

from __future__ import annotations

import codecs
from collections.abc import Iterator
from dataclasses import dataclass

from probes.formats.contract import Source
from probes.formats.lines import too_large, without_mark
from probes.probe import BadLine, ProbeError

MAX_SEGMENT_CHARACTERS = 1_000_000
ISA_CHARACTERS = 106
_CHUNK_BYTES = 256_000
_ISA_ELEMENTS = 16
# The longest ISA that is still looked at: elements that are a little too long for their fixed places.
_LONGEST_ISA = 300
# Line ends, and what old systems put behind the end of a file.
_BLANK = " \t\r\n\x00\x1a"


@dataclass(frozen=True)
class Segment:
    """One segment: its number in the file (1 is the first), its elements with the name at 0."""

    number: int
    elements: list[str]
    component_separator: str

    @property
    def name(self) -> str:
        return self.elements[0]

    def element(self, number: int, component: int = 0) -> str:
        """Element 1 is the first after the name; empty when it is not there. Without padding."""
        value = self.elements[number] if number < len(self.elements) else ""
        if component:
            parts = value.split(self.component_separator)
            value = parts[component - 1] if component <= len(parts) else ""
        return value.strip()


def segments(source: Source, encoding: str) -> Iterator[Segment | BadLine]:
    """Every segment of the file in order. Raises ProbeError when it is no X12 at all, UnicodeError."""
    text = _Text(source, encoding)
    number = 0
    while text.skip_blank():
        if not text.starts_with("ISA"):
            if not number:
                raise _no_x12(source)
            yield BadLine(
                number, "after the end of an interchange comes something else than an ISA", "not_whole"
            )
            return
        header = text.header()
        if header is None:
            if not number:
                raise _no_x12(source)
            yield BadLine(number + 1, "the ISA segment is cut off", "not_whole")
            return
        if header.length != ISA_CHARACTERS:
            detail = f"the ISA segment has {header.length} characters instead of {ISA_CHARACTERS}"
            yield BadLine(number + 1, detail, "remark")
        for found in _interchange(text, header, number):
            if isinstance(found, Segment):
                number = found.number
            yield found
    if not number:
        raise _no_x12(source)


def _no_x12(source: Source) -> ProbeError:
    return ProbeError("bad_file", f"file {source.name} is not a readable x12 file; ask for it again")


@dataclass(frozen=True)
class _Header:
    separator: str
    component_separator: str
    terminator: str
    length: int


def _interchange(text: _Text, header: _Header, number: int) -> Iterator[Segment | BadLine]:
    """Segments up to the IEA, or to where the file or the interchange ends without one."""
    begun = False
    while True:
        if not text.skip_blank():
            return
        # A new ISA without an IEA before it may be separated otherwise.
        if begun and (text.starts_with(f"ISA{header.separator}") or text.starts_an_isa()):
            return
        raw, terminated = text.upto(header.terminator)
        begun = True
        stripped = raw.strip("\r\n")
        if not stripped.strip():
            yield BadLine(number + 1, "there is an empty segment", "remark")
            continue
        number += 1
        elements = stripped.split(header.separator)
        elements[0] = elements[0].strip()
        yield Segment(number, elements, header.component_separator)
        if not terminated:
            yield BadLine(number, "the last segment has no terminator", "remark")
        if elements[0] == "IEA":
            return


class _Text:
    """The file as text, as far as it is needed."""

    def __init__(self, source: Source, encoding: str) -> None:
        self._source = source
        first = source.file.read(_CHUNK_BYTES)
        self._decode = codecs.getincrementaldecoder(_encoding_of(first, encoding))()
        self._buffer, self._at, self._ended = self._decode.decode(first), 0, not first

    def _more(self) -> bool:
        if self._ended:
            return False
        self._source.check()
        block = self._source.file.read(_CHUNK_BYTES)
        self._ended = not block
        self._buffer = self._buffer[self._at :] + self._decode.decode(block, final=not block)
        self._at = 0
        return True

    def _ahead(self, count: int) -> str:
        while len(self._buffer) - self._at < count and self._more():
            pass
        return self._buffer[self._at : self._at + count]

    def skip_blank(self) -> bool:
        """Goes to the next character that says something; False at the end of the file."""
        while True:
            while self._at < len(self._buffer):
                if self._buffer[self._at] not in _BLANK:
                    return True
                self._at += 1
            if not self._more():
                return False

    def starts_with(self, start: str) -> bool:
        return self._ahead(len(start)) == start

    def starts_an_isa(self) -> bool:
        """Whether an ISA with separators of its own begins here: ISA, then 00 or 03 between two of them."""
        head = self._ahead(7)
        return head[:3] == "ISA" and head[4:6] in ("00", "03") and head[3:4] == head[6:7] != ""

    def header(self) -> _Header | None:
        """The separators of the interchange that begins here: those at its sixteenth element, wherever it is."""
        text = self._ahead(_LONGEST_ISA)
        separator = text[3:4]
        at = 3
        for _ in range(_ISA_ELEMENTS - 1):
            at = text.find(separator, at + 1)
            if at < 0:
                return None
        if len(text) < at + 3:
            return None
        terminator = text[at + 2]
        # A terminator that was lost on the way leaves the line ends that were meant for people.
        if terminator == " " and text[at + 2 :].lstrip(" ")[:1] in ("\r", "\n"):
            terminator = "\n"
        return _Header(separator, text[at + 1], terminator, at + 3)

    def upto(self, terminator: str) -> tuple[str, bool]:
        """The text before the next terminator, and whether there is one."""
        start = 0
        while True:
            found = self._buffer.find(terminator, self._at + start)
            if found >= 0:
                text, self._at = self._buffer[self._at : found], found + 1
                return text, True
            start = len(self._buffer) - self._at
            if start > MAX_SEGMENT_CHARACTERS:
                raise too_large(self._source, "a segment", MAX_SEGMENT_CHARACTERS)
            if not self._more():
                text, self._at = self._buffer[self._at :], len(self._buffer)
                return text, False


def _encoding_of(first: bytes, encoding: str) -> str:
    """What the probe file says, unless the first bytes, which are `ISA`, say otherwise."""
    if first.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return "utf-16"
    if first.startswith(b"I\x00"):
        return "utf-16-le"
    return "utf-16-be" if first.startswith(b"\x00I") else without_mark(encoding)
