"""Counts and control numbers of X12: ISA/IEA around GS/GE around ST/SE, each trailer agreeing with its header."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Literal

from probes.formats.x12.segments import Segment
from probes.probe import BadLine, Counted

Numbers = Literal["any", "unique", "consecutive"]
# Control numbers of interchanges and groups have nine digits.
LAST_NUMBER = 999_999_999


@dataclass
class _Open:
    """A header whose trailer has not come: how many things are in it."""

    header: Segment
    inside: int = 0
    names: set[str] = field(default_factory=set)


class Envelope:
    """Follows the segments of a file and tells what is wrong with their envelopes."""

    def __init__(self, interchange_numbers: Numbers, group_numbers: Numbers) -> None:
        self._numbers = {"ISA": interchange_numbers, "GS": group_numbers}
        self._open: dict[str, _Open] = {}
        self._stray = False

    @property
    def in_transaction(self) -> bool:
        """Whether a transaction has begun and not ended."""
        return "ST" in self._open

    def take(self, segment: Segment) -> Iterator[BadLine | Counted]:
        """What is wrong up to and with this segment, and the control number it carries."""
        name = segment.name
        if name in _TRAILER:
            yield from self._opened(segment)
        elif name in _HEADER:
            yield from self._closed(segment)
        elif "ST" in self._open:
            self._open["ST"].inside += 1
        elif name != "TA1" and not self._stray:
            self._stray = True
            yield _lost(segment, f"segment {name} stands in no transaction")

    def end(self) -> Iterator[BadLine]:
        """What is missing at the end of the file."""
        yield from self._unclosed("ISA")

    def _opened(self, segment: Segment) -> Iterator[BadLine | Counted]:
        name = segment.name
        yield from self._unclosed(name)
        above = _ABOVE.get(name)
        number = segment.element(_NUMBER_AT[name])
        if above and above not in self._open:
            yield _lost(segment, f"segment {name} stands in no {above}")
        elif above:
            level = self._open[above]
            level.inside += 1
            if number in level.names and name == "ST":
                yield BadLine(segment.number, "ST02 is used twice in one group", "remark")
            level.names.add(number)
        # The header counts itself in SE01.
        self._open[name] = _Open(segment, inside=1 if name == "ST" else 0)
        yield from self._counted(segment, number)

    def _closed(self, segment: Segment) -> Iterator[BadLine]:
        header = _HEADER[segment.name]
        for inner in _INSIDE[header]:
            yield from self._unclosed(inner)
        level = self._open.pop(header, None)
        if level is None:
            yield _lost(segment, f"segment {segment.name} ends a {header} that never began")
            return
        there = level.inside + (header == "ST")
        said = segment.element(1)
        if not said.isdecimal() or int(said) != there:
            counted = f"{int(said)}" if said.isdecimal() and len(said) < 12 else "an unreadable number of"
            yield _lost(segment, f"{segment.name}01 counts {counted} {_COUNTS[header]}, there are {there}")
        yield from _same_number(segment, level.header)

    def _unclosed(self, name: str) -> Iterator[BadLine]:
        """A level that is still open, with those inside it, has lost its trailer."""
        for inner in (*_INSIDE[name], name):
            level = self._open.pop(inner, None)
            if level:
                yield _lost(level.header, f"the {inner} that begins here has no {_TRAILER[inner]}")

    def _counted(self, segment: Segment, number: str) -> Iterator[BadLine | Counted]:
        rule = self._numbers.get(segment.name, "any")
        if rule == "any":
            return
        if not number.isdecimal() or len(number) > 9:
            yield BadLine(
                segment.number, f"{segment.name}{_NUMBER_AT[segment.name]:02d} is not a number", "remark"
            )
            return
        at = (5, 6, 7, 8, 15) if segment.name == "ISA" else (1, 2, 3)
        who = " ".join(segment.element(part) for part in at)
        yield Counted(
            f"{segment.name} {who}", int(number), segment.number, rule == "consecutive", LAST_NUMBER
        )


_TRAILER = {"ISA": "IEA", "GS": "GE", "ST": "SE"}
_HEADER = {trailer: header for header, trailer in _TRAILER.items()}
_ABOVE = {"GS": "ISA", "ST": "GS"}
_INSIDE = {"ISA": ("ST", "GS"), "GS": ("ST",), "ST": ()}
_NUMBER_AT = {"ISA": 13, "GS": 6, "ST": 2}
_COUNTS = {"ISA": "groups", "GS": "transactions", "ST": "segments"}


def _lost(segment: Segment, detail: str) -> BadLine:
    return BadLine(segment.number, detail, "not_whole")


def _same_number(trailer: Segment, header: Segment) -> Iterator[BadLine]:
    at = _NUMBER_AT[header.name]
    names = f"{trailer.name}02", f"{header.name}{at:02d}"
    given = trailer.elements[2] if len(trailer.elements) > 2 else ""
    wanted = header.elements[at] if at < len(header.elements) else ""
    if given.strip().lstrip("0") != wanted.strip().lstrip("0"):
        yield _lost(trailer, f"{names[0]} does not repeat {names[1]}")
    elif given != wanted:
        yield BadLine(trailer.number, f"{names[0]} repeats {names[1]} written otherwise", "remark")
