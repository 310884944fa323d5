"""Durations as people write them: `90s`, `15m`, `2h`, `3d`, `2w`, `1d 12h`; business time: `3bd`, `8bh`."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import timedelta
from typing import Annotated, Any, Literal, cast

from pydantic import BeforeValidator, PlainSerializer

_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}
_PART = re.compile(r"(\d+)\s*([smhdw])")
_BUSINESS = re.compile(r"\s*(\d{1,4})\s*(bd|bh)\s*$")
_WHOLE = re.compile(r"\s*(?:\d+\s*[smhdw]\s*)+$")


def parse_duration(text: Any) -> timedelta:
    """The span of time that `text` names. Raises ValueError naming the accepted form."""
    if isinstance(text, timedelta):
        return text
    if not isinstance(text, str) or not _WHOLE.match(text):
        raise ValueError("a duration is written like 90s, 15m, 2h, 3d or 1d 12h")
    return timedelta(seconds=sum(int(n) * _UNITS[unit] for n, unit in _PART.findall(text)))


def format_duration(span: timedelta) -> str:
    """The shortest text that `parse_duration` reads back, for example `1d 12h`."""
    rest, parts = int(span.total_seconds()), []
    for unit, size in (("d", 86400), ("h", 3600), ("m", 60), ("s", 1)):
        count, rest = divmod(rest, size)
        if count:
            parts.append(f"{count}{unit}")
    return " ".join(parts) or "0s"


Duration = Annotated[
    timedelta, BeforeValidator(parse_duration), PlainSerializer(format_duration, return_type=str)
]


@dataclass(frozen=True)
class BusinessTime:
    """So many business days (`bd`) or hours of working time (`bh`). Which moments those are, a calendar says."""

    count: int
    unit: Literal["bd", "bh"]


def parse_window(text: Any) -> timedelta | BusinessTime:
    """A duration, or business time like `3bd` or `8bh`. Raises ValueError naming the accepted forms."""
    if isinstance(text, timedelta | BusinessTime):
        return text
    match = _BUSINESS.match(text) if isinstance(text, str) else None
    if match:
        return BusinessTime(int(match[1]), cast(Literal["bd", "bh"], match[2]))
    try:
        return parse_duration(text)
    except ValueError as error:
        raise ValueError(f"{error}, or in business time like 3bd or 8bh") from None


def counted(window: timedelta | BusinessTime) -> tuple[int, Literal["s", "bd", "bs"]]:
    """How much of what a window is: seconds of the clock, business days, or seconds of working time."""
    if not isinstance(window, BusinessTime):
        return int(window.total_seconds()), "s"
    return (window.count, "bd") if window.unit == "bd" else (window.count * 3600, "bs")


def format_window(window: timedelta | BusinessTime) -> str:
    """The text that `parse_window` reads back."""
    return f"{window.count}{window.unit}" if isinstance(window, BusinessTime) else format_duration(window)


Window = Annotated[
    timedelta | BusinessTime,
    BeforeValidator(parse_window),
    PlainSerializer(format_window, return_type=str),
]
