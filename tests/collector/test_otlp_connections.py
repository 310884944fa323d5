"""Connections: slow, many, parallel, of other protocols, on a taken port. Numbers: the checklist's."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.parse import urlsplit

import h2.connection
import h2.events
import httpx
import pytest
from otlp_bodies import body, post, status_of

from collector.app import receiver
from collector.connections import BoundedConnection, protocol
from collector.intake import Limits
from store.client import Store

Serve = Callable[..., httpx.Client]
HEAD = b"POST /v1/traces HTTP/1.1\r\nHost: t\r\nContent-Type: application/json\r\n"


def connect(client: httpx.Client) -> socket.socket:
    place = urlsplit(str(client.base_url))
    return socket.create_connection((place.hostname, place.port), timeout=30)


def test_case_34_the_defaults_are_a_minute() -> None:
    assert (Limits().headers_timeout_s, Limits().read_timeout_s) == (60, 60)
    assert BoundedConnection.headers_timeout_s == 60


@pytest.mark.parametrize("sent", [b"", b"POST /v1/tra", HEAD, HEAD + b"X-Slow: "])
def test_case_34_headers_that_do_not_come_end_the_connection(store: Store, serve: Serve, sent: bytes) -> None:
    client = serve(receiver(store), http=protocol(0.1))
    with connect(client) as slow:
        slow.sendall(sent)
        assert slow.recv(100) == b"", "closed without a word"
    assert post(client, b"{}", "application/json").status_code == 200


def test_case_34_headers_that_trickle_end_the_connection(store: Store, serve: Serve) -> None:
    """The time runs from the first byte, not from the last one."""
    client = serve(receiver(store), http=protocol(0.3))
    ended = threading.Event()
    with connect(client) as slow:

        def trickle() -> None:
            while not ended.wait(0.02):
                try:
                    slow.sendall(b"a")
                except OSError:
                    return

        slow.sendall(HEAD + b"X: ")
        writer = threading.Thread(target=trickle)
        writer.start()
        try:
            answer = slow.recv(100)
        except ConnectionResetError:
            answer = b""
        finally:
            ended.set()
            writer.join()
    assert answer == b""


def test_case_34_after_a_first_request_the_next_headers_have_an_end_too(store: Store, serve: Serve) -> None:
    client = serve(receiver(store), http=protocol(0.1))
    with connect(client) as slow:
        slow.sendall(HEAD + b"Content-Length: 2\r\n\r\n{}")
        answers = slow.makefile("rb")
        assert answers.readline().startswith(b"HTTP/1.1 200 ")
        slow.sendall(b"POST /v1")
        assert answers.read().endswith(b"\r\n\r\n{}"), "the end of the first answer, and of the connection"


def test_case_34_a_request_that_takes_longer_than_headers_may_is_served(store: Store, serve: Serve) -> None:
    client = serve(receiver(store), http=protocol(0.1))
    pause = threading.Event()
    with connect(client) as slow:
        slow.sendall(HEAD + b"Content-Length: 2\r\n\r\n{")
        pause.wait(0.3)
        slow.sendall(b"}")
        assert slow.makefile("rb").readline().startswith(b"HTTP/1.1 200 ")


def test_case_34_slow_senders_do_not_hold_up_the_others(store: Store, serve: Serve) -> None:
    """The room for requests in flight is not taken by connections without a request."""
    client = serve(receiver(store, limits=Limits(requests=2)))
    slow = [connect(client) for _ in range(50)]
    try:
        for one in slow:
            one.sendall(HEAD)
        assert [post(client, body(1)).status_code for _ in range(5)] == [200] * 5
    finally:
        for one in slow:
            one.close()


def test_case_32_whoever_asks_is_told_to_go_on(store: Store, serve: Serve) -> None:
    """And who is too large is not: the other half of the case."""
    client = serve(receiver(store, limits=Limits(body_bytes=1000)))
    with connect(client) as asking:
        asking.sendall(HEAD + b"Expect: 100-continue\r\nContent-Length: 2\r\nConnection: close\r\n\r\n")
        answers = asking.makefile("rb")
        assert answers.readline().startswith(b"HTTP/1.1 100 ")
        assert answers.readline() == b"\r\n"
        asking.sendall(b"{}")
        assert answers.readline().startswith(b"HTTP/1.1 200 ")


def test_case_35_a_thousand_requests_on_one_connection_use_nothing_up(store: Store, serve: Serve) -> None:
    client = serve(receiver(store))
    answer = b""
    with connect(client) as one:
        reader = one.makefile("rb")

        def ask() -> bytes:
            one.sendall(HEAD + b"Content-Length: 2\r\n\r\n{}")
            status = reader.readline()
            while reader.readline() != b"\r\n":
                pass
            assert reader.read(2) == b"{}"
            return status

        ask()
        before = len(list(Path("/dev/fd").iterdir()))
        for _ in range(1_000):
            answer = ask()
            assert answer.startswith(b"HTTP/1.1 200 ")
        assert len(list(Path("/dev/fd").iterdir())) <= before + 2


def test_case_36_sixty_four_connections_at_once_are_each_answered_exactly(store: Store, serve: Serve) -> None:
    client = serve(receiver(store))
    together = threading.Barrier(64)

    def send(count: int) -> int:
        with httpx.Client(base_url=client.base_url, trust_env=False, timeout=120) as own:
            content = body(count)
            together.wait(60)
            return post(own, content).status_code

    with ThreadPoolExecutor(64) as pool:
        assert list(pool.map(send, range(1, 65))) == [200] * 64
    assert store.value("SELECT count() FROM otel_traces") == sum(range(1, 65))


def test_case_37_an_upgrade_to_http_2_is_passed_over(store: Store, serve: Serve) -> None:
    client = serve(receiver(store))
    upgrade = {
        "connection": "Upgrade, HTTP2-Settings",
        "upgrade": "h2c",
        "http2-settings": "AAMAAABkAAQAAP__",
    }
    response = post(client, body(1), **upgrade)
    assert (response.status_code, response.http_version) == (200, "HTTP/1.1")
    assert store.value("SELECT count() FROM otel_traces") == 1


def test_case_37_http_2_without_asking_is_refused_and_leaves_nothing(store: Store, serve: Serve) -> None:
    client = serve(receiver(store))
    connection = h2.connection.H2Connection()
    connection.initiate_connection()
    with connect(client) as other:
        other.sendall(connection.data_to_send())
        answer = other.makefile("rb").read()
    assert answer.startswith(b"HTTP/1.1 4")
    assert answer.endswith(b'{"code": 3, "message": "the request is not valid HTTP"}'), "and the end"
    assert post(client, body(1)).status_code == 200


def test_case_85_what_is_not_http_is_a_status_too(store: Store, serve: Serve) -> None:
    client = serve(receiver(store))
    with connect(client) as other:
        other.sendall(b"MRN-4711 is no method\r\n\r\n")
        head, content = other.makefile("rb").read().split(b"\r\n\r\n", 1)
    assert head.startswith(b"HTTP/1.1 400 ")
    assert b"content-type: application/json" in head.lower()
    assert json.loads(content) == {"code": 3, "message": "the request is not valid HTTP"}


def test_case_91_what_nobody_foresaw_is_503_and_says_nothing(
    store: Store, serve: Serve, caplog: pytest.LogCaptureFixture
) -> None:
    """Provoked for real: writers that have ended take no more work. Senders keep what a bug cannot judge."""
    app = receiver(store)
    client = serve(app)
    app.state.reception.workers.shutdown()
    response = post(client, body(1))
    assert (response.status_code, response.headers["retry-after"]) == (503, "1")
    assert status_of(response).message == "the request could not be processed; send it again"
    assert "shutdown" not in caplog.text


def test_case_92_no_code_that_senders_might_misread_is_ever_used() -> None:
    from collector import refusals

    kinds = [
        kind
        for kind in vars(refusals).values()
        if isinstance(kind, type) and kind.__module__ == refusals.__name__
    ]
    answered = {kind.http_status: kind for kind in kinds if issubclass(kind, refusals.RefusedError)}
    assert not {408, 425} & set(answered)
    for kind in kinds:
        assert kind.retryable == (kind.http_status in (429, 502, 503, 504))


def test_case_39_while_it_drains_new_requests_are_refused_and_those_begun_are_finished(
    store: Store, serve: Serve
) -> None:
    app = receiver(store)
    client = serve(app)
    desk, content = app.state.reception, b'{"resourceSpans": []}'
    with connect(client) as begun:
        begun.sendall(HEAD + b"Content-Length: %d\r\nConnection: close\r\n\r\n" % len(content))
        while not desk.intake.capacity.requests:
            threading.Event().wait(0.005)
        assert not desk.drain(0), "one request is left"
        response = post(client, body(1))
        assert (response.status_code, response.headers["connection"]) == (503, "close")
        assert response.headers["retry-after"] == "1"
        begun.sendall(content)
        assert begun.makefile("rb").read().startswith(b"HTTP/1.1 200 ")
    assert desk.drain(30)
