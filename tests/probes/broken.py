"""What doctor finds wrong with a probe, for the tests of brokers."""

from __future__ import annotations

from pathlib import Path

from probes.doctor import diagnose
from probes.probe import ProbeFile
from probes.systems import Systems
from store.client import Store
from tests.conftest import NOW
from workflows.model import Workflow


def first_wrong(store: Store, probe: ProbeFile, workflow: Workflow) -> tuple[str, str]:
    """The first question that is answered with no, with what was found and what to do; empty texts for none."""
    for check in diagnose(store, probe, workflow, NOW, Systems(), Path("probes/x.yaml")):
        if check.ok is False:
            return check.name, f"{check.found} → {check.then}"
    return "", ""
