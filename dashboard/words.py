"""Numbers, times and other people's text as words. Text of the data reaches Markdown only through `code`."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import date, datetime, timedelta
from decimal import Decimal, InvalidOperation
from typing import Any

# What stands where nothing can be said. Never 0, never 100 %.
UNKNOWN = "—"
NO_CURRENCY = "XXX"

_PER = {"per_hour": " per hour", "per_1000": " per 1,000"}

_BACKTICKS = re.compile(r"`+")
_CURRENCY = re.compile(r"[A-Za-z0-9]{1,12}")
_CONTROL = re.compile(r"[\x00-\x1f\x7f\u2028\u2029]+")


def code(text: object) -> str:
    """`text` as an inline code span: the one Markdown form in which nothing is interpreted."""
    plain = _CONTROL.sub(" ", str(text)).strip() or " "
    longest = max((len(run) for run in _BACKTICKS.findall(plain)), default=0)
    fence = "`" * (longest + 1)
    return f"{fence} {plain} {fence}" if longest else f"{fence}{plain}{fence}"


def listed(names: list[str], limit: int = 3) -> str:
    """Names as code spans: two of them, or the first ones `and n more`."""
    shown = ", ".join(code(name) for name in names[:limit])
    return f"{shown} and {len(names) - limit} more" if len(names) > limit else shown


def count(number: int | None) -> str:
    """`12,345`, or a dash when it is not known."""
    return UNKNOWN if number is None else f"{number:,}"


def plural(number: int, noun: str, many: str = "") -> str:
    """`1 exception`, `2,000 exceptions`."""
    return f"{number:,} {noun if number == 1 else many or noun + 's'}"


def percent(ratio: float | None) -> str:
    """A ratio as `96.2 %`; three digits near the ends, so that 99.97 % is not shown as all."""
    if ratio is None:
        return UNKNOWN
    near_an_end = 0 < ratio < 0.001 or 0.999 < ratio < 1
    return f"{100 * ratio:.{2 if near_an_end else 1}f} %"


def interval(low: float | None, high: float | None) -> str:
    """`96.2 %`, or `91.0 – 96.2 %` where unknown items make a rate an interval."""
    if low is None or high is None:
        return UNKNOWN
    if percent(low) == percent(high):
        return percent(low)
    return f"{percent(low).removesuffix(' %')} – {percent(high)}"


def points(difference: float) -> str:
    """The difference of two ratios in percentage points, signed: `+1.2 points`."""
    return f"{100 * difference:+.1f} points"


def money(amounts: Mapping[str, Decimal]) -> str:
    """Each currency on its own, never added: `1,204.50 EUR + 12.00 USD`. Empty when there is no amount at all."""
    parts = [f"{amount:,.2f} {currency_name(currency)}" for currency, amount in sorted(amounts.items())]
    return " + ".join(parts)


def amount(value: Decimal | None, currency: str) -> str:
    """`1,204.50 EUR`, or a dash when it is not known."""
    return UNKNOWN if value is None else money({currency: value})


def short_money(amount: Decimal | float, currency: str) -> str:
    """`1.24 M EUR`: for cells and cards."""
    size = abs(float(amount))
    for limit, letter in ((1e9, " B"), (1e6, " M"), (1e4, " k")):
        if size >= limit:
            return (
                f"{float(amount) / (1e3 if letter == ' k' else limit):,.2f}{letter} {currency_name(currency)}"
            )
    return f"{float(amount):,.2f} {currency_name(currency)}"


def currency_name(currency: str) -> str:
    """The code, or words where the source gave none or something that is no code."""
    if currency in ("", NO_CURRENCY):
        return "(no currency)"
    return currency if _CURRENCY.fullmatch(currency) else "(odd currency)"


def number_text(text: str) -> str:
    """`12,345.5` for a number written out, text as it is, and a dash for nothing."""
    try:
        # Zeros behind the point say nothing; `normalize` alone would write 1E+2.
        return f"{Decimal(text).normalize():,f}" if text else UNKNOWN
    except InvalidOperation:
        return text


def at(moment: datetime | None) -> str:
    """`13 Dec 2015, 13:55 UTC`."""
    return UNKNOWN if moment is None else f"{moment.day} {moment:%b %Y, %H:%M} UTC"


def day(moment: date | None) -> str:
    """`13 Dec 2015`; of a time the day in UTC."""
    return UNKNOWN if moment is None else f"{moment.day} {moment:%b %Y}"


def span(length: timedelta | None) -> str:
    """About how long: `3.2 days`, `5.0 hours`, `40 min`, `12 s`, `35 ms`."""
    if length is None:
        return UNKNOWN
    seconds = length.total_seconds()
    sign, size = ("-" if seconds < 0 else ""), abs(seconds)
    if size >= 86_400 * 2:
        days = size / 86_400
        return f"{sign}{days:,.0f} days" if days >= 10 else f"{sign}{days:.1f} days"
    if size >= 7_200:
        return f"{sign}{size / 3600:.1f} hours"
    if size >= 120:
        return f"{sign}{size / 60:.0f} min"
    return f"{sign}{size:.0f} s" if size >= 1 or size == 0 else f"{sign}{1000 * size:.0f} ms"


def label_of(name: str) -> str:
    """A name of the code as people read it: `Waiver requested`."""
    return name.replace("_", " ").capitalize()


def time_left(row: Mapping[str, Any]) -> str:
    """How the service level of an exception stands: `3.0 hours`, `late by 2.0 days`, `waived`, `in time`, or a dash."""
    if row["hours_left"] is not None and row["resolve_clock"] != "paused":
        left = timedelta(hours=row["hours_left"])
        return f"late by {span(-left)}" if left < timedelta(0) else span(left)
    known = {"paused": "waived", "met": "in time", "breached": "too late"}
    return known.get(row["resolve_clock"], UNKNOWN)


def short_span(length: timedelta) -> str:
    """`1,012 d`, `5.0 h`, `40 min`: for cards."""
    long_names = {" days": " d", " hours": " h"}
    text = span(length)
    return next(
        (text.replace(name, short) for name, short in long_names.items() if text.endswith(name)), text
    )


def figure(value: float | None, unit: str) -> str:
    """A KPI figure in its unit: ratio, count, hours, days, seconds, per_hour, per_1000, number, or a currency."""
    if value is None:
        return UNKNOWN
    if unit == "ratio":
        return percent(value)
    if unit in ("seconds", "hours", "days"):
        return short_span(timedelta(**{unit: value}))
    if unit == "count":
        return f"{value:,.0f}"
    if unit in ("per_hour", "per_1000", "number"):
        return f"{value:,.2f}{_PER.get(unit, '')}"
    return short_money(value, unit)


def chart_text(text: object) -> str:
    """`text` for a Plotly label: its pseudo-HTML is taken literally."""
    plain = _CONTROL.sub(" ", str(text))
    return plain.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def wrapped(text: str, width: int = 30) -> str:
    """A chart label broken into lines of about `width` characters, made literal."""
    lines, line = [], ""
    for word in text.split():
        if line and len(line) + len(word) >= width:
            lines.append(line)
            line = word
        else:
            line = f"{line} {word}".strip()
    return "<br>".join(chart_text(part[:60]) for part in [*lines, line])
