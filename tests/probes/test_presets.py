"""Every preset says where it comes from, passes the check of a site's files, and reads the documented answer."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from starlette.requests import Request
from starlette.responses import Response

from probes import presets
from probes.load import load_probe
from probes.probe import ProbeFile
from probes.run import run_probe
from store.client import Store
from tests.conftest import NOW, ROOT
from tests.probes.server import Api, serving
from workflows.load import load_workflows
from workflows.model import Workflow

ANSWERS = ROOT / "tests" / "data" / "presets"
FIVE = timedelta(minutes=5)
# Those of Node-RED read Node-RED itself, in test_node_red.
DOCUMENTED = [name for name in presets.names() if not name.startswith("node-red/")]


@pytest.fixture(scope="module")
def api() -> Iterator[Api]:
    made = Api()
    with serving(made.app, date_header=False) as address:
        made.address = address
        yield made


@pytest.fixture(scope="module")
def key() -> str:
    made = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    kind, form = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8
    return made.private_bytes(kind, form, serialization.NoEncryption()).decode()


@pytest.fixture
def of_site(
    api: Api, key: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[[str], tuple[ProbeFile, Workflow]]:
    """A preset as a site has it: copied into its folder, its variables set."""
    for vendor in ("SAP", "COUPA", "FHIR", "TRYTON", "MIRTH", "BUSINESS_CENTRAL"):
        monkeypatch.setenv(f"{vendor}_URL", api.url)
        monkeypatch.setenv(f"{vendor}_TOKEN_URL", f"{api.url}/token")
        for name in ("USER", "PASSWORD", "CLIENT_ID", "CLIENT_SECRET", "SCOPE", "KEY", "COMPANY_ID"):
            monkeypatch.setenv(f"{vendor}_{name}", "x")
    monkeypatch.setenv("FHIR_PRIVATE_KEY", key)
    shipped, _ = load_workflows()

    def load(name: str) -> tuple[ProbeFile, Workflow]:
        file = tmp_path / "probe.yaml"
        file.write_text(presets.text(name))
        # A preset may be part of an example, which has a workflow of its own.
        own, _ = load_workflows(ROOT / "examples" / name.partition("/")[0] / "workflows")
        workflows = shipped | own
        probe, _, findings = load_probe(file, workflows)
        assert [finding.text() for finding in findings] == []
        assert probe is not None
        return probe, workflows[probe.workflow]

    return load


@pytest.mark.parametrize("name", presets.names())
def test_a_preset_cites_its_source_and_says_what_it_was_run_against(name: str) -> None:
    head = presets.text(name).split("\nname:")[0]
    assert "# Source: https://" in head
    assert "# Run against: " in head


@pytest.mark.parametrize("name", DOCUMENTED)
def test_a_preset_reads_the_documented_answer(
    store: Store, api: Api, of_site: Callable[[str], tuple[ProbeFile, Workflow]], name: str
) -> None:
    answer = json.loads((ANSWERS / f"{name}.json").read_text(), parse_float=str)

    def answered(request: Request) -> Any:
        last = request.url.path.rpartition("/")[2]
        if last == "token":
            return {"access_token": "t"}
        if last in ("_login", "_logout"):
            return Response(headers={"Set-Cookie": "JSESSIONID=node01; Path=/api; Secure; HttpOnly"})
        start = request.query_params.get("offset") or request.query_params.get("p", "0")
        return [] if start != "0" else answer

    api.answer = answered
    probe, workflow = of_site(name)
    done = run_probe(store, probe, workflow, NOW)
    assert (done.status, done.read, done.changed, done.rejected, done.error) == ("ok", 2, 2, 0, "")
    stored = store.rows("SELECT fields FROM snapshots")
    assert all(set(row["fields"]) == set(probe.object.fields) for row in stored)
    again = run_probe(store, probe, workflow, NOW + FIVE)
    assert (again.status, again.changed) == ("ok", 0)


def test_a_name_that_is_not_there_is_told_with_the_nearest() -> None:
    with pytest.raises(LookupError, match="did you mean 'coupa/purchase_orders'"):
        presets.text("coupa/purchase_order")
