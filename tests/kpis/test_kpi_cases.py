"""KPI tests in YAML: a customer's and the shipped ones."""

from __future__ import annotations

from pathlib import Path

import pytest
from kpi_world import World, shipped
from test_kpi_load import HEADER, QUERY, write

from core.errors import CannotRunError
from kpis.load import load_kpis
from kpis.testing import TestReport, run_tests
from store.client import Store

CASES = Path(__file__).parent / "cases"

GOOD = """kpi: late_orders
tests:
  - name: What is overdue counts, by owner
    as_of: 2026-03-31T00:00:00Z
    dimension: owner
    given:
      watermarks: [{complete_through: 2026-04-01T00:00:00Z}]
      expectations:
        - {item_key: A, opened_at: 2026-03-01T00:00:00Z, due_at: 2026-03-02T00:00:00Z, owner: stock}
        - {item_key: B, opened_at: 2026-03-01T00:00:00Z, due_at: 2026-04-02T00:00:00Z, owner: stock}
        - {item_key: C, opened_at: 2026-03-01T00:00:00Z, due_at: 2026-03-05T00:00:00Z, owner: desk}
    expect:
      - {segment: stock, measure: late, value: 1, numerator: 1, n: 1, low: null}
      - {segment: desk, measure: late, value: 1}
    exactly: true
  - name: Nothing is known, nothing is late
    as_of: 2026-03-31
    exactly: true
"""


def report_of(store: Store, folder: Path, text: str) -> TestReport:
    write(folder, HEADER + QUERY)
    (folder / "late_orders_test.yaml").write_text(text, encoding="utf-8")
    kpis, problems = load_kpis([folder])
    assert problems == []
    return run_tests(folder, kpis, store)


def test_a_site_tests_its_kpi(store: Store, tmp_path: Path) -> None:
    report = report_of(store, tmp_path, GOOD)
    assert [failure.text() for outcome in report.outcomes for failure in outcome.failures] == []
    assert report.passed
    assert [outcome.name for outcome in report.outcomes] == [
        "What is overdue counts, by owner",
        "Nothing is known, nothing is late",
    ]
    assert store.value("SELECT count() FROM expectations") == 0


@pytest.mark.parametrize(
    ("old", "new", "spot", "message"),
    [
        (
            "value: 1, numerator",
            "value: 2, numerator",
            "value: 2",
            "value of stock late is 1.0, expected 2.0",
        ),
        ("numerator: 1, n", "numerator: 1.5, n", "numerator", "numerator of stock late is 1, expected 1.5"),
        ("low: null", "low: 3", "low: 3", "low of stock late is unknown, expected 3.0"),
        ("segment: desk", "segment: desc", "{segment: desc", "desc late is not among the figures"),
        (
            "\n      - {segment: desk, measure: late, value: 1}",
            "",
            "expect:",
            "desk late count is not expected",
        ),
    ],
)
def test_a_test_that_fails_says_where_and_what(
    store: Store, tmp_path: Path, old: str, new: str, spot: str, message: str
) -> None:
    text = GOOD.replace(old, new, 1)
    report = report_of(store, tmp_path, text)
    failures = [failure for outcome in report.outcomes for failure in outcome.failures]
    assert not report.passed
    hit = next(failure for failure in failures if message in failure.message)
    assert hit.line == text[: text.index(spot)].count("\n") + 1


@pytest.mark.parametrize(
    ("old", "new", "message", "near"),
    [
        ("kpi: late_orders", "kpi: late_order", "unknown KPI 'late_order'", "late_orders"),
        ("measure: late, value: 1}", "measure: lat, value: 1}", "unknown measure 'lat'", "late"),
        ("watermarks:", "watermark:", "unknown table 'watermark'", "watermarks"),
        ("due_at", "due_on", "unknown column 'due_on'", "due_at"),
        ("as_of: 2026-03-31\n", "as_off: 2026-03-31\n", "unknown key 'as_off'", "as_of"),
    ],
)
def test_a_mistake_in_a_test_file_is_a_finding(
    store: Store, tmp_path: Path, old: str, new: str, message: str, near: str
) -> None:
    report = report_of(store, tmp_path, GOOD.replace(old, new, 1))
    assert report.outcomes == ()
    hit = next(finding for finding in report.findings if message in finding.message)
    assert hit.nearest == near


def test_rows_the_store_does_not_take_are_told_without_their_values(store: Store, tmp_path: Path) -> None:
    report = report_of(store, tmp_path, GOOD.replace("due_at: 2026-03-02T00:00:00Z", "due_at: secret"))
    (failure,) = report.outcomes[0].failures
    assert "cannot be used" in failure.message
    assert "secret" not in failure.text()
    assert store.value("SELECT count() FROM watermarks") == 0


def test_a_measure_or_unit_that_the_header_does_not_declare_fails(store: Store, tmp_path: Path) -> None:
    write(tmp_path, HEADER + QUERY.replace("'count' AS unit", "'days' AS unit"))
    (tmp_path / "late_orders_test.yaml").write_text(GOOD, encoding="utf-8")
    report = run_tests(tmp_path, load_kpis([tmp_path])[0], store)
    assert any(
        "has unit 'days', the header says 'count'" in failure.message
        for failure in report.outcomes[0].failures
    )


def test_a_store_with_data_is_not_touched(store: Store, tmp_path: Path) -> None:
    World(store).expect("A").write()
    with pytest.raises(CannotRunError, match="empty store"):
        report_of(store, tmp_path, GOOD)
    assert store.value("SELECT count() FROM expectations") == 1


def test_a_kpi_without_a_test_is_named(store: Store, tmp_path: Path) -> None:
    report = run_tests(tmp_path, {"K03": shipped()["K03"]}, store)
    assert (report.passed, report.untested) == (True, ("K03",))


def test_shipped_cases_hold(store: Store) -> None:
    report = run_tests(CASES, shipped(), store)
    assert [finding.text() for finding in report.findings] == []
    assert [failure.text() for outcome in report.outcomes for failure in outcome.failures] == []
    assert report.passed
