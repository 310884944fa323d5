"""Who may send, over HTTP and gRPC: tokens, rates, tenants, web pages, certificates. Numbers: the checklist's."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import grpc
import httpx
import pytest
import trustme
from google.rpc import code_pb2
from otlp_bodies import body, post, status_of
from otlp_grpc import Receiver, export, refused, retry_after_s
from pydantic import SecretStr
from starlette.applications import Starlette

from collector.access import CALLER, NOBODY, Access, Bucket, Caller, Rate, Token
from collector.app import http_app, receiver
from collector.commits import Receipt
from collector.intake import Limits
from collector.readiness import Readiness
from collector.reception import Reception
from collector.refusals import UnauthenticatedError
from collector.settings import TlsSettings
from core.clock import ManualClock
from store.client import Store

Serve = Callable[..., httpx.Client]
Receive = Callable[..., Receiver]
GOOD, OTHER = "good-token-0123456789", "other-token-0123456789"
BEARER = {"authorization": f"Bearer {GOOD}"}


def token(secret: str = GOOD, name: str = "billing", **fields: Any) -> Token:
    return Token(name, SecretStr(secret), **fields)


def access(*tokens: Token, clock: ManualClock | None = None) -> Access:
    return Access(tokens or (token(), token(OTHER, "other")), clock)


def stored(store: Store) -> int:
    return int(store.value("SELECT count() FROM otel_traces"))


@pytest.mark.parametrize("media_type", ["application/x-protobuf", "application/json", "text/plain"])
def test_case_107_and_108_without_a_token_nothing_else_is_looked_at(
    store: Store, serve: Serve, media_type: str
) -> None:
    """Neither the content type nor the body: the answer comes although the body never does."""
    client = serve(receiver(store, access=access()))
    response = post(client, b"\xff\xff", media_type)
    assert (response.status_code, response.headers["www-authenticate"]) == (401, 'Bearer realm="tieout"')
    assert status_of(response).code == code_pb2.UNAUTHENTICATED
    assert store.value("SELECT count() FROM dead_letters") == 0
    place = urlsplit(str(client.base_url))
    with socket.create_connection((place.hostname, place.port), timeout=10) as connection:
        head = f"POST /v1/traces HTTP/1.1\r\nHost: t\r\nContent-Type: {media_type}\r\nContent-Length: 500\r\n\r\n"
        connection.sendall(head.encode())
        answer = connection.makefile("rb").read()
    assert answer.startswith(b"HTTP/1.1 401 ")
    assert b"connection: close" in answer.lower()


@pytest.mark.parametrize(
    "authorization",
    [
        "",
        GOOD,
        f"Basic {GOOD}",
        "Bearer",
        f"Bearer {GOOD}x",
        f"Bearer {GOOD[:-1]}",
        "Bearer é\u00ff",
    ],
)
def test_case_107_what_is_not_the_token_is_refused(store: Store, serve: Serve, authorization: str) -> None:
    client = serve(receiver(store, access=access()))
    response = client.post(
        "/v1/traces", content=body(), headers=[(b"authorization", authorization.encode("latin-1"))]
    )
    assert response.status_code == 401
    assert GOOD not in response.text


def test_case_107_each_token_is_let_in_in_any_case_of_the_scheme(store: Store, serve: Serve) -> None:
    client = serve(receiver(store, access=access()))
    for authorization in (f"Bearer {GOOD}", f"bearer {GOOD}", f"BEARER  {OTHER}"):
        assert post(client, body(1), authorization=authorization).status_code == 200
    assert stored(store) == 3


@pytest.mark.parametrize("path", ["/v1/traces", "/v1/nothing", "/", "/metrics", "/readyz"])
def test_everything_but_healthz_needs_the_token(store: Store, serve: Serve, path: str) -> None:
    client = serve(receiver(store, access=access()))
    assert client.get(path).status_code == 401
    assert client.get("/healthz").json() == {"alive": True}


@pytest.mark.parametrize("name", ["access_token", "token", "Authorization", "api_key"])
def test_case_109_a_token_in_the_url_is_refused_also_beside_a_good_one(
    store: Store, serve: Serve, name: str
) -> None:
    client = serve(receiver(store, access=access()))
    for headers in ({}, BEARER):
        response = client.post(f"/v1/traces?{name}={GOOD}", content=body(), headers=headers)
        assert response.status_code == 401
        assert "never from the URL" in response.text
        assert GOOD not in response.text
    assert stored(store) == 0


def test_case_102_grpc_asks_for_the_same_token_before_it_reads_the_message(
    store: Store, receive: Receive
) -> None:
    receiver = receive(
        access=access(token(signals=frozenset({"traces"})), token(OTHER, "other", signals=frozenset()))
    )
    for metadata in ([], [("authorization", f"Bearer {GOOD}x")], [("authorization", f"Bearer {GOOD}")] * 2):
        error = refused(receiver.channel, b"\xff", metadata=metadata)
        assert error.code() == grpc.StatusCode.UNAUTHENTICATED
        assert GOOD not in str(error.details())
    error = refused(receiver.channel, b"\xff", metadata=[("authorization", f"Bearer {OTHER}")])
    assert error.code() == grpc.StatusCode.PERMISSION_DENIED
    assert store.value("SELECT count() FROM dead_letters") == 0
    assert export(receiver.channel, body(2), metadata=[("authorization", f"Bearer {GOOD}")]) == b""
    assert stored(store) == 2


def test_case_102_a_token_for_other_signals_is_forbidden_over_http(store: Store, serve: Serve) -> None:
    client = serve(receiver(store, access=access(token(signals=frozenset()))))
    response = post(client, body(), authorization=f"Bearer {GOOD}")
    assert (response.status_code, status_of(response).code) == (403, code_pb2.PERMISSION_DENIED)


def test_case_87_a_token_used_too_often_waits_and_the_others_do_not(
    store: Store, serve: Serve, receive: Receive, clock: ManualClock
) -> None:
    limited = access(token(rate=Rate(0.1, 2)), token(OTHER, "other"), clock=clock)
    client = serve(receiver(store, access=limited, clock=clock))
    grpc_side = receive(access=limited, clock=clock)
    metadata = [("authorization", f"Bearer {GOOD}")]
    assert [post(client, body(1), **BEARER).status_code for _ in range(2)] == [200, 200]
    response = post(client, body(1), **BEARER)
    assert (response.status_code, response.headers["retry-after"]) == (429, "10")
    assert status_of(response).code == code_pb2.RESOURCE_EXHAUSTED
    error = refused(grpc_side.channel, body(1), metadata=metadata)
    assert (error.code(), retry_after_s(error)) == (grpc.StatusCode.RESOURCE_EXHAUSTED, 10)
    assert post(client, body(1), authorization=f"Bearer {OTHER}").status_code == 200
    clock.move(timedelta(seconds=10))
    assert export(grpc_side.channel, body(1), metadata=metadata) == b""
    assert post(client, body(1), **BEARER).status_code == 429


def test_case_87_items_are_charged_when_they_are_counted(
    store: Store, serve: Serve, clock: ManualClock
) -> None:
    limited = access(token(rate=Rate(10, 10, "items")), clock=clock)
    client = serve(receiver(store, access=limited, clock=clock))
    assert post(client, body(50), **BEARER).status_code == 200, "one large request may overdraw"
    response = post(client, body(1), **BEARER)
    assert (response.status_code, response.headers["retry-after"]) == (429, "5")
    clock.move(timedelta(seconds=5))
    assert post(client, body(1), **BEARER).status_code == 200


def test_a_clock_that_is_set_back_locks_nobody_out(clock: ManualClock) -> None:
    bucket = Bucket(Rate(1, 2), clock.now())
    assert bucket.enter(clock.now()) == 0
    assert bucket.enter(clock.now() - timedelta(hours=1)) == 0
    assert bucket.enter(clock.now() - timedelta(hours=1)) == 1


class Noting(Reception):
    """A reception that notes who is served while a request is stored."""

    seen: list[Caller]

    def __init__(self, store: Store) -> None:
        super().__init__(store, access=access(token(tenant="north"), token(OTHER, "other", tenant="south")))
        self.seen = []
        taken = self.intake.take

        def take(*args: Any) -> Receipt:
            self.seen.append(CALLER.get())
            return taken(*args)

        self.intake.take = take  # type: ignore[method-assign]


def test_the_tenant_stands_on_the_context_of_the_request(
    store: Store, serve: Serve, receive: Receive
) -> None:
    noting = Noting(store)
    client = serve(http_app(noting, Readiness(noting, store)))
    channel = receive(noting).channel
    post(client, body(1), **BEARER)
    export(channel, body(1), metadata=[("authorization", f"Bearer {OTHER}")])
    assert noting.seen == [Caller("billing", "north"), Caller("other", "south")]
    assert CALLER.get() == NOBODY


def test_no_token_is_in_a_text_a_log_or_the_figures(
    store: Store, serve: Serve, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    caplog.set_level("DEBUG")
    guard = access()
    app = receiver(store, access=guard)
    client = serve(app)
    post(client, body(1), **BEARER)
    post(client, body(1), authorization=f"Bearer {GOOD}x")
    client.post(f"/v1/traces?token={GOOD}", content=body(1))
    with pytest.raises(UnauthenticatedError) as error:
        guard.caller(f"Bearer {GOOD}x")
    # The sender of this test logs its own URL; what the receiver logs is meant.
    logged = [
        record.getMessage() for record in caplog.records if not record.name.startswith(("httpx", "httpcore"))
    ]
    said = [
        repr(token()),
        repr(guard),
        str(error.value),
        app.state.reception.metrics.text().decode(),
        *logged,
    ]
    assert GOOD not in "\n".join([*said, *capfd.readouterr()])


# --- web pages


def cors_app(store: Store, *origins: str) -> Starlette:
    reception = Reception(store, access=access())
    return http_app(reception, Readiness(reception, store), cors_origins=origins)


def preflight(client: httpx.Client, origin: str) -> httpx.Response:
    asked = {
        "origin": origin,
        "access-control-request-method": "POST",
        "access-control-request-headers": "authorization,content-type",
    }
    return client.options("/v1/traces", headers=asked)


def test_case_9_and_110_without_cors_no_page_is_let_in(store: Store, serve: Serve) -> None:
    client = serve(receiver(store))
    assert preflight(client, "https://a.example.com").status_code == 405
    response = post(client, body(), origin="https://a.example.com")
    assert response.status_code == 200
    assert not [name for name in response.headers if name.startswith("access-control")]


@pytest.mark.parametrize("origin", ["https://app.test", "https://a.example.com", "https://a.b.example.com"])
def test_case_111_an_allowed_page_may_ask_without_a_token(store: Store, serve: Serve, origin: str) -> None:
    client = serve(cors_app(store, "https://app.test", "https://*.example.com"))
    asked = preflight(client, origin)
    assert (asked.status_code, asked.headers["access-control-allow-origin"]) == (200, origin)
    assert asked.headers["access-control-allow-methods"] == "POST"
    assert "authorization" in asked.headers["access-control-allow-headers"].lower()
    for headers, status in ((BEARER, 200), ({}, 401)):
        response = post(client, body(1), origin=origin, **headers)
        assert (response.status_code, response.headers["access-control-allow-origin"]) == (status, origin)
        assert "access-control-allow-credentials" not in response.headers


@pytest.mark.parametrize(
    "origin",
    [
        "https://evil.test", "http://app.test", "https://app.test.evil.test", "https://example.com",
        "https://a.example.com.evil.test", "https://evil.test/.example.com", "https://a.exampleXcom", "null",
    ],
)  # fmt: skip
def test_case_112_another_page_is_not(store: Store, serve: Serve, origin: str) -> None:
    client = serve(cors_app(store, "https://app.test", "https://*.example.com"))
    for response in (preflight(client, origin), post(client, body(1), origin=origin, **BEARER)):
        assert "access-control-allow-origin" not in response.headers


# --- certificates


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


def tls_files(authority: trustme.CA, folder: Path, *, mutual: bool) -> TlsSettings:
    own = authority.issue_cert("127.0.0.1")
    own.cert_chain_pems[0].write_to_path(folder / "cert.pem")
    own.private_key_pem.write_to_path(folder / "key.pem")
    authority.cert_pem.write_to_path(folder / "ca.pem")
    ca = Path("ca.pem") if mutual else None
    return TlsSettings(cert_file=Path("cert.pem"), key_file=Path("key.pem"), client_ca_file=ca)


def trusting(authority: trustme.CA, client: trustme.LeafCert | None = None) -> ssl.SSLContext:
    context = ssl.create_default_context()
    authority.configure_trust(context)
    if client:
        client.configure_cert(context)
    return context


def secure(authority: trustme.CA, port: int, client: trustme.LeafCert | None = None) -> grpc.Channel:
    credentials = grpc.ssl_channel_credentials(
        authority.cert_pem.bytes(),
        client.private_key_pem.bytes() if client else None,
        client.cert_chain_pems[0].bytes() if client else None,
    )
    return grpc.secure_channel(f"127.0.0.1:{port}", credentials, [("grpc.use_local_subchannel_pool", 1)])


def test_both_transports_speak_tls_and_the_token_is_still_needed(
    store: Store, serve: Serve, receive: Receive, authority: trustme.CA, tmp_path: Path
) -> None:
    tls = tls_files(authority, tmp_path, mutual=False)
    client = serve(
        receiver(store, access=access()), {"verify": trusting(authority)}, **tls.for_http(tmp_path)
    )
    assert client.base_url.scheme == "https"
    assert (post(client, body(1)).status_code, post(client, body(1), **BEARER).status_code) == (401, 200)
    port = receive(access=access(), tls=tls.for_grpc(tmp_path)).port
    with secure(authority, port) as channel:
        assert refused(channel, body(1)).code() == grpc.StatusCode.UNAUTHENTICATED
        assert export(channel, body(1), metadata=list(BEARER.items())) == b""
    assert stored(store) == 2


def test_case_113_without_a_certificate_of_the_authority_there_is_no_handshake(
    store: Store, serve: Serve, receive: Receive, authority: trustme.CA, tmp_path: Path
) -> None:
    tls = tls_files(authority, tmp_path, mutual=True)
    known, stranger = authority.issue_cert("sender.test"), trustme.CA().issue_cert("sender.test")
    client = serve(receiver(store), {"verify": trusting(authority, known)}, **tls.for_http(tmp_path))
    assert post(client, body(1)).status_code == 200
    for certificate in (None, stranger):
        context = trusting(authority, certificate)
        with (
            httpx.Client(base_url=client.base_url, verify=context, trust_env=False) as other,
            pytest.raises((httpx.ReadError, httpx.ConnectError, httpx.RemoteProtocolError)),
        ):
            post(other, body(1))
    port = receive(tls=tls.for_grpc(tmp_path)).port
    with secure(authority, port, known) as channel:
        assert export(channel, body(1)) == b""
    for certificate in (None, stranger):
        with secure(authority, port, certificate) as channel:
            assert refused(channel, body(1), timeout=20).code() == grpc.StatusCode.UNAVAILABLE
    assert stored(store) == 2


def test_case_37_over_tls_a_client_that_offers_http_2_falls_back(
    store: Store, serve: Serve, authority: trustme.CA, tmp_path: Path
) -> None:
    tls = tls_files(authority, tmp_path, mutual=False)
    client = serve(receiver(store), {"verify": trusting(authority)}, **tls.for_http(tmp_path))
    place = urlsplit(str(client.base_url))
    context = trusting(authority)
    context.set_alpn_protocols(["h2", "http/1.1"])
    content = body(1)
    with (
        socket.create_connection((place.hostname, place.port), timeout=10) as plain,
        context.wrap_socket(plain, server_hostname=place.hostname) as connection,
    ):
        assert connection.selected_alpn_protocol() in (None, "http/1.1")
        head = (
            "POST /v1/traces HTTP/1.1\r\nHost: t\r\nConnection: close\r\n"
            f"Content-Type: application/x-protobuf\r\nContent-Length: {len(content)}\r\n\r\n"
        )
        connection.sendall(head.encode() + content)
        assert connection.makefile("rb").read().startswith(b"HTTP/1.1 200 ")


def test_limits_hold_over_tls(store: Store, serve: Serve, authority: trustme.CA, tmp_path: Path) -> None:
    tls = tls_files(authority, tmp_path, mutual=False)
    app = receiver(store, limits=Limits(body_bytes=100))
    client = serve(app, {"verify": trusting(authority)}, **tls.for_http(tmp_path))
    assert post(client, body(10)).status_code == 413
