"""The fhir kind, against a real HTTP server that answers in the shapes of FHIR R4.

hl7.org/fhir/R4/http.html (§3.1.0.11 history, paging), bundle.html, operationoutcome.html. A program nobody here wrote:
test_fhir_of_hapi.py.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from starlette.responses import JSONResponse

from probes.probe import ProbeFile
from probes.run import run_probe
from store.client import Store
from tests.conftest import NOW
from tests.probes.server import Api, serving
from tests.probes.source import rejects, states
from workflows.model import Workflow

MakeProbe = Callable[..., ProbeFile]
FIVE = timedelta(minutes=5)
CLAIM = {
    "key": "id", "valid_from": "meta.lastUpdated", "fields": {"status": "status", "patient": "patient.reference"},
    "amount": {"column": "total.value", "currency_column": "total.currency"},
}  # fmt: skip


@pytest.fixture(scope="module")
def running() -> Iterator[Api]:
    api = Api()
    with serving(api.app, date_header=False) as address:
        api.address = address
        yield api


@pytest.fixture
def api(running: Api) -> Api:
    running.asked.clear()
    return running


def claim(name: str, at: str, status: str = "active") -> dict[str, Any]:
    resource = {
        "resourceType": "Claim", "id": name, "meta": {"lastUpdated": at}, "status": status,
        "patient": {"reference": "Patient/1", "display": "Jane Doe"}, "total": {"value": 0.1, "currency": "USD"},
    }  # fmt: skip
    return {"fullUrl": f"http://fhir/Claim/{name}", "resource": resource, "search": {"mode": "match"}}


def bundle(entries: list[Any], following: str = "", **more: Any) -> dict[str, Any]:
    links = [
        {"relation": "self", "url": "x"},
        *([{"relation": "next", "url": following}] if following else []),
    ]
    found = {"resourceType": "Bundle", "type": "searchset", "link": links, **more}
    return {**found, "entry": entries} if entries else found


def fhir(make_probe: MakeProbe, api: Api, **keys: Any) -> ProbeFile:
    client = {"base_url": f"{api.url}/r4"}
    return make_probe(kind="fhir", client=client, **{"resource": "Claim", "object": CLAIM, **keys})


def test_a_search_asks_for_elements_and_changes_and_follows_its_links(
    store: Store, make_probe: MakeProbe, workflow: Workflow, api: Api
) -> None:
    api.answer = lambda request: (
        bundle([claim("c2", "2026-11-02T00:00:00Z")], total=2)
        if "page" in request.query_params
        else bundle([claim("c1", "2026-11-01T00:00:00Z")], f"{api.url}/r4?page=2", total=2)
    )
    probe = fhir(
        make_probe,
        api,
        mode="incremental",
        incremental={"overlap": "0s"},
        total=True,
        params={"use": "claim"},
    )
    first = run_probe(store, probe, workflow, NOW)
    assert (first.status, first.read, first.cursor) == (
        "ok",
        2,
        "meta.lastUpdated=2026-11-02T00:00:00.000000Z",
    )
    assert api.queries()[0] == {
        "_count": "200", "_format": "json", "_elements": "id,meta,status,patient,total", "_total": "accurate",
        "use": "claim",
    }  # fmt: skip
    assert api.asked[0].headers["accept"] == "application/fhir+json"
    found = states(store, "C1")[0]
    assert (found["amount"], found["fields"]["patient"]) == (Decimal("0.1"), "Patient/1")
    api.asked.clear()
    api.answer = lambda _: bundle([], total=0)
    assert run_probe(store, probe, workflow, NOW + FIVE).status == "ok"
    assert api.queries()[0]["_lastUpdated"] == "ge2026-11-02T00:00:00.000Z"


def test_history_brings_every_version_and_what_was_deleted(
    store: Store, make_probe: MakeProbe, workflow: Workflow, api: Api
) -> None:
    def entry(name: str, method: str, at: str = "", **resource: str) -> dict[str, Any]:
        asked = {"request": {"method": method, "url": f"Claim/{name}/_history/9"}}
        if method == "DELETE":
            return {**asked, "response": {"status": "204", **({"lastModified": at} if at else {})}}
        return {**claim(name, at, **resource), **asked, "search": None}

    api.answer = lambda _: bundle(
        [
            entry("c2", "DELETE", "2026-11-04T00:00:00Z"),
            entry("c1", "PUT", "2026-11-03T00:00:00Z", status="cancelled"),
            entry("c3", "PUT", "2026-11-02T12:00:00Z"),
            entry("c3", "DELETE"),
            entry("c2", "POST", "2026-11-02T00:00:00Z"),
            entry("c1", "POST", "2026-11-01T00:00:00Z"),
        ],
        type="history",
    )
    state = {key: value for key, value in CLAIM.items() if key != "valid_from"}
    probe = fhir(
        make_probe,
        api,
        object=state,
        mode="incremental",
        incremental={"overlap": "0s"},
        **{"from": "history"},
    )
    done = run_probe(store, probe, workflow, NOW)
    assert (done.status, done.read, done.cursor) == ("ok", 5, "meta.lastUpdated=2026-11-04T00:00:00.000000Z")
    told = [(s["object_key"], s["fields"].get("status"), s["deleted"]) for s in states(store)]
    assert sorted(told, key=str) == [
        ("C1", "active", False), ("C1", "cancelled", False), ("C2", "active", False), ("C2", None, True),
        ("C3", "active", False),
    ]  # fmt: skip
    assert api.asked[0].url.path == "/r4/Claim/_history"
    run_probe(store, probe, workflow, NOW + FIVE)
    assert api.queries()[-1]["_since"] == "2026-11-04T00:00:00.000Z"


def test_a_refusal_tells_severity_and_code_and_no_diagnostics(
    store: Store, make_probe: MakeProbe, workflow: Workflow, api: Api
) -> None:
    issue = {
        "severity": "error",
        "code": "not-supported",
        "diagnostics": "Jane Doe",
        "details": {"text": "x"},
    }
    api.answer = lambda _: JSONResponse({"resourceType": "OperationOutcome", "issue": [issue]}, 400)
    done = run_probe(store, fhir(make_probe, api), workflow, NOW)
    assert done.error_code == "http_status"
    assert "(error not-supported)" in done.error
    assert "Jane" not in done.error


def test_remarks_are_set_aside_included_resources_are_left_out_and_no_bundle_is_an_error(
    store: Store, make_probe: MakeProbe, workflow: Workflow, api: Api
) -> None:
    outcome = {"resourceType": "OperationOutcome", "issue": [{"severity": "warning", "code": "processing"}]}
    included = {**claim("c9", "2026-11-01T00:00:00Z"), "search": {"mode": "include"}}
    api.answer = lambda _: bundle(
        [claim("c1", "2026-11-01T00:00:00Z"), {"resource": outcome, "search": {"mode": "outcome"}}, included]
    )
    done = run_probe(store, fhir(make_probe, api, max_rejected_ratio=1), workflow, NOW)
    assert (done.status, done.changed, done.rejected) == ("partial", 1, 1)
    assert rejects(store) == [("bad_line", "the server has a remark on the search: warning processing")]
    api.answer = lambda _: {"resourceType": "Claim"}
    assert run_probe(store, fhir(make_probe, api), workflow, NOW + FIVE).error_code == "no_bundle"


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        (
            {"object": {"key": "id", "fields": ["patient.display"]}},
            "patient.display may name or describe a person",
        ),
        (
            {"resource": "Patient", "object": {"key": "id", "fields": ["name.0.family"]}},
            "name.0.family may name",
        ),
        ({"from": "history"}, "needs 'mode: incremental'"),
        ({"mode": "incremental"}, "go together"),
        ({"resource": "claim/x"}, "resource"),
    ],
)
def test_what_does_not_fit_or_names_a_person_is_a_finding(
    make_probe: MakeProbe, api: Api, keys: dict[str, Any], message: str
) -> None:
    with pytest.raises(AssertionError, match=message):
        fhir(make_probe, api, **keys)
