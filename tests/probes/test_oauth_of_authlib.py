"""Logins for tokens against Authlib's OAuth 2 server: by secret and by signature, refused and expiring mid-run."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from probes.probe import ProbeFile
from probes.run import ProbeRun, run_probe
from store.client import Store
from tests.interop import builds
from tests.interop.parties import ROOT, Source
from tests.ports import free_ports
from workflows.model import Workflow

pytestmark = pytest.mark.slow
Ask = Callable[..., ProbeRun]


def private_key() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


def pem(key: rsa.RSAPrivateKey) -> str:
    form = serialization.PrivateFormat.PKCS8
    return key.private_bytes(serialization.Encoding.PEM, form, serialization.NoEncryption()).decode()


class Authlib(Source):
    """A token server and what it guards; `key` is the client's."""

    def __init__(self, folder: Path) -> None:
        (port,) = free_ports(1)
        self.key = private_key()
        file = folder / "public.pem"
        form = serialization.PublicFormat.SubjectPublicKeyInfo
        file.write_bytes(self.key.public_key().public_bytes(serialization.Encoding.PEM, form))
        super().__init__(folder, [*builds.oauth_server(), str(port), str(file)], port, "/count", {}, ROOT)

    def tokens(self) -> int:
        return int(httpx.get(f"{self.url}/count", trust_env=False).text)


@pytest.fixture(scope="module")
def authlib(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Authlib]:
    made = Authlib(tmp_path_factory.mktemp("authlib"))
    try:
        made.start()
        yield made
    finally:
        made.end()


@pytest.fixture
def ask(store: Store, authlib: Authlib, make_probe: Callable[..., ProbeFile], workflow: Workflow) -> Ask:
    """Reads the two pages of orders with a login."""

    def run(**auth: Any) -> ProbeRun:
        login = {"access_token_url": f"{authlib.url}/token", "scopes": ["orders.read"], **auth}
        probe = make_probe(
            kind="rest", client={"base_url": authlib.url, "auth": login}, endpoint={"path": "orders"},
            paginator={"type": "json_link"}, data_selector="items",
        )  # fmt: skip
        return run_probe(store, probe, workflow, datetime.now(UTC))

    return run


def test_a_token_that_expires_mid_run_is_fetched_again(ask: Ask, authlib: Authlib) -> None:
    before = authlib.tokens()
    done = ask(type="oauth2_client_credentials", client_id="tieout", client_secret="s3cret")
    assert (done.status, done.read, done.attempts, done.error) == ("ok", 3, 1, "")
    assert authlib.tokens() - before == 2


def test_a_signature_is_as_good_as_a_secret_and_never_the_same_twice(ask: Ask, authlib: Authlib) -> None:
    before = authlib.tokens()
    done = ask(
        type="oauth2_jwt_assertion", client_id="signer", private_key=pem(authlib.key), algorithm="RS256",
        claims={"scope": "orders.read"},
    )  # fmt: skip
    assert (done.status, done.read, done.error) == ("ok", 3, "")
    assert authlib.tokens() - before == 2


def test_a_refresh_token_gives_tokens_as_often_as_they_expire(ask: Ask, authlib: Authlib) -> None:
    before = authlib.tokens()
    login = {"type": "oauth2_refresh_token", "client_id": "refresher", "client_secret": "s3cret"}
    done = ask(**login, refresh_token="g1ven-once")
    assert (done.status, done.read, done.error) == ("ok", 3, "")
    assert authlib.tokens() - before == 2
    refused = ask(**login, refresh_token="t00-old")
    assert (refused.status, refused.error_code, "t00-old" in refused.error) == (
        "failed",
        "auth_failed",
        False,
    )


@pytest.mark.parametrize(
    "auth",
    [
        {"type": "oauth2_client_credentials", "client_id": "tieout", "client_secret": "wrong-s3cret"},
        {"type": "oauth2_client_credentials", "client_id": "nobody", "client_secret": "s3cret"},
        {"type": "oauth2_client_credentials", "client_id": "tieout", "client_secret": "s3cret", "scopes": ["other"]},
        {"type": "oauth2_jwt_assertion", "client_id": "signer", "private_key": pem(private_key()), "algorithm": "RS256"},
        {"type": "oauth2_jwt_assertion", "client_id": "nobody", "private_key": pem(private_key()), "algorithm": "RS256"},
    ],
)  # fmt: skip
def test_a_wrong_secret_key_client_or_scope_is_refused_and_not_shown(ask: Ask, auth: dict[str, Any]) -> None:
    done = ask(**auth)
    assert (done.status, done.error_code, done.read, done.attempts) == ("failed", "auth_failed", 0, 1)
    assert "s3cret" not in done.error
    assert "PRIVATE" not in done.error


def test_a_signature_for_another_audience_is_refused(ask: Ask, authlib: Authlib) -> None:
    login = {"type": "oauth2_jwt_assertion", "client_id": "signer", "private_key": pem(authlib.key)}
    done = ask(**login, algorithm="RS256", audience="https://elsewhere.example/token")
    assert done.error_code == "auth_failed"
