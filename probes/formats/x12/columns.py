"""Names of X12 columns → what they read from a record."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from decimal import Decimal, InvalidOperation

from probes.formats.times import iso_time
from probes.formats.x12.segments import Segment


@dataclass
class Loop:
    """A segment that begins something, what follows it, and the loop it is in.

    `inner` are segments of the loops inside it, those that some column counts, lists or adds up.
    """

    segments: list[Segment]
    above: Loop | None = None
    number: int = 0
    inner: list[Segment] = field(default_factory=list)

    @property
    def first(self) -> Segment:
        return self.segments[0]

    def outwards(self) -> Iterator[Loop]:
        loop: Loop | None = self
        while loop is not None:
            yield loop
            loop = loop.above


Column = Callable[[Loop], str | None]

_NAME = r"(?P<name>[A-Z][A-Z0-9]{1,2})"
_WHERE = r"(?:\[(?:(?P<at>[0-9]{2})=)?(?P<value>[^\]=]+)\])?"
_SEGMENT = re.compile(f"^{_NAME}{_WHERE}$")
_ELEMENT = re.compile(f"^{_NAME}(?P<element>[0-9]{{2}})(?:-(?P<component>[0-9]{{1,2}}))?{_WHERE}$")
_CALL = re.compile(r"^(?P<call>sum|list|count|cents|time)\((?P<of>[^()]+)\)$")
# Segments whose first element is no qualifier: where the qualifier of `HL[20]` stands.
_QUALIFIER_AT = {"HL": 3}


@dataclass(frozen=True)
class Pick:
    """Segments of one name, or those among them that have `value` at element `at`."""

    name: str
    at: int = 0
    value: str = ""

    def fits(self, segment: Segment) -> bool:
        return segment.name == self.name and (not self.at or segment.element(self.at) == self.value)


@dataclass(frozen=True)
class _Element:
    pick: Pick
    element: int
    component: int

    def of(self, segments: Iterable[Segment]) -> Iterator[str]:
        for segment in segments:
            if self.pick.fits(segment) and (value := segment.element(self.element, self.component)):
                yield value


def pick(text: str) -> Pick:
    """`CLP`, `N1[BY]`, `REF[01=PO]` or `HL[20]`. Raises ValueError."""
    found = _SEGMENT.match(text)
    if not found:
        raise ValueError("a segment is written like CLP, N1[BY] or HL[20]")
    return _picked(found)


def column(text: str) -> Column:
    """What a column name reads. Raises ValueError with what names look like."""
    if text == "@number":
        return lambda loop: str(loop.number)
    if text == "@created":
        return _created
    call = _CALL.match(text)
    if call:
        return _called(call["call"], call["of"])
    if _ELEMENT.match(text):
        one = _element(text)
        return lambda loop: _first(one.of(level.segments) for level in loop.outwards())
    found = _SEGMENT.match(text)
    if found and found["value"] and not found["at"]:
        return _after(found["name"], found["value"])
    raise ValueError(
        "a column is written like CLP01, SVC01-2, REF02[PO], PO1[VP], sum(SVC03), list(RMR02), count(SVC), "
        "cents(TDS01), time(DTP03[472]), @created or @number"
    )


def gathers(text: str) -> str:
    """The segment that a column takes from inner loops too, or an empty text."""
    call = _CALL.match(text)
    if not call or call["call"] in ("cents", "time"):
        return ""
    found = _ELEMENT.match(call["of"]) or _SEGMENT.match(call["of"])
    return found["name"] if found else ""


def _called(call: str, of: str) -> Column:
    if call == "count":
        wanted = pick(of)
        return lambda loop: str(sum(wanted.fits(segment) for segment in (*loop.segments, *loop.inner)))
    one = _element(of)
    if call == "list":
        return lambda loop: json.dumps(list(one.of((*loop.segments, *loop.inner))), ensure_ascii=False)
    if call == "sum":
        return lambda loop: _sum(one.of((*loop.segments, *loop.inner)))
    if call == "time":
        return lambda loop: iso_time(_first(one.of(level.segments) for level in loop.outwards()))
    return lambda loop: _cents(_first(one.of(level.segments) for level in loop.outwards()))


def _element(text: str) -> _Element:
    found = _ELEMENT.match(text)
    if not found:
        raise ValueError("an element is written like CLP01, SVC01-2 or REF02[PO]")
    return _Element(_picked(found), int(found["element"]), int(found["component"] or 0))


def _picked(found: re.Match[str]) -> Pick:
    if not found["value"]:
        return Pick(found["name"])
    at = int(found["at"]) if found["at"] else _QUALIFIER_AT.get(found["name"], 1)
    return Pick(found["name"], at, found["value"])


def _after(name: str, qualifier: str) -> Column:
    """`PO1[VP]`: product ids come in pairs, what it is and the id."""

    def value(loop: Loop) -> str | None:
        for level in loop.outwards():
            for segment in level.segments:
                if segment.name == name and qualifier in segment.elements[1:]:
                    return segment.element(segment.elements.index(qualifier, 1) + 1) or None
        return None

    return value


def _created(loop: Loop) -> str | None:
    """The date and time of the group, else of the interchange, as the sender's clock had it."""
    for segment in (level.first for level in loop.outwards()):
        if segment.name == "GS":
            day, time = segment.element(4), segment.element(5)
        elif segment.name == "ISA":
            day, time = f"20{segment.element(9)}", segment.element(10)
        else:
            continue
        if len(day) == 6:
            day = f"20{day}"
        if len(day) == 8 and day.isdecimal() and time[:4].isdecimal() and len(time) >= 4:
            seconds = time[4:6] if time[4:6].isdecimal() and len(time) >= 6 else "00"
            return f"{day[:4]}-{day[4:6]}-{day[6:]} {time[:2]}:{time[2:4]}:{seconds}"
    return None


def _first(levels: Iterable[Iterable[str]]) -> str | None:
    return next((value for level in levels for value in level), None)


def amount(text: str | None) -> Decimal | None:
    """An X12 amount, or None when it is none. R elements have a decimal point, or none at all."""
    try:
        found = Decimal(text or "")
    except InvalidOperation:
        return None
    return found if found.is_finite() else None


def _sum(values: Iterable[str]) -> str | None:
    """Exactly; what is no number makes the whole no number, which is set aside later."""
    amounts = [amount(value) for value in values]
    known = [found for found in amounts if found is not None]
    if len(known) < len(amounts):
        return "not a number"
    return f"{sum(known, Decimal(0)):f}" if known else None


def _cents(text: str | None) -> str | None:
    """N2 elements have two decimals that are not written: 4321 is 43.21."""
    found = amount(text)
    return text if found is None else f"{found.scaleb(-2):f}"
