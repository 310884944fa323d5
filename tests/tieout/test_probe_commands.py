"""`tieout probe …` as people use it, and how probes are scheduled."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest
from processes import ROOT

from tieout.jobs import jobs_of
from tieout.project import load_project, open_project
from tieout.scaffold import create

PROBE = """name: erp_orders
kind: sql
title: Orders of the ERP
workflow: procure_to_payment
system: erp
every: 10m
url: sqlite:///{folder}/orders.db
query: SELECT order_no, changed_at FROM orders
object: {{type: order, key: order_no, fields: [order_no], valid_from: changed_at}}
"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    folder = tmp_path / "site"
    create(folder, ROOT / "examples" / "demo")
    (folder / "probes" / "erp_orders.yaml").write_text(PROBE.format(folder=tmp_path))
    return folder


def _add(project: Path, text: str) -> None:
    file = project / "tieout.yaml"
    file.write_text(file.read_text() + text)


def test_probes_start_a_little_apart_and_hold_up_no_other_job(project: Path) -> None:
    jobs = {job.name: job for job in jobs_of(open_project(project))}
    probe = jobs.pop("probe/erp_orders")
    assert (probe.every, probe.jitter, probe.executor) == (
        timedelta(minutes=10),
        timedelta(minutes=1),
        "probes",
    )
    assert {(job.jitter, job.executor) for job in jobs.values()} == {(timedelta(0), "default")}


def test_a_rule_for_a_system_no_probe_reads_is_a_mistake_with_a_place(project: Path) -> None:
    _add(project, "systems:\n  epr: {concurrency: 1}\n")
    _, [finding] = load_project(project)
    assert ("system (no probe has it) 'epr'" in finding.message, finding.nearest) == (True, "erp")
    assert finding.line == len((project / "tieout.yaml").read_text().splitlines())


def test_the_rule_of_a_system_is_read_with_its_units(project: Path) -> None:
    _add(
        project,
        "systems:\n  erp: {requests_per_s: 2.5, breaker: {failures: 2, pause: 1h}, networks: [10.0.0.0/8]}\n",
    )
    rule = open_project(project).settings.systems["erp"]
    assert (rule.requests_per_s, rule.breaker.pause, str(rule.networks[0])) == (
        2.5,
        timedelta(hours=1),
        "10.0.0.0/8",
    )
