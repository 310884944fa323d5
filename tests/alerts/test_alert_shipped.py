"""The alert files of the example: they fit the shipped KPIs and workflows, and pass their own tests."""

from __future__ import annotations

from pathlib import Path

import pytest

from alerts.load import KpiNames, load_rules
from alerts.testing import run_tests
from kpis.load import SHIPPED as SHIPPED_KPIS
from kpis.load import load_kpis
from workflows.load import load_workflows

FOLDER = Path(__file__).parents[2] / "examples" / "demo" / "alerts"


@pytest.fixture(scope="module")
def shipped():
    workflows, _ = load_workflows()
    kpis, _ = load_kpis([SHIPPED_KPIS])
    names = {
        name: KpiNames(
            {measure.name for measure in kpi.header.measures},
            {flow.workflow: kpi.dimensions_of(flow) for flow in workflows.values() if kpi.applies_to(flow)},
        )
        for name, kpi in kpis.items()
    }
    return load_rules(FOLDER, names, workflows)


def test_the_shipped_rules_name_only_what_exists(shipped):
    config, findings = shipped
    assert [finding.text() for finding in findings] == []
    assert {rule.workflow for rule in config.rules} == {"hospital_billing", "procure_to_payment"}
    assert {rule.kpi for rule in config.rules} >= {
        "K03",
        "K04",
        "K05",
        "K08",
        "K10",
        "K21",
        "K24",
        "K25",
        "K26",
    }


def test_the_shipped_rules_pass_their_tests_and_none_is_untested(shipped):
    config, _ = shipped
    report = run_tests(FOLDER, config)
    assert [failure.text() for outcome in report.outcomes for failure in outcome.failures] == []
    assert report.passed
    assert report.untested == ()


def test_every_shipped_rule_says_what_to_do_or_is_for_reading(shipped):
    config, _ = shipped
    silent = {rule.alert for rule in config.rules if rule.severity == "page" and not rule.annotations.runbook}
    assert silent == set()


def test_no_shipped_rule_is_fragile(shipped):
    """Breaking any threshold is noticed by the shipped tests."""
    config, _ = shipped
    for group in config.groups:
        for rule in group.rules:
            changes = [{"above": rule.above * 100 + 1e9}] if rule.above is not None else [{"below": -1.0}]
            for change in changes:
                broken = rule.model_copy(update=change)
                rules = tuple(broken if other is rule else other for other in group.rules)
                groups = tuple(
                    other.model_copy(update={"rules": rules}) if other is group else other
                    for other in config.groups
                )
                assert not run_tests(FOLDER, type(config)(groups=groups)).passed, rule.alert
