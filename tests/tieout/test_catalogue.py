"""Workflows of the catalogue: they come into a project by a command, check clean there, and their tests hold."""

from __future__ import annotations

from pathlib import Path

import pytest
from processes import ROOT
from typer.testing import CliRunner

from core.errors import ConfigurationError
from reconcile.matching.testing import run_tests
from store.client import Store
from tieout.cli import app
from tieout.project import load_project, open_project
from tieout.scaffold import create
from workflows.catalogue import entries

NAMES = ("bill_only", "payroll", "remittance")


def run(*words: str) -> str:
    result = CliRunner().invoke(app, list(words))
    if isinstance(result.exception, ConfigurationError):
        raise result.exception
    assert result.exit_code == 0, (result.output, result.exception)
    return str(result.output)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A new project with all of the catalogue in it."""
    folder = tmp_path_factory.mktemp("catalogue") / "site"
    create(folder, ROOT / "examples" / "demo")
    for name in NAMES:
        run("workflow", "add", name, "--project", str(folder))
    return folder


def test_a_project_with_all_of_the_catalogue_has_no_mistake(site: Path) -> None:
    loaded, findings = load_project(site)
    assert [finding.text() for finding in findings] == []
    assert loaded is not None
    assert set(entries()) == set(NAMES) < set(loaded.workflows)
    assert {name: one.rule.workflow for name, one in loaded.matching.items()} == {
        "bill_only_usage": "bill_only", "bill_only_invoice": "bill_only",
        "remittance_deposits": "remittance", "remittance_claims": "remittance",
        "payroll_hours": "payroll", "payroll_net": "payroll", "payroll_ledger": "payroll", "payroll_cash": "payroll",
    }  # fmt: skip
    listed = run("workflow", "list", "--project", str(site), "--json")
    assert '"workflow": "remittance"' in listed
    assert "catalogue" not in listed


def test_what_a_site_changed_stays_and_a_name_that_is_not_there_is_told(site: Path) -> None:
    prices = site / "matching" / "tables" / "contract_prices.csv"
    before = prices.read_bytes()
    prices.write_text("from,to\nKNEE7,4100.00\n", encoding="utf-8")
    told = run("workflow", "add", "bill_only", "--project", str(site), "--json")
    assert '"written": []' in told
    assert prices.read_text(encoding="utf-8") == "from,to\nKNEE7,4100.00\n"
    prices.write_bytes(before)
    with pytest.raises(ConfigurationError, match="did you mean 'remittance'"):
        run("workflow", "add", "remitance", "--project", str(site))
    with pytest.raises(ConfigurationError, match="holds no project"):
        run("workflow", "add", "remittance", "--project", str(site / "matching"))


@pytest.mark.slow
def test_the_tests_of_all_its_rules_hold(site: Path, store: Store) -> None:
    project = open_project(site)
    report = run_tests(site / "matching", project.matching, project.workflows, store)
    assert [failure.text() for outcome in report.outcomes for failure in outcome.failures] == []
    assert report.passed
    assert report.untested == ()
    assert len(report.outcomes) == 60
