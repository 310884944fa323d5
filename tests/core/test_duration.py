"""Durations are written and read back as people write them."""

from __future__ import annotations

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, ValidationError

from core.duration import Duration, format_duration, parse_duration

SPANS = st.integers(0, 10 * 365 * 86400).map(lambda seconds: timedelta(seconds=seconds))


class Waiting(BaseModel):
    at_most: Duration


@given(SPANS)
def test_every_span_is_read_back_as_it_was_written(span: timedelta) -> None:
    assert parse_duration(format_duration(span)) == span
    assert Waiting.model_validate(Waiting(at_most=span).model_dump()) == Waiting(at_most=span)


@given(SPANS)
def test_no_shorter_text_of_whole_units_says_the_same(span: timedelta) -> None:
    """Each unit appears once, from large to small, and none is larger than the next allows."""
    parts = format_duration(span).split()
    units = [part[-1] for part in parts]
    assert units == sorted(units, key="dhms".index)
    assert len(set(units)) == len(units)
    assert all(int(part[:-1]) < {"h": 24, "m": 60, "s": 60}.get(part[-1], 10**9) for part in parts)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("90s", 90), ("15m", 900), ("2h", 7200), ("3d", 259200), ("2w", 1209600), ("1d 12h", 129600), (" 1d12h ", 129600), ("0s", 0)],
)  # fmt: skip
def test_a_text_names_a_span(text: str, seconds: int) -> None:
    assert parse_duration(text) == timedelta(seconds=seconds)


@pytest.mark.parametrize(
    "text", ["", " ", "5", "d", "1.5h", "-1d", "3 days", "1d,12h", "1D", "1y", "1d x", None, 5, ["1d"]]
)
def test_anything_else_is_refused_with_the_accepted_form(text: object) -> None:
    with pytest.raises(ValueError, match="90s, 15m, 2h, 3d or 1d 12h"):
        parse_duration(text)


def test_a_model_says_which_field_is_wrong() -> None:
    with pytest.raises(ValidationError) as caught:
        Waiting(at_most="soon")  # type: ignore[arg-type]
    assert caught.value.errors()[0]["loc"] == ("at_most",)
