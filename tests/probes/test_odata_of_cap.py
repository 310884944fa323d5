"""The odata kind against SAP's Cloud Application Programming Model: OData 4, and 2 by its adapter, as they are."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import httpx
import pytest

from probes.probe import ProbeFile
from probes.run import run_probe
from store.client import Store
from tests.conftest import NOW
from tests.interop import builds
from tests.interop.parties import Source
from tests.ports import free_ports
from tests.probes.source import states
from workflows.model import Workflow

pytestmark = pytest.mark.slow
MakeProbe = Callable[..., ProbeFile]
LOGIN = ("reader", "pw-of-the-reader")
FIVE = timedelta(minutes=5)
PATHS = {4: "odata/v4/orders", 2: "odata/v2/orders"}
FIRST = [
    {
        "ID": f"450{number}", "status": "open", "supplier": "S1", "total": number + 0.5, "currency": "EUR",
        "changedAt": f"2026-11-0{number}T10:00:00Z", "orderedOn": f"2026-11-0{number}", "buyer": "Jane Doe",
        "items": [{"position": 1, "material": f"M{number}", "quantity": 2}],
    }
    for number in range(1, 8)
]  # fmt: skip


class Cap(Source):
    """Seven orders, handed out three a page; people may change them."""

    def __init__(self, folder: Path) -> None:
        command, runs_in = builds.odata_service()
        (port,) = free_ports(1)
        super().__init__(folder, command, port, "/odata/v4/orders", {"PORT": str(port)}, runs_in)

    def change(self, method: str, path: str, body: Any = None) -> None:
        url = f"{self.url}/{PATHS[4]}/{path}"
        httpx.request(method, url, json=body, auth=LOGIN, trust_env=False).raise_for_status()


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cap]:
    made = Cap(tmp_path_factory.mktemp("cap"))
    try:
        made.start()
        yield made
    finally:
        made.end()


@pytest.fixture
def cap(running: Cap) -> Cap:
    """With the orders as they were at first."""
    for order in FIRST:
        running.change("PUT", f"Orders('{order['ID']}')", order)
    return running


def of_cap(make_probe: MakeProbe, cap: Cap, version: int, **keys: Any) -> ProbeFile:
    auth = {"type": "basic", "username": LOGIN[0], "password": keys.pop("password", LOGIN[1])}
    state = {
        "key": "ID", "valid_from": "changedAt", "fields": {"status": "status", "day": "orderedOn"},
        "amount": {"column": "total", "currency_column": "currency"},
    }  # fmt: skip
    return make_probe(
        kind="odata", version=version, entity_set="Orders", count=True,
        client={"base_url": f"{cap.url}/{PATHS[version]}", "auth": auth}, **{"object": state, **keys},
    )  # fmt: skip


@pytest.mark.parametrize("version", [4, 2])
def test_pages_counts_times_and_money_of_both_versions(
    store: Store, cap: Cap, make_probe: MakeProbe, workflow: Workflow, version: int
) -> None:
    probe = of_cap(make_probe, cap, version)
    first = run_probe(store, probe, workflow, NOW)
    assert (first.status, first.read, first.changed, first.error) == ("ok", 7, 7, "")
    found = states(store, "4503")[0]
    assert (found["amount"], found["currency"], found["valid_from"].isoformat()) == (
        Decimal("3.5"), "EUR", "2026-11-03T10:00:00+00:00",
    )  # fmt: skip
    assert found["fields"]["day"].startswith("2026-11-03")
    assert "Jane" not in str(store.rows("SELECT * FROM snapshots"))
    cap.change("PATCH", "Orders('4503')", {"status": "closed"})
    cap.change("DELETE", "Orders('4507')")
    second = run_probe(store, probe, workflow, NOW + FIVE)
    assert (second.read, second.changed, second.deleted) == (6, 2, 1)


@pytest.mark.parametrize("version", [4, 2])
def test_only_what_changed_is_asked_for(
    store: Store, cap: Cap, make_probe: MakeProbe, workflow: Workflow, version: int
) -> None:
    rule = {"cursor_path": "changedAt", "overlap": "0s"}
    keys = {"filter": "status ne 'draft'", "orderby": "changedAt"}
    probe = of_cap(make_probe, cap, version, mode="incremental", incremental=rule, **keys)
    first = run_probe(store, probe, workflow, NOW)
    assert (first.read, first.cursor) == (7, "changedAt=2026-11-07T10:00:00.000000Z")
    cap.change("PATCH", "Orders('4501')", {"status": "closed", "changedAt": "2026-11-08T00:00:00Z"})
    second = run_probe(store, probe, workflow, NOW + FIVE)
    assert (second.read, second.changed) == (2, 1)


def test_expanded_entities_and_skipping(
    store: Store, cap: Cap, make_probe: MakeProbe, workflow: Workflow
) -> None:
    keys = {"paging": "skip", "page_size": 2, "orderby": "ID"}
    state = {"key": "ID", "fields": {"items": "items"}}
    probe = of_cap(make_probe, cap, 4, expand="items($select=material)", object=state, **keys)
    assert run_probe(store, probe, workflow, NOW).read == 7
    assert '"material": "M7"' in states(store, "4507")[0]["fields"]["items"]


def test_what_it_cannot_do_or_refuses_is_said(
    store: Store, cap: Cap, make_probe: MakeProbe, workflow: Workflow
) -> None:
    untracked = run_probe(store, of_cap(make_probe, cap, 4, mode="delta"), workflow, NOW)
    assert untracked.error_code == "no_delta_link"
    wrong = run_probe(store, of_cap(make_probe, cap, 4, select="nowhere"), workflow, NOW)
    assert (wrong.error_code, "(error 400)" in wrong.error, "nowhere" in wrong.error) == (
        "http_status",
        True,
        False,
    )
    refused = run_probe(store, of_cap(make_probe, cap, 4, password="no"), workflow, NOW)
    assert refused.error_code == "auth_failed"
