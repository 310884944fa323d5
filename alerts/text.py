"""Texts people read: placeholders filled in, figures written with their unit. Nothing is evaluated."""

from __future__ import annotations

import re
from collections.abc import Mapping

from alerts.rule import Rule
from core.duration import format_duration, parse_duration

# What a text may name between braces, beside the labels of its own rule.
FIELDS = (
    "alert", "kpi", "measure", "workflow", "dimension", "segment", "unit", "owner", "severity", "value",
    "threshold",
)  # fmt: skip
_PLACEHOLDER = re.compile(r"\{([A-Za-z_][A-Za-z0-9_]*)\}")
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]+")
_CURRENCY = re.compile(r"[A-Z]{3}")
# ISO 4217's code for money of no named currency.
_NO_CURRENCY = "XXX"
_UNIT_WORDS = {"": "", "count": "", "number": "", "per_1000": " per 1,000", "per_hour": " per hour"}


def placeholders(template: str) -> list[str]:
    """The names between braces, in order."""
    return _PLACEHOLDER.findall(template)


def fill(template: str, values: Mapping[str, str]) -> str:
    """`template` with its placeholders replaced, in one pass: what is filled in is never read as a template.

    A name that is not in `values` stays as it is written. Control characters become spaces, so that no text
    can add a header or a line.
    """
    text = _PLACEHOLDER.sub(lambda found: values.get(found.group(1), found.group(0)), template)
    return _CONTROL.sub(" ", text).strip()


def figure(value: float | None, unit: str) -> str:
    """A number as people write it: `93.4 %`, `3d 4h`, `12.5 days`, `1,234.50 EUR`; `no value` for None."""
    if value is None:
        return "no value"
    if unit == "ratio":
        return f"{value * 100:.1f} %"
    if unit == "seconds":
        sign, size = ("-" if value < 0 else ""), abs(value)
        return sign + format_duration(parse_duration(f"{round(size)}s")) if size >= 1 else f"{value:.3g} s"
    if _CURRENCY.fullmatch(unit):
        return f"{value:,.2f}" + (f" {unit}" if unit != _NO_CURRENCY else "")
    number = f"{value:,.0f}" if value == round(value) else f"{value:,.2f}"
    return number + _UNIT_WORDS.get(unit, f" {unit}")


def texts_of(rule: Rule, labels: Mapping[str, str], value: float | None) -> dict[str, str]:
    """The texts of one alert: those of its rule, filled in, and `value` and `condition` in words."""
    unit = labels.get("unit", "")
    threshold, shown = figure(rule.threshold, unit), figure(value, unit)
    given = {**labels, "alert": rule.alert, "value": shown, "threshold": threshold}
    fields = {**dict.fromkeys(FIELDS, ""), **given}
    texts = {name: fill(text, fields) for name, text in rule.annotations.model_dump().items()}
    if "signal" in labels:
        texts["summary"] = _blind(rule)
    texts |= {"value": shown, "condition": f"{rule.comparison} {threshold}"}
    return {name: text for name, text in texts.items() if text}


def _blind(rule: Rule) -> str:
    name = f"{rule.kpi} {rule.measure} of {rule.workflow}"
    return f"No data for {rule.alert}: {name} has no figure of the last {format_duration(rule.max_age)}"
