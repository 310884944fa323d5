"""The presets for Node-RED against Node-RED: its flows, its runtime, its logins."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from probes import presets
from probes.doctor import diagnose
from probes.load import load_probe
from probes.probe import ProbeFile
from probes.run import run_probe
from probes.systems import Systems
from store.client import Store
from tests.conftest import NOW, ROOT
from tests.interop import builds
from tests.interop.parties import Source
from tests.ports import free_ports
from tests.probes.source import states
from tieout.project import open_project
from tieout.scaffold import create
from workflows.load import load_workflows
from workflows.model import Workflow

pytestmark = pytest.mark.slow
FIVE = timedelta(minutes=5)
FLOWS = [
    {"id": "orders", "type": "tab", "label": "Orders to the warehouse", "disabled": False, "info": ""},
    {"id": "receipts", "type": "tab", "label": "Receipts to the ledger", "disabled": False, "info": ""},
    {"id": "beat", "type": "inject", "z": "orders", "name": "", "props": [], "repeat": "60", "wires": [[]]},
]


class NodeRed(Source):
    """A Node-RED with two flows, which somebody edits."""

    def __init__(self, folder: Path) -> None:
        (port,) = free_ports(1)
        self.kept = folder / "flows"
        command = [*builds.node_red(), str(self.kept)]
        super().__init__(folder, command, port, "/auth/login", {"PORT": str(port)}, folder)

    def builder(self) -> httpx.Client:
        login = {
            "client_id": "node-red-admin", "grant_type": "password", "scope": "*", "username": "builder",
            "password": "pw-of-the-builder",
        }  # fmt: skip
        given = httpx.post(f"{self.url}/auth/token", data=login, trust_env=False).raise_for_status().json()
        headers = {"Authorization": f"Bearer {given['access_token']}"}
        return httpx.Client(base_url=self.url, headers=headers, trust_env=False)

    def deploy(self, flows: list[dict[str, Any]]) -> None:
        with self.builder() as builder:
            builder.post("/flows", json=flows).raise_for_status()

    def turn(self, state: str) -> None:
        with self.builder() as builder:
            builder.post("/flows/state", json={"state": state}).raise_for_status()

    def sessions_of(self, user: str) -> int:
        return (self.kept / ".sessions.json").read_text().count(f'"{user}"')


@pytest.fixture(scope="module")
def node_red(tmp_path_factory: pytest.TempPathFactory) -> Iterator[NodeRed]:
    made = NodeRed(tmp_path_factory.mktemp("node_red"))
    try:
        made.start()
        made.deploy(FLOWS)
        yield made
    finally:
        made.end()


@pytest.fixture
def shipped() -> dict[str, Workflow]:
    return load_workflows()[0]


def of_site(tmp_path: Path, shipped: dict[str, Workflow], name: str) -> ProbeFile:
    """The preset as a site has it: copied as it is, its variables set."""
    file = tmp_path / f"{name.replace('/', '_')}.yaml"
    file.write_text(presets.text(name))
    probe, _, findings = load_probe(file, shipped)
    assert [finding.text() for finding in findings] == []
    assert probe is not None
    return probe


def test_flows_and_runtime_are_read_by_somebody_who_may_only_look(
    store: Store,
    node_red: NodeRed,
    shipped: dict[str, Workflow],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name, value in {"URL": node_red.url, "USER": "reader", "PASSWORD": "pw-of-the-reader"}.items():
        monkeypatch.setenv(f"NODE_RED_{name}", value)
    flows, runtime = (of_site(tmp_path, shipped, f"node-red/{name}") for name in ("flows", "runtime"))
    workflow = shipped["procure_to_payment"]

    first = run_probe(store, flows, workflow, NOW)
    assert (first.status, first.read, first.changed, first.error) == ("ok", 2, 2, "")
    assert states(store, "orders")[0]["fields"] == {"name": "Orders to the warehouse", "disabled": "false"}
    assert run_probe(store, flows, workflow, NOW + FIVE).changed == 0
    running = run_probe(store, runtime, workflow, NOW)
    assert (running.status, running.read) == ("ok", 1)
    [state] = states(store, "diagnostics")
    assert (state["fields"]["state"], state["fields"]["started"]) == ("start", "true")
    assert state["fields"]["version"].startswith("4.1")
    assert run_probe(store, runtime, workflow, NOW + FIVE).changed == 0

    node_red.deploy([FLOWS[0] | {"disabled": True}, FLOWS[2]])
    node_red.turn("stop")
    edited = run_probe(store, flows, workflow, NOW + 2 * FIVE)
    assert (edited.read, edited.changed, edited.deleted) == (1, 2, 1)
    assert [s["fields"].get("disabled") for s in states(store, "orders")] == ["false", "true"]
    assert states(store, "receipts")[-1]["deleted"]
    stopped = run_probe(store, runtime, workflow, NOW + 2 * FIVE)
    assert (stopped.status, stopped.changed) == ("ok", 1)
    assert states(store, "diagnostics")[-1]["fields"]["state"] == "stop"
    # Every token was given back.
    assert node_red.sessions_of("reader") == 0
    assert node_red.sessions_of("builder") > 0
    checks = diagnose(store, flows, workflow, NOW + 2 * FIVE, Systems(), tmp_path / "node-red_flows.yaml")
    assert [check.name for check in checks if check.ok is False] == []

    site = tmp_path / "site"
    create(site, ROOT / "examples" / "demo")
    # In a process of its own, as the store of another folder is open in this one.
    command = [
        sys.executable,
        "-m",
        "tieout",
        "probe",
        "init",
        "--preset",
        "node-red",
        "--project",
        str(site),
    ]
    said = ["--set", f"NODE_RED_URL={node_red.url}", "--set", "NODE_RED_USER=reader"]
    done = subprocess.run([*command, *said], cwd=ROOT, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout.count("records are understood")) == (0, 2), done
    begun = open_project(site).probes
    assert {"node_red_flows", "node_red_runtime"} <= set(begun)

    monkeypatch.setenv("NODE_RED_PASSWORD", "pw-of-nobody")
    refused = run_probe(store, of_site(tmp_path, shipped, "node-red/flows"), workflow, NOW + 3 * FIVE)
    assert (refused.status, refused.error_code, refused.attempts) == ("failed", "auth_failed", 1)
    assert "pw-of" not in refused.error
