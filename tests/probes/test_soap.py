"""The soap kind against spyne: a program nobody here wrote, as its own process, with its own WSDL."""

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
from tests.interop.parties import ROOT, Source
from tests.ports import free_ports
from tests.probes.source import states
from workflows.model import Workflow

pytestmark = pytest.mark.slow
MakeProbe = Callable[..., ProbeFile]
FIVE = timedelta(minutes=5)
PAGES = {"type": "page_number", "more_path": "More"}


class Spyne(Source):
    """Seven orders, three a page."""

    def __init__(self, folder: Path) -> None:
        (port,) = free_ports(1)
        super().__init__(folder, [*builds.soap_service(), str(port)], port, "/?wsdl", {}, ROOT)

    def wsdl(self) -> str:
        return httpx.get(f"{self.url}/?wsdl", trust_env=False).text

    def change(self, no: str, status: str, day: int) -> None:
        httpx.get(f"{self.url}/change?no={no}&status={status}&day={day}", trust_env=False).raise_for_status()


@pytest.fixture(scope="module")
def spyne(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Spyne]:
    made = Spyne(tmp_path_factory.mktemp("spyne"))
    try:
        made.start()
        yield made
    finally:
        made.end()


def soap(make_probe: MakeProbe, spyne: Spyne, **keys: Any) -> ProbeFile:
    state = {
        "key": "No", "valid_from": "ChangedAt", "fields": {"status": "Status"},
        "amount": {"column": "Total", "currency_column": "Currency"},
    }  # fmt: skip
    keys = {
        "client": {"base_url": f"{spyne.url}/"}, "wsdl": f"{spyne.url}/?wsdl", "operation": "GetOrders",
        "record_path": "Order", "security": {"username": "reader", "password": "pw"}, "paginator": PAGES,
        "arguments": {"Page": "{page}"}, "object": state, **keys,
    }  # fmt: skip
    return make_probe(kind="soap", **keys)


def test_pages_money_and_times(store: Store, spyne: Spyne, make_probe: MakeProbe, workflow: Workflow) -> None:
    first = run_probe(store, soap(make_probe, spyne), workflow, NOW)
    assert (first.status, first.read, first.changed, first.error) == ("ok", 7, 7, "")
    found = states(store, "453")[0]
    assert (found["amount"], found["currency"], found["valid_from"].isoformat()) == (
        Decimal("3.10"), "EUR", "2026-11-03T10:00:00+00:00",
    )  # fmt: skip
    assert "Jane" not in str(store.rows("SELECT * FROM snapshots"))


def test_a_wsdl_beside_the_file_an_empty_last_page_and_a_login_at_the_gate(
    store: Store, spyne: Spyne, make_probe: MakeProbe, workflow: Workflow, tmp_path: Path
) -> None:
    # Its addresses lead nowhere: what counts is client.base_url.
    (tmp_path / "orders.wsdl").write_text(spyne.wsdl().replace(spyne.url, "http://inner.example"))
    auth = {"type": "basic", "username": "gate", "password": "keeper"}
    guarded = {"base_url": f"{spyne.url}/guarded", "auth": auth}
    pages = {"type": "page_number"}
    probe = soap(make_probe, spyne, wsdl="orders.wsdl", client=guarded, paginator=pages)
    done = run_probe(store, probe, workflow, NOW)
    assert (done.status, done.read, done.error) == ("ok", 7, "")


def test_only_what_changed_is_asked_for(
    store: Store, spyne: Spyne, make_probe: MakeProbe, workflow: Workflow
) -> None:
    rule = {"cursor_path": "ChangedAt", "overlap": "0s", "initial_value": "2026-11-01T00:00:00Z"}
    arguments = {"Page": "{page}", "Since": "{cursor}"}
    probe = soap(make_probe, spyne, mode="incremental", incremental=rule, arguments=arguments)
    assert run_probe(store, probe, workflow, NOW).read == 7
    spyne.change("1", "paid", 9)
    second = run_probe(store, probe, workflow, NOW + FIVE)
    assert (second.read, second.changed, second.cursor) == (2, 1, "ChangedAt=2026-11-09T10:00:00.000000Z")


@pytest.mark.parametrize(
    ("keys", "code", "text"),
    [
        ({"security": None}, "auth_failed", "wsse:FailedAuthentication"),
        (
            {"arguments": {"Page": "{page}", "Status": "broken"}},
            "soap_fault",
            "Server.Database); it is tried again",
        ),
        (
            {"arguments": {"Page": "{page}", "Status": "odd"}},
            "soap_fault",
            "Client.Status); check 'arguments'",
        ),
        ({"arguments": {"Page": "{page}", "Nope": 1}}, "bad_arguments", "check 'arguments' with its WSDL"),
        ({"operation": "GetNothing"}, "no_operation", "it has GetOrders"),
        ({"record_path": "Nothing"}, "", ""),
        ({"paginator": {"type": "page_number"}, "max_pages": 1}, "too_many_pages", "max_pages 1"),
        ({"paginator": {"type": "single"}, "arguments": {"Page": "1"}}, "", ""),
    ],
)
def test_faults_and_mistakes_are_told_without_payload(
    store: Store, spyne: Spyne, make_probe: MakeProbe, workflow: Workflow, keys: Any, code: str, text: str
) -> None:
    done = run_probe(store, soap(make_probe, spyne, **keys), workflow, NOW)
    assert done.error_code == code, done.error
    assert text in done.error
    assert "Jane" not in done.error
    assert (done.status == "ok") is (not code)


def test_a_gate_that_refuses_and_addresses_that_are_no_service(
    store: Store, spyne: Spyne, make_probe: MakeProbe, workflow: Workflow
) -> None:
    def code(**keys: Any) -> str:
        return run_probe(store, soap(make_probe, spyne, **keys), workflow, NOW).error_code

    assert code(client={"base_url": f"{spyne.url}/guarded"}) == "auth_failed"
    assert code(wsdl=f"{spyne.url}/nowhere") == "bad_xml"
    assert code(wsdl="http://127.0.0.1:9/other?wsdl") == "other_host"
