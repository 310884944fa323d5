"""`tieout test`: the tests a site wrote for its matching rules, KPIs and alert rules, on an engine of their own."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from alerts.testing import run_tests as run_alert_tests
from calendars.table import write_calendars
from core.findings import Finding
from kpis.testing import run_tests as run_kpi_tests
from reconcile.matching.testing import run_tests as run_matching_tests
from store.client import Store
from tieout.opening import prepare
from tieout.project import Project


@dataclass(frozen=True)
class SiteTest:
    """One test and how it went; `detail` names file, line and what was found instead."""

    file: str
    name: str
    passed: bool
    detail: str


def run_site_tests(project: Project, now: datetime) -> list[SiteTest]:
    """Every `alerts/*_test.yaml`, `matching/*_test.yaml` and `kpis/**/*_test.yaml`. A mistake in a test file is a failed test."""
    return [*alert_tests(project), *_stored_tests(project, now)]


def alert_tests(project: Project) -> list[SiteTest]:
    """The tests of alert rules; they need no store."""
    report = run_alert_tests(project.root / "alerts", project.alerts)
    return [*_failed_files(report.findings), *(_test(o.file, o.name, o.failures) for o in report.outcomes)]


def _stored_tests(project: Project, now: datetime) -> list[SiteTest]:
    """The tests that need an engine: one for both kinds, since a process opens only one."""
    kpis, matching = project.root / "kpis", project.root / "matching"
    if not any(kpis.rglob("*_test.y*ml")) and not any(matching.glob("*_test.y*ml")):
        return []
    with (
        tempfile.TemporaryDirectory(prefix="tieout-test-") as folder,
        Store(f"chdb://{folder}/engine") as store,
    ):
        prepare(store, now)
        figures = run_kpi_tests(kpis, project.kpis, store)
        # Only rules count by the calendars of the site; figures are given theirs.
        write_calendars(store, project.calendars.values(), now)
        matched = run_matching_tests(matching, project.matching, project.workflows, store)
    return [
        *_failed_files([*matched.findings, *figures.findings]),
        *(_test(o.file, o.name, o.failures) for o in matched.outcomes),
        *(_test(o.file, o.name, o.failures) for o in figures.outcomes),
    ]


def _failed_files(findings: Iterable[Finding]) -> list[SiteTest]:
    return [SiteTest(finding.file, "(the file itself)", False, finding.text()) for finding in findings]


def _test(file: str, name: str, failures: tuple[Finding, ...]) -> SiteTest:
    return SiteTest(file, name, not failures, "; ".join(failure.text() for failure in failures))
