"""Durations as people write them: `90s`, `15m`, `2h`, `3d`, `2w`, or `1d 12h`."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Annotated, Any

from pydantic import BeforeValidator, PlainSerializer

_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}
_PART = re.compile(r"(\d+)\s*([smhdw])")
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
