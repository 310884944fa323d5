"""The how-to page: its example files are good, and its example test passes."""

from __future__ import annotations

import re
from pathlib import Path

from test_alert_load import BILLING, KpiNames

from alerts.load import load_rules
from alerts.testing import run_tests

PAGE = (Path(__file__).parents[2] / "docs" / "how-to" / "alerts.md").read_text()


def test_the_examples_of_the_page_hold(tmp_path, monkeypatch):
    rules, tests, receivers = re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)
    secret = tmp_path / "mail"
    secret.write_text("s3cret")
    (tmp_path / "billing.yaml").write_text(rules)
    (tmp_path / "billing_test.yaml").write_text(tests)
    (tmp_path / "receivers.yaml").write_text(receivers.replace("/run/secrets/mail", str(secret)))
    monkeypatch.setenv("ONCALL_URL", "https://oncall.example.org/hook")
    monkeypatch.setenv("ONCALL_TOKEN", "abc")
    config, findings = load_rules(tmp_path, {"K03": KpiNames({"open"}, {BILLING: ("", "owner")})}, [BILLING])
    assert [finding.text() for finding in findings] == []
    report = run_tests(tmp_path, config)
    assert [failure.text() for outcome in report.outcomes for failure in outcome.failures] == []
    assert report.passed
    assert set(config.receivers) == {"oncall", "revenue"}
