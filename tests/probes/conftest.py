"""A workflow and a way to write probe files, as a site would."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import stamina

from probes.load import load_probe
from probes.probe import ProbeFile
from tests.probes.far import Moto
from workflows.load import load_workflows
from workflows.model import Workflow

WORKFLOW = """
workflow: payables
title: Payables
item: invoice
sources: [ap_invoices]
dimensions: [supplier]
objects:
  invoice: {title: Invoice, key: [trim, upper, strip_leading_zeros]}
  order: {title: Order, key: [trim, upper]}
  line: {title: Order line, key: [trim]}
steps:
  invoice.received: {title: Received, select: [{name: Received}]}
  invoice.paid: {title: Paid, select: [{name: Paid}]}
  invoice.refused: {title: Refused, failed: true, select: [{name: Refused}]}
expectations:
  - {name: payment, title: Paid in time, kind: sequence, item: invoice, after: [invoice.received],
     expect: [invoice.paid], within: 30d, owner: treasury}
"""


@pytest.fixture(scope="session")
def workflow(tmp_path_factory: pytest.TempPathFactory) -> Workflow:
    folder = tmp_path_factory.mktemp("workflows")
    (folder / "payables.yaml").write_text(WORKFLOW)
    found, findings = load_workflows(folder)
    assert not findings
    return found["payables"]


@pytest.fixture(autouse=True)
def _no_waiting() -> Iterator[None]:
    """Back-off without sleeping, with as many attempts as the probe allows."""
    with stamina.set_testing(True, attempts=10, cap=True):
        yield


@pytest.fixture
def make_probe(tmp_path: Path, workflow: Workflow) -> Callable[..., ProbeFile]:
    """Writes a probe file (YAML reads JSON) and loads it the way the project folder is loaded."""

    def make(**keys: Any) -> ProbeFile:
        common = {"name": "ap_invoices", "title": "Invoices", "workflow": "payables", "system": "ap"}
        state = {"type": "invoice", "key": "no"}
        content = common | {"object": state} | keys
        content["object"] = state | content["object"]
        file = tmp_path / f"{content['name']}.yaml"
        file.write_text(json.dumps(content, default=str))
        probe, _, findings = load_probe(file, {"payables": workflow})
        assert not findings, [finding.text() for finding in findings]
        assert probe is not None
        return probe

    return make


@pytest.fixture(scope="session")
def moto(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Moto]:
    made = Moto(tmp_path_factory.mktemp("moto"))
    try:
        made.start()
        yield made
    finally:
        made.end()
