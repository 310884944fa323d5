"""What follows from a row cannot be written: the view behind it fails, and heals when the request comes again (F18)."""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import contextmanager

import grpc
import httpx
import pytest
from fault_bodies import WAYS, Body, check, new_body
from fault_traffic import METHODS
from otlp_grpc import channel_to, export
from otlp_send import JSON, PROTOBUF, send
from otlp_serving import running

from collector.app import http_app
from collector.grpc_server import grpc_server
from collector.readiness import Readiness
from collector.reception import Reception
from collector.signals import LOGS, METRICS, TRACES, Signal
from store.client import Store

pytestmark = pytest.mark.slow


class Desk:
    """A receiver over HTTP and gRPC on the store of this process, whose tables the test may take away."""

    def __init__(self, client: httpx.Client, channel: grpc.Channel) -> None:
        self._client, self._channel = client, channel

    def takes(self, body: Body) -> bool:
        """Whether it was acknowledged; what was not must have been put off."""
        if body.way != "grpc":
            answer = send(self._client, body.signal, body.content, JSON if body.way == "json" else PROTOBUF)
            assert answer.status_code in (200, 503)
            assert answer.status_code == 200 or answer.headers["retry-after"] == "1"
            return answer.status_code == 200
        code = grpc.StatusCode.OK
        try:
            export(self._channel, body.content, METHODS[body.signal.name])
        except grpc.RpcError as error:
            code = error.code()
        assert code in (grpc.StatusCode.OK, grpc.StatusCode.UNAVAILABLE)
        return code is grpc.StatusCode.OK


@pytest.fixture
def desk(store: Store) -> Iterator[Desk]:
    reception = Reception(store)
    readiness = Readiness(reception, store)
    with (
        running(http_app(reception, readiness)) as url,
        httpx.Client(base_url=url, trust_env=False, timeout=30) as client,
        grpc_server(reception, "127.0.0.1:0", grace_s=1) as port,
        channel_to(port) as channel,
    ):
        yield Desk(client, channel)
    readiness.close()
    reception.close()


@contextmanager
def without(store: Store, table: str) -> Iterator[None]:
    store.command(f"DETACH TABLE {table}")
    try:
        yield
    finally:
        store.command(f"ATTACH TABLE {table}")


@pytest.mark.parametrize(
    ("signal", "table"),
    [(TRACES, "otel_traces"), (TRACES, "otel_traces_trace_id_ts"), (LOGS, "otel_logs"), (METRICS, "otel_metrics_summary")],
    ids=lambda value: value if isinstance(value, str) else value.name,
)  # fmt: skip
def test_a_request_whose_view_failed_is_put_off_and_stored_once_when_it_comes_again(
    store: Store, desk: Desk, signal: Signal, table: str
) -> None:
    chance = random.Random(9)
    bodies = [new_body(signal, way, chance) for way in WAYS for _ in range(2)]
    assert desk.takes(bodies[0])
    with without(store, table):
        assert [desk.takes(body) for body in bodies[1:]] == [False] * 5
        assert not desk.takes(bodies[1]), "again, while it still fails"
    assert all(desk.takes(body) for body in reversed(bodies))
    assert all(desk.takes(body) for body in bodies)
    check(store, bodies, [])
    assert store.value("SELECT count() FROM dead_letters") == 0
