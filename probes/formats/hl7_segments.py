"""Segments of HL7 v2 messages, divided where a value is asked for.

The hl7 library divides a whole message at once, some 300 messages a second of the size hospitals send, and writes
fields with escapes it does not know into the log. It is what the tests compare with.
"""

from __future__ import annotations

import functools
import re
from dataclasses import dataclass

_HEXADECIMAL = re.compile(r"X(?:[0-9A-Fa-f]{2})+")
# MSH, FHS and BHS say in their first two fields what separates the others.
HEADERS = ("MSH", "FHS", "BHS")


@dataclass(frozen=True)
class Signs:
    """What separates fields, components, repetitions and subcomponents, and what escapes them."""

    field: str
    component: str = "^"
    repetition: str = "~"
    escape: str = "\\"
    part: str = "&"

    @classmethod
    def of(cls, header: str) -> Signs | None:
        """The signs that a header segment declares, the usual ones where it is silent; None when it is cut off."""
        if len(header) < 5:
            return None
        declared = header[4:].split(header[3], 1)[0]
        usual = cls(header[3])
        given = (usual.component, usual.repetition, usual.escape, usual.part)
        return cls(
            header[3], *(declared[at] if at < len(declared) else sign for at, sign in enumerate(given))
        )


class Segment:
    """One segment. Fields count from 1 after the name; in a header, field 1 is the separator itself."""

    def __init__(self, text: str, signs: Signs) -> None:
        self._text, self._signs = text, signs
        self.name = text[:3]

    @functools.cached_property
    def _fields(self) -> list[str]:
        fields = self._text.split(self._signs.field)
        return [fields[0], self._signs.field, *fields[1:]] if self.name in HEADERS else fields

    def repetitions(self, field: int) -> list[str]:
        """The repetitions of a field as they are written; none when it is not there."""
        text = self._fields[field] if field < len(self._fields) else ""
        if not text:
            return []
        return [text] if self._is_signs(field) else text.split(self._signs.repetition)

    def value(self, field: int, repetition: str, component: int = 1, part: int = 1) -> str:
        """A component or subcomponent of a repetition; one that is not divided is its own first part."""
        if self._is_signs(field):
            return repetition if component == part == 1 else ""
        text = repetition
        for sign, number in ((self._signs.component, component), (self._signs.part, part)):
            pieces = text.split(sign, number)
            if number > len(pieces):
                return ""
            text = pieces[number - 1]
        return self._plain(text).strip()

    def _is_signs(self, field: int) -> bool:
        return self.name in HEADERS and field <= 2

    def _plain(self, text: str) -> str:
        """The text with its escapes resolved; one that means nothing here stays as it is written."""
        signs = self._signs
        if signs.escape not in text:
            return text
        meant = {
            "F": signs.field,
            "S": signs.component,
            "T": signs.part,
            "R": signs.repetition,
            "E": signs.escape,
        }

        def sign(found: re.Match[str]) -> str:
            code = found[1]
            if _HEXADECIMAL.fullmatch(code):
                return bytes.fromhex(code[1:]).decode("utf-8", "replace")
            return "\n" if code == ".br" else meant.get(code, found[0])

        return _between(signs.escape).sub(sign, text)


def segments_of(lines: list[str]) -> list[Segment] | None:
    """The segments of a message that begins with its MSH; None when that is cut off."""
    signs = Signs.of(lines[0])
    return None if signs is None else [Segment(line, signs) for line in lines]


@functools.cache
def _between(sign: str) -> re.Pattern[str]:
    mark = re.escape(sign)
    return re.compile(f"{mark}([^{mark}]*){mark}")
