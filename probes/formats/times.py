"""Times as EDI writes them, digits only → times that everybody reads."""

from __future__ import annotations

import re

_COMPACT = re.compile(
    r"^(?P<year>[0-9]{4})(?P<month>[0-9]{2})(?P<day>[0-9]{2})"
    r"(?:(?P<hour>[0-9]{2})(?:(?P<minute>[0-9]{2})(?:(?P<second>[0-9]{2})(?P<part>\.[0-9]{1,6}[0-9]*)?)?)?)?"
    r"(?P<zone>[+-][0-9]{4})?$"
)


def iso_time(text: str | None) -> str | None:
    """`202611201030+0100` as `2026-11-20 10:30:00+01:00`; what is no such time stays as it is.

    Twelve digits are a time here; elsewhere in tieout they could be anything.
    """
    found = _COMPACT.match(text or "")
    if not found:
        return text
    day = f"{found['year']}-{found['month']}-{found['day']}"
    if not found["hour"]:
        return day
    part = (found["part"] or "")[:7]
    zone = found["zone"] or ""
    return (
        f"{day} {found['hour']}:{found['minute'] or '00'}:{found['second'] or '00'}{part}"
        f"{f'{zone[:3]}:{zone[3:]}' if zone else ''}"
    )
