"""JSON values that name their own type, because JSON has no dates and no exact numbers.

Some servers write `{"__class__": "date", "year": 2026, "month": 11, "day": 20}` and
`{"__class__": "Decimal", "decimal": "12.50"}`: the tag says what the other keys make.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import date, datetime, time
from typing import Any


def untagged(value: Any, key: str) -> Any:
    """The value that one with its type under `key` means; anything else, and what cannot be understood, as it is.

    Numbers may be text. Times have no zone.
    """
    if isinstance(value, list):
        return [untagged(item, key) for item in value]
    maker = _MAKERS.get(str(value.get(key)).lower()) if isinstance(value, dict) else None
    if maker is None:
        return value
    try:
        return maker(value)
    except (KeyError, ValueError, TypeError):
        return value


def _day(value: Mapping[str, Any]) -> date:
    return date(int(value["year"]), int(value["month"]), int(value["day"]))


def _clock(value: Mapping[str, Any]) -> time:
    """A part that is left out is zero."""
    hour, minute, second, micro = (
        int(value.get(name, 0)) for name in ("hour", "minute", "second", "microsecond")
    )
    return time(hour, minute, second, micro)


_MAKERS: Mapping[str, Callable[[Mapping[str, Any]], Any]] = {
    "date": _day,
    "datetime": lambda value: datetime.combine(_day(value), _clock(value)),
    "time": _clock,
    "timedelta": lambda value: value["seconds"],
    "decimal": lambda value: value["decimal"],
}
