"""OTLP over HTTP: paths, methods, media types, sizes, errors, load, repetition. Numbers: the checklist's."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import otlp_bodies as otlp_
import pytest
from google.rpc import code_pb2
from otlp_bodies import answer_of, body, post, request, span, status_of
from starlette.applications import Starlette

from collector.app import PORT, receiver
from collector.intake import Capacity, Limits
from collector.refusals import BusyError, UndecodableError, of_store
from collector.signals import LOGS, METRICS, SIGNALS, Signal
from core.clock import ManualClock
from store.client import Store
from store.errors import StoreError, StoreUnavailableError

Serve = Callable[[Starlette], httpx.Client]
HEAD = b"POST /v1/traces HTTP/1.1\r\nHost: t\r\n"


def stored(store: Store) -> int:
    return int(store.value("SELECT count() FROM otel_traces"))


def test_case_1_protobuf_is_answered_with_an_empty_response(otlp: httpx.Client, store: Store) -> None:
    response = post(otlp, body(2))
    assert (response.status_code, response.content) == (200, b"")
    assert response.headers["content-type"] == "application/x-protobuf"
    assert stored(store) == 2


@pytest.mark.parametrize(
    "media_type",
    ["application/json", "application/json; charset=utf-8", "APPLICATION/JSON"],
    ids=["case_2", "case_3", "case_4"],
)
def test_case_2_to_4_json_is_answered_in_json(otlp: httpx.Client, store: Store, media_type: str) -> None:
    response = post(otlp, b'{"resourceSpans": []}', media_type)
    assert (response.status_code, response.json()) == (200, {})
    assert response.headers["content-type"] == "application/json"


@pytest.mark.parametrize("media_type", ["", "text/plain", "invalid", ";;", "application/protobuf"])
def test_case_5_to_7_other_content_types_are_415(otlp: httpx.Client, store: Store, media_type: str) -> None:
    response = post(otlp, body(), media_type)
    assert response.status_code == 415
    assert status_of(response).code == code_pb2.INVALID_ARGUMENT
    assert stored(store) == 0


def test_case_5_no_content_type_is_415(otlp: httpx.Client) -> None:
    response = otlp.post("/v1/traces", content=body())
    assert response.status_code == 415
    assert "application/x-protobuf" in status_of(response).message


@pytest.mark.parametrize("method", ["GET", "PUT", "PATCH", "DELETE", "OPTIONS", "HEAD"])
def test_case_8_and_9_only_post_is_answered(otlp: httpx.Client, method: str) -> None:
    response = otlp.request(method, "/v1/traces")
    assert (response.status_code, response.headers["allow"]) == (405, "POST")
    assert "access-control-allow-origin" not in response.headers
    if method != "HEAD":
        assert status_of(response).code == code_pb2.UNIMPLEMENTED


@pytest.mark.parametrize("path", ["/", "/v1/trace", "/v1/traces/", "/v1/log", "/v1/metrics/"])
def test_case_10_other_paths_are_404_in_the_encoding_of_the_request(otlp: httpx.Client, path: str) -> None:
    for media_type in ("application/json", "application/x-protobuf"):
        response = otlp.post(path, content=b"", headers={"content-type": media_type})
        assert (response.status_code, response.headers["content-type"]) == (404, media_type)
        assert status_of(response).code == code_pb2.NOT_FOUND


@pytest.mark.parametrize("off", [LOGS, METRICS])
def test_case_12_a_signal_that_is_switched_off_has_no_path(store: Store, serve: Serve, off: Signal) -> None:
    client = serve(receiver(store, signals=[signal for signal in SIGNALS if signal is not off]))
    for signal in SIGNALS:
        for media_type in ("application/json", "application/x-protobuf"):
            content = b"{}" if media_type == "application/json" else b""
            response = client.post(
                f"/v1/{signal.name}", content=content, headers={"content-type": media_type}
            )
            assert (response.status_code, response.headers["content-type"]) == (
                404 if signal is off else 200,
                media_type,
            )
            if signal is off:
                assert status_of(response).code == code_pb2.NOT_FOUND


def test_case_11_another_path_can_be_served(store: Store, serve: Serve) -> None:
    client = serve(receiver(store, prefix="/otlp"))
    headers = {"content-type": "application/x-protobuf"}
    assert client.post("/otlp/v1/traces", content=body(), headers=headers).status_code == 200
    assert client.post("/v1/traces", content=body(), headers=headers).status_code == 404


def test_case_13_both_encodings_on_one_connection(otlp_url: str, store: Store) -> None:
    """HTTP/1.1 by hand, so that the connection is surely the same."""
    place = urlsplit(otlp_url)
    with socket.create_connection((place.hostname, place.port), timeout=10) as connection:
        answers = connection.makefile("rb")
        protobuf, json = "application/x-protobuf", "application/json"
        for media_type, content in [(protobuf, body(1)), (json, b"{}"), (protobuf, body(1)), (json, b"{}")]:
            head = f"POST /v1/traces HTTP/1.1\r\nHost: t\r\nContent-Type: {media_type}\r\n"
            connection.sendall(head.encode() + f"Content-Length: {len(content)}\r\n\r\n".encode() + content)
            assert answers.readline().split()[1] == b"200"
            length = 0
            while (line := answers.readline()) != b"\r\n":
                if line.lower().startswith(b"content-length:"):
                    length = int(line.split(b":")[1])
            answers.read(length)
    assert stored(store) == 2


def test_case_14_the_port_is_the_registered_one() -> None:
    assert PORT == 4318


def test_case_30_a_declared_length_over_the_limit_is_refused_unread(store: Store, serve: Serve) -> None:
    client = serve(receiver(store, limits=Limits(body_bytes=1000)))
    place = urlsplit(str(client.base_url))
    with socket.create_connection((place.hostname, place.port), timeout=10) as connection:
        connection.sendall(HEAD + b"Content-Type: application/x-protobuf\r\nContent-Length: 1001\r\n\r\n")
        answer = connection.makefile("rb").read()
    assert answer.startswith(b"HTTP/1.1 413 ")
    assert Limits().body_bytes == 64 << 20


def test_case_31_a_chunked_body_is_cut_off_where_it_crosses_the_limit(store: Store, serve: Serve) -> None:
    client = serve(receiver(store, limits=Limits(body_bytes=1000)))
    place = urlsplit(str(client.base_url))
    with socket.create_connection((place.hostname, place.port), timeout=10) as connection:
        head = HEAD + b"Content-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"
        connection.sendall(head + b"200\r\n" + b" " * 512 + b"\r\n")
        connection.sendall(b"200\r\n" + b" " * 512 + b"\r\n")
        answer = connection.makefile("rb").read()  # ends, because the receiver closes
    assert answer.startswith(b"HTTP/1.1 413 ")
    assert b"connection: close" in answer.lower()


def test_case_32_no_100_continue_for_what_is_too_large(store: Store, serve: Serve) -> None:
    client = serve(receiver(store, limits=Limits(body_bytes=1000)))
    place = urlsplit(str(client.base_url))
    with socket.create_connection((place.hostname, place.port), timeout=10) as connection:
        connection.sendall(
            HEAD + b"Content-Type: application/json\r\nExpect: 100-continue\r\nContent-Length: 2000\r\n\r\n"
        )
        answer = connection.makefile("rb").read()
    assert answer.startswith(b"HTTP/1.1 413 ")
    assert b"100 Continue" not in answer


def test_case_33_an_aborted_request_leaves_nothing(otlp_url: str, otlp: httpx.Client, store: Store) -> None:
    place = urlsplit(otlp_url)
    content = body(1)
    head = HEAD + b"Content-Type: application/x-protobuf\r\nContent-Length: 500\r\n\r\n"
    with socket.create_connection((place.hostname, place.port), timeout=10) as connection:
        connection.sendall(head + content)
    assert post(otlp, body(1)).status_code == 200
    assert stored(store) == 1
    assert store.value("SELECT count() FROM dead_letters") == 0


def test_case_34_a_body_that_does_not_come_is_given_up(store: Store, serve: Serve) -> None:
    client = serve(receiver(store, limits=Limits(read_timeout_s=0.05)))
    place = urlsplit(str(client.base_url))
    with socket.create_connection((place.hostname, place.port), timeout=10) as connection:
        head = HEAD + b"Content-Type: application/json\r\nContent-Length: 500\r\n\r\n"
        connection.sendall(head + b"{")
        answer = connection.makefile("rb").read()
    assert answer.startswith(b"HTTP/1.1 503 ")


def test_case_35_many_requests_on_one_connection_use_nothing_up(otlp: httpx.Client) -> None:
    def ask() -> int:
        return post(otlp, b"{}", "application/json").status_code

    assert ask() == 200
    before = len(list(Path("/dev/fd").iterdir()))
    assert {ask() for _ in range(300)} == {200}
    assert len(list(Path("/dev/fd").iterdir())) <= before + 2


def test_case_36_parallel_senders_are_counted_exactly(otlp_url: str, store: Store) -> None:
    def send(_: int) -> int:
        with httpx.Client(base_url=otlp_url, trust_env=False, timeout=60) as client:
            return post(client, body(3)).status_code

    with ThreadPoolExecutor(16) as pool:
        assert set(pool.map(send, range(32))) == {200}
    assert stored(store) == 32 * 3


def test_case_85_refusals_never_quote_what_was_sent(
    otlp: httpx.Client, store: Store, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    secret = "MRN-4711-Doe"
    wrong_type = (
        b"\x0a\x20\x12\x1e\x12\x1c" + b"\x2a" + bytes([len(secret)]) + secret.encode() + b"\x0a\x05ab"
    )
    sent = [
        (secret.encode(), "application/x-protobuf", ""),
        (wrong_type, "application/x-protobuf", ""),
        (f'{{"resourceSpans": [{{"scopeSpans": "{secret}"}}]}}'.encode(), "application/json", ""),
        (f'{{"{secret}": '.encode(), "application/json", ""),
        (secret.encode(), "application/json", "gzip"),
        (b"", secret, ""),
    ]
    for content, media_type, encoding in sent:
        response = post(otlp, content, media_type, content_encoding=encoding)
        assert response.status_code in (400, 415)
        assert status_of(response).message
        assert secret.encode() not in response.content
    assert secret not in caplog.text
    assert secret not in "".join(capfd.readouterr())
    assert secret not in str(store.rows("SELECT * FROM dead_letters"))


def test_case_86_beyond_the_requests_in_flight_senders_are_put_off(store: Store, serve: Serve) -> None:
    app = receiver(store, limits=Limits(requests=1))
    client = serve(app)
    capacity: Capacity = app.state.intake.capacity
    with capacity.lease():
        response = post(client, body())
        assert (response.status_code, response.headers["retry-after"]) == (503, "1")
        assert status_of(response).code == code_pb2.UNAVAILABLE
    assert post(client, body()).status_code == 200
    assert stored(store) == 2


def test_case_86_beyond_the_memory_in_flight_senders_are_put_off(store: Store, serve: Serve) -> None:
    app = receiver(store, limits=Limits(memory_bytes=5_000))
    client = serve(app)
    assert post(client, body(100)).status_code == 503
    assert post(client, body(1)).status_code == 200
    assert post(client, body(1)).status_code == 200, "room is given back"


def test_case_88_to_92_errors_of_the_store_become_the_right_answer() -> None:
    """Transient ones and unknown ones may be retried; bad data may not."""
    for code in (241, 243, 252, 999, 60, None):
        refused = of_store(StoreError(code, None, "", "write"))
        assert isinstance(refused, BusyError)
        assert refused.http_status == 503
    assert isinstance(of_store(StoreUnavailableError("gone")), BusyError)
    for code in (32, 33, 444):
        refused = of_store(StoreError(code, None, "", "write"))
        assert isinstance(refused, UndecodableError)
        assert refused.http_status == 400


def test_case_89_a_memory_limit_of_the_engine_is_503(store: Store, serve: Serve) -> None:
    client = serve(receiver(store, limits=Limits(insert_memory_bytes=1 << 20)))
    response = post(client, request(*(span({"k": "v" * 100_000}) for _ in range(50))).SerializeToString())
    assert (response.status_code, response.headers["retry-after"]) == (503, "1")
    assert stored(store) == 0
    assert store.value("SELECT count() FROM dead_letters") == 0, "it may come again"


def test_case_90_what_cannot_be_decoded_becomes_a_dead_letter_without_payload(
    store: Store, serve: Serve, clock: ManualClock
) -> None:
    client = serve(receiver(store, clock=clock))
    for content, media_type in [(b"\xff\xff", "application/x-protobuf"), (b"[]", "application/json")]:
        assert post(client, content, media_type).status_code == 400
    letters = store.rows("SELECT * FROM dead_letters ORDER BY encoding DESC")
    assert [
        (row["signal"], row["reason"], row["encoding"], row["items"], row["bytes"]) for row in letters
    ] == [
        ("traces", "undecodable", "protobuf", 0, 2),
        ("traces", "undecodable", "json", 0, 2),
    ]
    assert {row["received_at"] for row in letters} == {clock.now()}


def test_case_115_the_same_body_again_is_stored_once(otlp_url: str, otlp: httpx.Client, store: Store) -> None:
    content = body(5)

    def send(_: int) -> int:
        with httpx.Client(base_url=otlp_url, trust_env=False, timeout=60) as client:
            return post(client, content).status_code

    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(send, range(8))) == [200] * 8
    assert post(otlp, content).status_code == 200
    assert stored(store) == 5
    assert store.value("SELECT count() FROM otel_traces_trace_id_ts") == 5


def test_a_body_over_several_days_again_is_stored_once(otlp: httpx.Client, store: Store) -> None:
    day = 86_400 * 1_000_000_000
    spans = [span(start_time_unix_nano=otlp_.START_NS + n * day) for n in range(5)]
    content = request(*spans).SerializeToString()
    assert [post(otlp, content).status_code for _ in range(3)] == [200] * 3
    assert stored(store) == 5


def test_a_repaired_body_again_is_stored_once(otlp: httpx.Client, store: Store) -> None:
    content = request(span({"map": {"a": 1}}), span(trace_id=b"short")).SerializeToString()
    answers = [answer_of(post(otlp, content)).partial_success for _ in range(3)]
    assert [answer.rejected_spans for answer in answers] == [1, 1, 1]
    assert stored(store) == 1


def test_a_restarted_receiver_goes_on(store: Store, serve: Serve) -> None:
    """Its threads and handles end with it; the store stays usable."""
    content = body(2)
    for _ in range(3):
        assert post(serve(receiver(store)), content).status_code == 200
    assert stored(store) == 2


def test_the_receiver_counts_what_it_does(store: Store, serve: Serve) -> None:
    app = receiver(store)
    client = serve(app)
    post(client, body(1))
    post(client, b"\xff")
    post(client, request(span({"list": [1, "a"]})).SerializeToString())
    assert app.state.intake.counts == {"requests": 2, "dead_letters": 1, "repaired": 1, "inserts": 2}


def test_capacity_is_given_back_by_threads_that_fail() -> None:
    capacity = Capacity(Limits(requests=4, memory_bytes=100))

    def work() -> None:
        for _ in range(200):
            try:
                with capacity.lease() as lease:
                    lease.grow(30)
                    raise ValueError
            except (ValueError, BusyError):
                pass

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with capacity.lease() as lease:
        lease.grow(100)
