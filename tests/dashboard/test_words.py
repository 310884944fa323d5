"""Numbers and times as words, and text of the data made harmless."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dashboard import words


@given(st.text(max_size=60))
def test_a_code_span_is_closed_by_its_own_fence_only(text: str) -> None:
    span = words.code(text)
    fence = span[: len(span) - len(span.lstrip("`"))]
    inside = span[len(fence) : -len(fence)]
    assert span.endswith(fence)
    assert fence not in _runs(inside)
    assert "\n" not in span


def _runs(text: str) -> list[str]:
    return [run for run in "".join(sign if sign == "`" else " " for sign in text).split() if run]


@given(st.text(max_size=60))
def test_chart_text_has_no_tags(text: str) -> None:
    assert not set("<>") & set(words.chart_text(text))


def test_wrapped_labels_break_only_where_we_say() -> None:
    assert (
        words.wrapped("Released <b>within</b> 3 days of closing", 20)
        == "Released<br>&lt;b&gt;within&lt;/b&gt; 3 days<br>of closing"
    )


@pytest.mark.parametrize(
    ("ratio", "text"),
    [(None, "—"), (0.0, "0.0 %"), (1.0, "100.0 %"), (0.9996, "99.96 %"), (0.0004, "0.04 %"), (0.5, "50.0 %")],
)
def test_a_ratio_near_an_end_is_not_rounded_to_it(ratio: float | None, text: str) -> None:
    assert words.percent(ratio) == text


def test_an_interval_shows_both_ends_only_when_they_differ() -> None:
    assert words.interval(0.9, 0.9) == "90.0 %"
    assert words.interval(0.9, 0.95) == "90.0 – 95.0 %"
    assert words.interval(None, None) == "—"


def test_currencies_are_never_added() -> None:
    assert words.money({"USD": Decimal(1), "EUR": Decimal("1204.5")}) == "1,204.50 EUR + 1.00 USD"
    assert words.money({}) == ""


@pytest.mark.parametrize(
    ("currency", "name"),
    [
        ("EUR", "EUR"),
        ("", "(no currency)"),
        ("XXX", "(no currency)"),
        ("<b>x</b>", "(odd currency)"),
        ("[a](b)", "(odd currency)"),
    ],
)
def test_a_currency_that_is_no_code_is_not_shown(currency: str, name: str) -> None:
    assert words.currency_name(currency) == name


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "0 s"), (0.035, "35 ms"), (12, "12 s"), (600, "10 min"), (5 * 3600, "5.0 hours"), (3.25 * 86400, "3.2 days"),
     (1012 * 86400, "1,012 days"), (-7200, "-2.0 hours")],
)  # fmt: skip
def test_spans_are_told_in_the_unit_that_fits(seconds: float, text: str) -> None:
    assert words.span(timedelta(seconds=seconds)) == text


@pytest.mark.parametrize(
    ("value", "unit", "text"),
    [(None, "ratio", "—"), (0.5, "ratio", "50.0 %"), (48.0, "hours", "2.0 d"), (90.0, "seconds", "90 s"), (1234.0, "count", "1,234"),
     (1.5, "per_hour", "1.50 per hour"), (1_250_000.0, "EUR", "1.25 M EUR"), (3.0, "number", "3.00")],
)  # fmt: skip
def test_figures_are_told_in_their_unit(value: float | None, unit: str, text: str) -> None:
    assert words.figure(value, unit) == text
