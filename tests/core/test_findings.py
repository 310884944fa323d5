"""A finding is one line that a person can act on."""

from __future__ import annotations

from pathlib import Path

import pytest

from core.findings import Finding, nearest, unknown_name


def test_a_finding_says_where_what_is_allowed_and_what_was_meant() -> None:
    finding = Finding("flow.yaml", 7, 3, "unknown key 'atfer'", "after, expect", "after")
    assert (
        finding.text() == "flow.yaml:7:3: unknown key 'atfer'; allowed: after, expect; did you mean 'after'?"
    )


def test_what_is_not_known_is_left_out() -> None:
    assert Finding("flow.yaml", 1, 1, "cannot be read").text() == "flow.yaml:1:1: cannot be read"


def test_findings_sort_by_file_and_place() -> None:
    found = [
        Finding("b", 1, 1, "m"),
        Finding("a", 10, 1, "m"),
        Finding("a", 9, 7, "m"),
        Finding("a", 9, 2, "m"),
    ]
    assert [(f.file, f.line, f.column) for f in sorted(found)] == [
        ("a", 9, 2),
        ("a", 9, 7),
        ("a", 10, 1),
        ("b", 1, 1),
    ]


@pytest.mark.parametrize(
    ("name", "expected"),
    [("Payment.Snet", "payment.sent"), ("order", "order"), ("zzz", ""), ("", "")],
)
def test_the_nearest_name_is_found_whatever_its_case(name: str, expected: str) -> None:
    assert nearest(name, ["payment.sent", "order", "invoice"]) == expected


def test_an_unknown_name_lists_every_known_one_once() -> None:
    finding = unknown_name(Path("flow.yaml"), 2, 5, "step", "payd", ["sent", "paid", "paid"])
    assert (finding.message, finding.allowed, finding.nearest) == (
        "unknown step 'payd'",
        "paid, sent",
        "paid",
    )
    assert unknown_name("flow.yaml", 2, 5, "step", "paid", []).allowed == "none is declared"
