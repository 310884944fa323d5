"""`tieout init` makes a project that checks clean; a mistake in any file has a place, a cause and a cure."""

from __future__ import annotations

from pathlib import Path

import pytest
from processes import ROOT

from core.errors import ConfigurationError
from tieout.project import load_project, open_project, open_to_read
from tieout.scaffold import create

KPI = """-- title: Cases of one department
-- unit: count
-- direction: higher_is_better
-- kind: stock
-- every: 5m
-- measures: [{name: cases, unit: count, title: Cases}]
-- formula: own
-- inputs: [verdicts_at]
SELECT if({dimension:String} = '', 'total', dims[{dimension:String}]) AS segment, 'cases' AS measure, 'count' AS unit, toFloat64(count()) AS value, NULL AS low, NULL AS high,
    toDecimal128(count(), 6) AS numerator, NULL AS denominator, count() AS n
FROM verdicts_at(as_of = {as_of:DateTime64(6, 'UTC')}, known_at = {known_at:DateTime64(6, 'UTC')})
WHERE workflow = {workflow:String}
GROUP BY segment
"""

PROBE = """name: erp_orders
kind: sql
title: Orders of the ERP
workflow: procure_to_payment
system: erp
url: sqlite:///orders.db
query: SELECT order_no, changed_at FROM orders
object: {type: order, key: order_no, fields: [order_no], valid_from: changed_at}
"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    folder = tmp_path / "site"
    create(folder, ROOT / "examples" / "demo")
    own = (
        (ROOT / "workflows" / "hospital_billing.yaml")
        .read_text()
        .replace("workflow: hospital_billing", "workflow: our_billing")
    )
    (folder / "workflows" / "our_billing.yaml").write_text(own)
    (folder / "kpis" / "department_cases.sql").write_text(KPI)
    (folder / "probes" / "erp_orders.yaml").write_text(PROBE)
    return folder


def test_a_new_project_has_no_mistakes(project: Path) -> None:
    loaded, findings = load_project(project)
    assert [finding.text() for finding in findings] == []
    assert loaded is not None
    assert {"hospital_billing", "procure_to_payment", "our_billing"} == set(loaded.workflows)
    assert {"erp_orders"} == set(loaded.probes)
    assert "department_cases" in loaded.kpis


SPELLING = [
    ("tieout.yaml", "folder: data", "foldr: data", "unknown key 'foldr'", "folder"),
    ("tieout.yaml", "hospital_billing,", "hospital_biling,", "unknown shipped workflow 'hospital_biling'", "hospital_billing"),
    ("workflows/our_billing.yaml", "after: [case.released]", "after: [case.relesed]", "unknown step 'case.relesed'", "case.released"),
    ("workflows/our_billing.yaml", "void_by: [case.deleted, case.closed_empty]", "void_bye: [case.deleted]", "unknown key 'void_bye'", "void_by"),
    ("mappings/hospital_billing.yaml", "workflow: hospital_billing", "workflow: hospital_biling", "unknown workflow 'hospital_biling'", "hospital_billing"),
    ("mappings/hospital_billing.yaml", "activity: activity", "activty: activity", "unknown key 'activty'", "activity"),
    ("probes/erp_orders.yaml", "kind: sql", "kind: sqll", "kind", "sql"),
    ("probes/erp_orders.yaml", "type: order,", "type: ordr,", "'ordr'", "order"),
    ("kpis/department_cases.sql", "-- direction: higher", "-- directoin: higher", "unknown key 'directoin'", "direction"),
    ("kpis/department_cases.sql", "{workflow:String}", "{worklow:String}", "worklow", "workflow"),
]  # fmt: skip


@pytest.mark.parametrize(("file", "right", "wrong", "says", "near"), SPELLING)
def test_a_spelling_mistake_has_a_place_and_the_nearest_name(
    project: Path, file: str, right: str, wrong: str, says: str, near: str
) -> None:
    path = project / file
    text = path.read_text()
    assert right in text
    path.write_text(text.replace(right, wrong, 1))
    _, findings = load_project(project)
    hits = [finding for finding in findings if finding.file == str(path) and says in finding.message]
    assert hits, [finding.text() for finding in findings]
    assert hits[0].nearest == near
    line = path.read_text().splitlines()[hits[0].line - 1]
    assert wrong.split(":")[0].strip(" -[{") in line or wrong in line


def test_a_spelling_mistake_in_an_alert_rule_names_the_nearest_kpi(project: Path) -> None:
    path = next((project / "alerts").glob("*.yaml"))
    text = path.read_text()
    path.write_text(text.replace("kpi: K", "kpi: KK", 1))
    _, findings = load_project(project)
    assert any(finding.file == str(path) and finding.nearest.startswith("K") for finding in findings)


def test_all_mistakes_of_all_files_come_in_one_run(project: Path) -> None:
    for file, right, wrong, _, _ in SPELLING[1:4:2]:
        path = project / file
        path.write_text(path.read_text().replace(right, wrong, 1))
    _, findings = load_project(project)
    assert len({finding.file for finding in findings}) >= 2


def test_who_only_reads_needs_no_credentials_of_systems(project: Path) -> None:
    """On the machine of an engineer who is on call, the variables of the service are not set."""
    secret = PROBE.replace(
        "sqlite:///orders.db", "postgresql://tieout:${ERP_PASSWORD_OF_A_TEST}@127.0.0.1/erp"
    )
    (project / "probes" / "erp_orders.yaml").write_text(secret)
    with pytest.raises(ConfigurationError, match="ERP_PASSWORD_OF_A_TEST is not set"):
        open_project(project)
    assert "procure_to_payment" in open_to_read(project).workflows
    settings = project / "tieout.yaml"
    before = settings.read_text()
    settings.write_text(before + "store: {url: 'http://127.0.0.1:8123', password: '${PASSWORD_OF_A_TEST}'}\n")
    with pytest.raises(ConfigurationError, match="PASSWORD_OF_A_TEST is not set"):
        open_to_read(project)
    settings.write_text(before + "surprise: 1\n")
    with pytest.raises(ConfigurationError, match="surprise"):
        open_to_read(project)


def test_init_leaves_an_existing_project_alone(project: Path) -> None:
    before = {path: path.read_bytes() for path in project.rglob("*") if path.is_file()}
    with pytest.raises(Exception, match="holds a project already"):
        create(project, ROOT / "examples" / "demo")
    assert before == {path: path.read_bytes() for path in project.rglob("*") if path.is_file()}
