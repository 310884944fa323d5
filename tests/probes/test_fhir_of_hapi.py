"""The fhir kind against HAPI FHIR's own server: its bundles, links, history and refusals."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import httpx
import pytest

from probes.probe import ProbeFile
from probes.run import run_probe
from store.client import Store
from tests.interop import builds
from tests.interop.parties import ROOT, Source
from tests.ports import free_ports
from tests.probes.source import states
from workflows.model import Workflow

pytestmark = pytest.mark.slow
MakeProbe = Callable[..., ProbeFile]
HEADERS = {"Content-Type": "application/fhir+json"}


class Hapi(Source):
    """Seven claims."""

    def __init__(self, folder: Path) -> None:
        (port,) = free_ports(1)
        super().__init__(folder, [*builds.fhir_server(), str(port)], port, "/fhir/metadata", {}, ROOT)

    def put(self, number: int, status: str = "active") -> None:
        claim = {
            "resourceType": "Claim", "id": f"c{number}", "status": status, "use": "claim",
            "type": {"coding": [{"code": "professional"}]}, "created": "2026-11-01",
            "patient": {"reference": f"Patient/p{number}", "display": "Jane Doe"},
            "provider": {"reference": "Organization/o1"}, "priority": {"coding": [{"code": "normal"}]},
            "total": {"value": number + 0.5, "currency": "USD"},
            "insurance": [{"sequence": 1, "focal": True, "coverage": {"reference": "Coverage/1"}}],
        }  # fmt: skip
        self._send("PUT", number, claim)

    def delete(self, number: int) -> None:
        self._send("DELETE", number)

    def _send(self, method: str, number: int, body: Any = None) -> None:
        url = f"{self.url}/fhir/Claim/c{number}"
        httpx.request(method, url, json=body, headers=HEADERS, trust_env=False).raise_for_status()


@pytest.fixture(scope="module")
def hapi(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hapi]:
    made = Hapi(tmp_path_factory.mktemp("hapi"))
    try:
        made.start()
        for number in range(1, 8):
            made.put(number)
        yield made
    finally:
        made.end()


def of_hapi(make_probe: MakeProbe, hapi: Hapi, **keys: Any) -> ProbeFile:
    state = {
        "key": "id", "valid_from": "meta.lastUpdated", "fields": {"status": "status", "patient": "patient.reference"},
        "amount": {"column": "total.value", "currency_column": "total.currency"},
    }  # fmt: skip
    client = {"base_url": f"{hapi.url}/fhir"}
    return make_probe(kind="fhir", client=client, resource="Claim", object=state, **keys)


def test_search_history_and_refusals(
    store: Store, hapi: Hapi, make_probe: MakeProbe, workflow: Workflow
) -> None:
    now = datetime.now(UTC) + timedelta(seconds=1)
    searched = run_probe(store, of_hapi(make_probe, hapi, total=True, count=3), workflow, now)
    assert (searched.status, searched.read, searched.changed, searched.error) == ("ok", 7, 7, "")
    assert states(store, "C3")[0]["amount"] == Decimal("3.5")
    assert "Jane" not in str(store.rows("SELECT * FROM snapshots"))

    keys = {"mode": "incremental", "incremental": {"overlap": "0s"}}
    changes = of_hapi(make_probe, hapi, name="changes", **keys)
    assert run_probe(store, changes, workflow, now).read == 7
    hapi.put(2, "cancelled")
    again = run_probe(store, changes, workflow, now + timedelta(minutes=5))
    assert again.status == "ok"
    assert 1 <= again.read < 7, again.read

    hapi.delete(7)
    # Its plain server gives the first page of a history again and again, so all of it is asked for at once.
    keys |= {"from": "history", "count": 50}
    history = run_probe(store, of_hapi(make_probe, hapi, name="versions", system="h", **keys), workflow, now)
    assert (history.status, history.error) == ("ok", "")
    gone = store.rows("SELECT object_key FROM snapshots WHERE system = 'h' AND deleted")
    assert [row["object_key"] for row in gone] == ["C7"]

    unknown = make_probe(
        kind="fhir",
        client={"base_url": f"{hapi.url}/fhir"},
        resource="Invoice",
        object={"key": "id"},
        name="unknown",
    )
    done = run_probe(store, unknown, workflow, now)
    assert done.status == "failed"
    assert "error not-supported" in done.error or "error processing" in done.error, done.error
