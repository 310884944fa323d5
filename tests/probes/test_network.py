"""Which addresses are talked to: a name is resolved once, judged, and then it is that address."""

from __future__ import annotations

import ipaddress
import socket
import ssl
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import trustme
from starlette.requests import Request

from probes.network import embedded, forbidden, permitted, public
from probes.probe import ProbeError, ProbeFile
from probes.run import run_probe
from probes.systems import SystemRule, Systems
from store.client import Store
from tests.conftest import NOW
from tests.probes.server import Api, serving
from workflows.model import Workflow

MakeProbe = Callable[..., ProbeFile]
LOOPBACK = (ipaddress.ip_network("127.0.0.0/8"), ipaddress.ip_network("::1"))


@pytest.fixture
def api() -> Iterator[Api]:
    api = Api()
    api.answer = lambda _: [{"no": "1"}]
    with serving(api.app) as address:
        api.address = address
        yield api


class NameService:
    """What names resolve to here, a list a name: each question takes the next answer, the last one stays."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.names: dict[str, list[list[str]]] = {}
        self.asked: list[str] = []
        self._real = socket.getaddrinfo
        monkeypatch.setattr(socket, "getaddrinfo", self._answer)

    def _answer(self, host: Any, port: Any, *rest: Any, **more: Any) -> Any:
        if host not in self.names:
            return self._real(host, port, *rest, **more)
        self.asked.append(host)
        answers = self.names[host]
        addresses = answers.pop(0) if len(answers) > 1 else answers[0]
        return [found for address in addresses for found in self._real(address, port, *rest, **more)]


@pytest.fixture
def names(monkeypatch: pytest.MonkeyPatch) -> NameService:
    return NameService(monkeypatch)


@pytest.mark.parametrize(
    ("address", "kind"),
    [
        ("169.254.169.254", "forbidden"),
        ("::ffff:169.254.169.254", "forbidden"),
        ("64:ff9b::a9fe:a9fe", "forbidden"),
        ("2002:a9fe:a9fe::1", "forbidden"),
        ("fe80::1%eth0", "forbidden"),
        ("fd00:ec2::254", "forbidden"),
        ("100.100.100.200", "forbidden"),
        ("::", "forbidden"),
        ("0.0.0.0", "forbidden"),  # noqa: S104
        ("224.0.0.1", "forbidden"),
        ("ff02::1", "forbidden"),
        ("127.0.0.1", "private"),
        ("::1", "private"),
        ("::ffff:127.0.0.1", "private"),
        ("64:ff9b::a01:203", "private"),
        ("10.1.2.3", "private"),
        ("172.16.0.1", "private"),
        ("192.168.1.1", "private"),
        ("100.64.0.1", "private"),
        ("fd12:3456::1", "private"),
        ("240.0.0.1", "private"),
        ("93.184.216.34", "public"),
        ("2606:4700::1111", "public"),
    ],
)
def test_every_kind_of_address_is_known_for_what_it_is(address: str, kind: str) -> None:
    found = embedded(address)
    assert (forbidden(found), public(found) and not forbidden(found)) == (
        kind == "forbidden",
        kind == "public",
    )


@pytest.mark.parametrize("host", ["localhost", "2130706433", "0x7f.1", "127.1"])
def test_a_name_for_this_machine_is_refused_unless_its_network_is_allowed(host: str) -> None:
    with pytest.raises(ProbeError, match="write networks") as caught:
        permitted(host, 80, (), 5, "the source")
    assert caught.value.code == "private_address"
    assert permitted(host, 80, LOOPBACK, 5, "the source")


def test_an_address_that_the_person_wrote_is_meant_and_a_forbidden_one_never_is() -> None:
    assert permitted("127.0.0.1", 80, (), 5, "the source") == ["127.0.0.1"]
    everything = (ipaddress.ip_network("0.0.0.0/0"), ipaddress.ip_network("::/0"))
    with pytest.raises(ProbeError) as caught:
        permitted("169.254.169.254", 80, everything, 5, "the source")
    assert caught.value.code == "forbidden_address"


def test_one_bad_address_among_good_ones_is_enough_to_refuse_a_name(names: NameService) -> None:
    names.names["erp.test"] = [["93.184.216.34", "169.254.169.254"]]
    with pytest.raises(ProbeError) as caught:
        permitted("erp.test", 80, (), 5, "the source")
    assert caught.value.code == "forbidden_address"


def test_a_name_nobody_knows_is_said_to_be_one() -> None:
    with pytest.raises(ProbeError, match=r"no-such-host\.invalid is not known") as caught:
        permitted("no-such-host.invalid", 80, (), 5, "the source")
    assert (caught.value.code, caught.value.retryable) == ("name_unknown", True)


def test_a_name_is_resolved_once_a_run_and_what_it_says_later_changes_nothing(
    store: Store, api: Api, make_probe: MakeProbe, workflow: Workflow, names: NameService
) -> None:
    """DNS rebinding: the second answer would lead to the credentials of the cloud."""
    names.names["erp.test"] = [["127.0.0.1"], ["169.254.169.254"]]
    api.answer = lambda request: (
        {"items": [{"no": request.query_params.get("page", "1")}], "next": f"?page={len(api.asked) + 1}"}
        if len(api.asked) < 3
        else {"items": []}
    )
    port = api.address.rpartition(":")[2]
    probe = make_probe(
        kind="rest",
        client={"base_url": f"http://erp.test:{port}/api", "networks": ["127.0.0.0/8"]},
        paginator={"type": "json_link"},
        data_selector="items",
    )
    done = run_probe(store, probe, workflow, NOW)
    assert (done.status, done.read, names.asked) == ("ok", 2, ["erp.test"])
    assert {request.headers["host"] for request in api.asked} == {f"erp.test:{port}"}


def test_a_private_address_is_allowed_by_the_probe_or_by_the_rule_of_its_system(
    store: Store, api: Api, make_probe: MakeProbe, workflow: Workflow
) -> None:
    port = api.address.rpartition(":")[2]
    probe = make_probe(kind="rest", client={"base_url": f"http://localhost:{port}/"})
    refused = run_probe(store, probe, workflow, NOW)
    assert (refused.error_code, refused.attempts, api.asked) == ("private_address", 1, [])
    rule = SystemRule(networks=["127.0.0.1", "::1"])
    assert run_probe(store, probe, workflow, NOW, systems=Systems({"ap": rule})).status == "ok"


def test_the_next_address_is_tried_when_the_first_is_down(
    store: Store, api: Api, make_probe: MakeProbe, workflow: Workflow, names: NameService
) -> None:
    names.names["erp.test"] = [["127.0.0.9", "127.0.0.1"]]
    port = api.address.rpartition(":")[2]
    client = {"base_url": f"http://erp.test:{port}/", "networks": ["127.0.0.0/8"]}
    done = run_probe(store, make_probe(kind="rest", client=client, attempts=1), workflow, NOW)
    assert (done.status, done.attempts) == ("ok", 1)


def test_the_token_host_is_judged_like_the_source(
    store: Store, api: Api, make_probe: MakeProbe, workflow: Workflow, names: NameService
) -> None:
    names.names["login.test"] = [["169.254.169.254"]]
    auth = {
        "type": "oauth2_client_credentials", "access_token_url": "http://login.test/token", "client_id": "me",
        "client_secret": "s3cret",
    }  # fmt: skip
    done = run_probe(
        store, make_probe(kind="rest", client={"base_url": api.url, "auth": auth}), workflow, NOW
    )
    assert (done.error_code, api.asked) == ("forbidden_address", [])


def test_certificate_and_server_name_are_those_of_the_name_not_of_the_address(
    store: Store, make_probe: MakeProbe, workflow: Workflow, names: NameService, tmp_path: Path
) -> None:
    names.names["erp.test"] = names.names["other.test"] = [["127.0.0.1"]]
    authority = trustme.CA()
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    authority.issue_cert("erp.test").private_key_and_cert_chain_pem.write_to_path(tmp_path / "server.pem")
    api, asked_for = Api(), []
    api.answer = lambda _: [{"no": "1"}]

    def context(config: Any, default: Callable[[], ssl.SSLContext]) -> ssl.SSLContext:
        made = default()
        made.sni_callback = lambda _, name, __: asked_for.append(name)  # type: ignore[assignment]
        return made

    pem = str(tmp_path / "server.pem")
    with serving(api.app, ssl_certfile=pem, ssl_keyfile=pem, ssl_context_factory=context) as address:
        port = address.rpartition(":")[2]
        client = {"networks": ["127.0.0.1"], "tls": {"ca_file": str(tmp_path / "ca.pem")}}
        right = make_probe(kind="rest", client=client | {"base_url": f"https://erp.test:{port}/"})
        wrong = make_probe(kind="rest", client=client | {"base_url": f"https://other.test:{port}/"})
        good, bad = run_probe(store, right, workflow, NOW), run_probe(store, wrong, workflow, NOW)
    assert (good.status, bad.error_code, asked_for) == ("ok", "tls_refused", ["erp.test", "other.test"])


def test_no_proxy_and_no_password_of_the_environment_is_used(
    store: Store,
    api: Api,
    make_probe: MakeProbe,
    workflow: Workflow,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    (tmp_path / "netrc").write_text("default login me password s3cret\n")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    asked: list[Request] = api.asked
    assert (
        run_probe(store, make_probe(kind="rest", client={"base_url": api.url}), workflow, NOW).status == "ok"
    )
    assert "authorization" not in asked[0].headers


@pytest.mark.parametrize("networks", ["10.0.0.0/8", ["10.0.0.1/8"], ["erp.example"]])
def test_a_network_that_is_none_is_a_mistake_with_a_place(
    tmp_path: Path, workflow: Workflow, networks: object
) -> None:
    from core.yamlfile import parse_text, validate
    from probes.credentials import Client

    parsed, _ = parse_text(tmp_path / "x.yaml", f"base_url: http://a\nnetworks: {networks!r}\n")
    assert parsed is not None
    [finding] = validate(parsed, Client)[1]
    assert (finding.line, "network" in finding.message) == (2, True)
