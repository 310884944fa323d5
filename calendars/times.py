"""Times of day, working hours and weekdays as people write them: `15:30`, `08:00-17:00`, `sat`."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Annotated, Any, Literal, get_args

from pydantic import BeforeValidator, PlainSerializer

Weekday = Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
WEEKDAYS: tuple[Weekday, ...] = get_args(Weekday)

MIDNIGHT = 24 * 60
_TIME = re.compile(r"(\d{2}):(\d{2})$")


def parse_time(text: Any) -> int:
    """Minutes since the midnight that begins the day; `24:00` is the one that ends it. Raises ValueError."""
    if isinstance(text, int) and not isinstance(text, bool):
        return text
    match = _TIME.match(text) if isinstance(text, str) else None
    minutes = int(match[1]) * 60 + int(match[2]) if match and int(match[2]) < 60 else -1
    if not 0 <= minutes <= MIDNIGHT:
        raise ValueError("a time of day is written like 08:00; the end of the day is 24:00")
    return minutes


def format_time(minutes: int) -> str:
    """The text that `parse_time` reads back."""
    return f"{minutes // 60:02}:{minutes % 60:02}"


@dataclass(frozen=True)
class Hours:
    """Working hours of one day, in minutes since local midnight, half open."""

    opens: int
    closes: int

    def text(self) -> str:
        return f"{format_time(self.opens)}-{format_time(self.closes)}"


ALL_DAY = Hours(0, MIDNIGHT)


def parse_hours(text: Any) -> Hours:
    """Hours like `08:00-17:00`. Raises ValueError naming the form, also when they end before they begin."""
    if isinstance(text, Hours):
        return text
    parts = text.split("-") if isinstance(text, str) else []
    if len(parts) != 2:
        raise ValueError("working hours are written like 08:00-17:00")
    found = Hours(parse_time(parts[0].strip()), parse_time(parts[1].strip()))
    if found.opens >= found.closes:
        raise ValueError("working hours end after they begin, on the same day; the end of the day is 24:00")
    return found


TimeOfDay = Annotated[int, BeforeValidator(parse_time), PlainSerializer(format_time, return_type=str)]
WorkingHours = Annotated[Hours, BeforeValidator(parse_hours), PlainSerializer(Hours.text, return_type=str)]
