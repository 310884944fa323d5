"""Rule tests: the shipped form passes, and every way to be wrong is told with its line."""

from __future__ import annotations

from pathlib import Path

import pytest
from test_alert_load import HERE, load

from alerts.testing import TestReport, run_tests

GOOD = (HERE / "good" / "billing.yaml").read_text()


def run(folder: Path, text: str) -> TestReport:
    (folder / "billing.yaml").write_text(GOOD)
    (folder / "billing_test.yaml").write_text(text)
    config, findings = load(folder)
    assert findings == []
    return run_tests(folder, config)


def test_the_good_folder_passes_its_own_tests():
    report = run_tests(HERE / "good", load(HERE / "good")[0])
    assert [failure.text() for outcome in report.outcomes for failure in outcome.failures] == []
    assert len(report.outcomes) == 3
    assert report.passed
    assert report.untested == ()


CASE = """
tests:
  - name: x
    every: 5m
    series:
      - {{kpi: K03, measure: open, workflow: hospital_billing, by: owner, segment: coding, unit: count,
         values: {{0m: 150}}}}
    expect:
      - {expect}
"""


@pytest.mark.parametrize(
    ("expect", "place", "message"),
    [
        (
            "{at: 15m, firing: []}",
            "9:19",
            "after 15m: OpenExceptions (coding) is firing, which is not expected",
        ),
        (
            "{at: 5m, pending: []}",
            "9:18",
            "after 5m: OpenExceptions (coding) is pending, which is not expected",
        ),
        ("{at: 5m, firing: [{alert: OpenExceptions, segment: coding}]}", "9:27", "is not firing as expected"),
        (
            "{at: 15m, firing: [{alert: OpenExceptions, segment: x}]}",
            "9:28",
            "OpenExceptions (x) is not firing",
        ),
    ],
)
def test_a_wrong_expectation_names_its_line_and_what_is_there_instead(tmp_path, expect, place, message):
    report = run(tmp_path, CASE.format(expect=expect))
    first = report.outcomes[0].failures[0]
    assert f"{first.line}:{first.column}" == place
    assert message in first.message
    assert not report.passed
    assert report.untested == ("OpenAmount", "SuccessRate")


@pytest.mark.parametrize(
    "wrong",
    [
        "value: 149",
        "severity: page",
        "owner: x",
        "unit: EUR",
        "signal: no_data",
        "summary: x",
        "labels: {domain: x}",
    ],
)
def test_everything_that_is_given_is_compared(tmp_path, wrong):
    expect = f"{{at: 15m, firing: [{{alert: OpenExceptions, segment: coding, {wrong}}}]}}"
    failures = run(tmp_path, CASE.format(expect=expect)).outcomes[0].failures
    assert len(failures) == 2, "the one that is missing, and the one that is there instead"
    assert "coding has 150 open exceptions" in failures[0].allowed


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("tests: []", "at least 1 item"),
        (CASE.format(expect="{at: 5m}"), "say which alerts are 'firing' or 'pending'"),
        (CASE.format(expect="{at: 5m, fires: []}"), "unknown key 'fires'"),
        (CASE.format(expect="{at: 5m, firing: []}").replace("0m: 150", "0m: lots"), "values.0m"),
        (
            CASE.format(expect="{at: 5m, firing: []}").replace("name: x", "name: x\n    rules: [Nope]"),
            "unknown alert 'Nope'",
        ),
        (
            CASE.format(expect="{at: 5m, firing: []}").replace("K03", "K04"),
            "no rule reads any of these series",
        ),
    ],
)
def test_a_mistake_in_a_test_file_is_a_finding(tmp_path, text, message):
    report = run(tmp_path, text)
    assert message in " ".join(finding.message for finding in report.findings)
    assert not report.passed


def test_running_the_tests_twice_gives_the_same_report():
    config = load(HERE / "good")[0]
    assert run_tests(HERE / "good", config) == run_tests(HERE / "good", config)
