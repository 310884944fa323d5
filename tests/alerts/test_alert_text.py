"""What people read: figures with their unit, placeholders filled in once."""

from __future__ import annotations

import pytest
from alert_parts import make_rule
from hypothesis import given
from hypothesis import strategies as st

from alerts.text import figure, fill, placeholders, texts_of


@pytest.mark.parametrize(
    ("value", "unit", "text"),
    [
        (None, "count", "no value"),
        (0.9337, "ratio", "93.4 %"),
        (1.2, "ratio", "120.0 %"),
        (1234, "count", "1,234"),
        (12.5, "count", "12.50"),
        (12, "days", "12 days"),
        (12.5, "hours", "12.50 hours"),
        (3.2, "per_1000", "3.20 per 1,000"),
        (5, "per_hour", "5 per hour"),
        (7, "number", "7"),
        (273_600, "seconds", "3d 4h"),
        (-90, "seconds", "-1m 30s"),
        (0.25, "seconds", "0.25 s"),
        (0, "seconds", "0 s"),
        (1_234_567.5, "EUR", "1,234,567.50 EUR"),
        (10, "XXX", "10.00"),
        (7, "", "7"),
    ],
)
def test_a_figure_is_written_as_people_write_it(value, unit, text):
    assert figure(value, unit) == text


def test_what_is_filled_in_is_never_read_as_a_template():
    assert fill("{segment} {value}", {"segment": "{value}", "value": "9"}) == "{value} 9"
    assert fill("{nothing} {0} {a.b} {value!r}", {"value": "9"}) == "{nothing} {0} {a.b} {value!r}"


@given(st.text(), st.text())
def test_no_text_adds_a_line(template, segment):
    assert len(fill(template + "{segment}", {"segment": segment}).splitlines()) <= 1


def test_placeholders_are_found_in_order():
    assert placeholders("{value} of {segment}, {value}") == ["value", "segment", "value"]


def test_texts_of_an_alert_are_those_of_its_rule_filled_in():
    rule = make_rule(
        by="owner",
        labels={"team": "ar"},
        annotations={
            "summary": "{segment}: {value} of {threshold} ({team}, {owner}, {alert})",
            "runbook": "Look.",
        },
    )
    labels = {"segment": "coding", "owner": "coding", "team": "ar", "unit": "count"}
    assert texts_of(rule, labels, 150) == {
        "summary": "coding: 150 of 100 (ar, coding, TooMuch)",
        "runbook": "Look.",
        "value": "150",
        "condition": "above 100",
    }
