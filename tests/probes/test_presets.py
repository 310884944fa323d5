"""Every preset says where it comes from, passes the check of a site's files, and reads the documented answer."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

import jwt
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
    shipped, _ = load_workflows()
    ends = {"_TOKEN_URL": f"{api.url}/token", "_URL": api.url, "_PRIVATE_KEY": key}

    def load(name: str) -> tuple[ProbeFile, Workflow]:
        for variable in presets.variables(presets.text(name)):
            value = next((value for end, value in ends.items() if variable.name.endswith(end)), "x")
            monkeypatch.setenv(variable.name, value)
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


# What the vendor's pages call the address, and a parameter or two that they document.
ASKED: dict[str, tuple[str, dict[str, str]]] = {
    "oracle-fusion/invoices": ("/fscmRestApi/resources/11.13.18.05/invoices", {"limit": "500", "orderBy": "InvoiceId"}),
    "oracle-fusion/payments": ("/fscmRestApi/resources/11.13.18.05/payablesPayments", {"offset": "0", "onlyData": "true"}),
    "netsuite/purchase_orders": ("/services/rest/query/v1/suiteql", {"limit": "1000", "offset": "0"}),
    "netsuite/vendor_bills": ("/services/rest/query/v1/suiteql", {"limit": "1000", "offset": "0"}),
    "dynamics-365-finance/purchase_orders": ("/data/PurchaseOrderHeadersV2", {"cross-company": "true"}),
    "dynamics-365-finance/vendor_invoices": ("/data/VendorInvoiceHeaders", {"cross-company": "true"}),
    "oracle-health/charge_items": ("/ChargeItem", {"account": "x", "-status": "billable", "_count": "200"}),
    "concur/invoices": ("/api/v3.0/invoice/paymentrequestdigests", {"limit": "1000"}),
    "concur/suppliers": ("/api/v3.0/invoice/vendors", {"limit": "1000"}),
    "coupa/invoices": ("/api/invoices", {"limit": "50", "offset": "0"}),
    "coupa/receipts": ("/api/receiving_transactions", {"limit": "50", "offset": "0"}),
}  # fmt: skip


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
    api.asked.clear()
    api.bodies.clear()
    probe, workflow = of_site(name)
    done = run_probe(store, probe, workflow, NOW)
    assert (done.status, done.read, done.changed, done.rejected, done.error) == ("ok", 2, 2, 0, "")
    stored = store.rows("SELECT fields FROM snapshots")
    assert set().union(*(row["fields"] for row in stored)) == set(probe.object.fields)
    assert "Doe" not in str(stored)
    if name in ASKED:
        path, said = ASKED[name]
        first = next(request for request in api.asked if request.url.path == path)
        assert said.items() <= dict(first.query_params).items()
    again = run_probe(store, probe, workflow, NOW + FIVE)
    assert (again.status, again.changed) == ("ok", 0)


def test_a_name_that_is_not_there_is_told_with_the_nearest() -> None:
    with pytest.raises(LookupError, match="did you mean 'coupa/purchase_orders'"):
        presets.text("coupa/purchase_order")


def test_the_tokens_that_vendors_want_are_asked_for_as_they_document_it(
    store: Store, api: Api, of_site: Callable[[str], tuple[ProbeFile, Workflow]]
) -> None:
    """NetSuite looks for the scope inside the assertion, Concur for the secret in the form; the query is a body."""

    def asked_of(name: str) -> tuple[dict[str, str], bytes]:
        api.asked.clear()
        api.bodies.clear()
        probe, workflow = of_site(name)
        assert run_probe(store, probe, workflow, NOW, asked=True).status == "ok"
        paths = [request.url.path for request in api.asked]
        form = dict(
            parse_qsl(api.bodies[next(n for n, path in enumerate(paths) if path.endswith("/token"))].decode())
        )
        return form, api.bodies[-1]

    api.answer = lambda request: (
        {"access_token": "t"}
        if request.url.path.endswith("/token")
        else {"items": [], "Items": [], "hasMore": False}
    )
    form, query = asked_of("netsuite/purchase_orders")
    told = jwt.decode(form["client_assertion"], options={"verify_signature": False})
    assert (told["scope"], told["iss"], told["aud"]) == ("rest_webservices", "x", f"{api.url}/token")
    assert jwt.get_unverified_header(form["client_assertion"])["kid"] == "x"
    assert set(form) == {"grant_type", "client_assertion_type", "client_assertion"}
    assert json.loads(query)["q"].endswith("FROM transaction WHERE type = 'x' ORDER BY id")
    assert api.asked[-1].headers["prefer"] == "transient"

    form, _ = asked_of("concur/invoices")
    assert form == {
        "grant_type": "refresh_token",
        "refresh_token": "x",
        "client_id": "x",
        "client_secret": "x",
    }
    assert "authorization" not in api.asked[0].headers
