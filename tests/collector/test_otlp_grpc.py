"""OTLP over gRPC: raw bytes and the exporter of the SDK. Numbers: the checklist's."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from datetime import timedelta
from typing import Any

import grpc
import pytest
from google.rpc import code_pb2
from grpc_health.v1 import health_pb2, health_pb2_grpc
from opentelemetry import trace
from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from otlp_bodies import body, request, span
from otlp_grpc import (
    EXPORT,
    Receiver,
    answer,
    call_by_hand,
    channel_to,
    export,
    ping_by_hand,
    refused,
    retry_after_s,
    status_of,
)
from pydantic import SecretStr

from collector.access import Access, Caller, Rate, Token
from collector.commits import Receipt
from collector.grpc_server import PORT, THREADS, grpc_server
from collector.intake import Limits
from collector.metrics import Transport
from collector.reception import Reception
from core.clock import ManualClock
from core.errors import CannotRunError
from store.client import Store

MIB = 1 << 20


Receive = Callable[..., Receiver]


def stored(store: Store) -> int:
    return int(store.value("SELECT count() FROM otel_traces"))


def test_case_14_the_port_is_the_registered_one() -> None:
    assert PORT == 4317


def test_case_94_export_empty_export_and_gzip_are_answered_with_an_empty_response(
    store: Store, receive: Receive
) -> None:
    channel = receive().channel
    assert export(channel, body(2)) == b""
    assert export(channel, b"") == b""
    assert export(channel, body(3), compression=grpc.Compression.Gzip) == b""
    assert stored(store) == 5


def test_case_95_another_message_encoding_is_refused_for_good(store: Store, receive: Receive) -> None:
    """The transport says so before the receiver sees the call; clients of the library cannot even ask."""
    headers = call_by_hand(receive().port, b"\x01", body(1), "zstd")
    refusals = (grpc.StatusCode.UNIMPLEMENTED, grpc.StatusCode.INTERNAL)
    assert headers["grpc-status"] in {str(code.value[0]) for code in refusals}
    assert stored(store) == 0


def test_case_96_the_limit_of_a_message(store: Store, receive: Receive) -> None:
    """60 MiB fit into the 64 MiB of the default, 65 MiB never will: no RetryInfo, so senders give it up."""
    receiver = receive(limits=Limits(memory_bytes=512 * MIB))
    large = request(span({"k": "v" * (60 * MIB)})).SerializeToString()
    assert export(receiver.channel, large) == b""
    assert stored(store) == 1
    error = refused(receiver.channel, b"\0" * (65 * MIB))
    assert error.code() == grpc.StatusCode.RESOURCE_EXHAUSTED
    assert "grpc-status-details-bin" not in dict(error.trailing_metadata())
    assert export(receiver.channel, body(1)) == b"", "the connection is still good"


def test_case_97_a_gzip_bomb_is_stopped_at_the_limit(store: Store, receive: Receive) -> None:
    receiver = receive(limits=Limits(body_bytes=MIB))
    error = refused(receiver.channel, b"\0" * (20 * MIB), compression=grpc.Compression.Gzip)
    assert error.code() == grpc.StatusCode.RESOURCE_EXHAUSTED
    assert stored(store) == 0


@pytest.mark.parametrize("content", [b"1234", b"\xff\xff", b'{"resourceSpans": []}', body(1)[:-1]])
def test_case_98_garbage_is_an_invalid_argument(store: Store, receive: Receive, content: bytes) -> None:
    error = refused(receive().channel, content)
    assert error.code() == grpc.StatusCode.INVALID_ARGUMENT
    assert status_of(error).code == grpc.StatusCode.INVALID_ARGUMENT.value[0]
    assert store.rows("SELECT reason, encoding FROM dead_letters") == [
        {"reason": "undecodable", "encoding": "protobuf"}
    ]


def test_case_98_a_call_without_a_message_is_an_invalid_argument(receive: Receive) -> None:
    call = receive().channel.stream_unary(EXPORT)
    with pytest.raises(grpc.RpcError) as error:
        call(iter(()), timeout=30)
    assert error.value.code() == grpc.StatusCode.INVALID_ARGUMENT


def test_case_99_what_nobody_foresaw_is_unavailable_and_says_nothing(
    store: Store, receive: Receive, caplog: pytest.LogCaptureFixture
) -> None:
    """Provoked for real: writers that have ended take no more work."""
    receiver = receive()
    receiver.reception.workers.shutdown()
    error = refused(receiver.channel, body(1))
    assert error.code() == grpc.StatusCode.UNAVAILABLE
    assert error.details() == "the request could not be processed; send it again"
    assert retry_after_s(error) == 1
    assert "shutdown" not in caplog.text
    assert "RuntimeError" in caplog.text


def test_case_100_beyond_the_room_there_is_senders_are_put_off(store: Store, receive: Receive) -> None:
    receiver = receive(limits=Limits(requests=1))
    with receiver.reception.intake.capacity.lease():
        error = refused(receiver.channel, body(1))
    assert (error.code(), retry_after_s(error)) == (grpc.StatusCode.UNAVAILABLE, 1)
    assert export(receiver.channel, body(1)) == b"", "room is given back"
    small = receive(limits=Limits(memory_bytes=1_000))
    assert refused(small.channel, body(100)).code() == grpc.StatusCode.UNAVAILABLE
    assert export(small.channel, body(1)) == b""
    assert stored(store) == 2


@pytest.mark.parametrize(
    "method",
    [
        "/opentelemetry.proto.collector.nothing.v1.NothingService/Export",
        EXPORT.replace("Export", "Import"),
        "/x/y",
    ],
)
def test_case_101_other_services_and_methods_are_unimplemented(receive: Receive, method: str) -> None:
    assert refused(receive().channel, body(1), method).code() == grpc.StatusCode.UNIMPLEMENTED


class Held(Reception):
    """A reception whose requests wait at a gate before or after they are stored."""

    def __init__(self, store: Store, *, before: bool) -> None:
        super().__init__(store)
        self._before = before
        self.reached, self.gate = threading.Event(), threading.Event()

    def store(self, *args: Any, **kwargs: Any) -> Receipt:
        if self._before:
            self._wait()
            return super().store(*args, **kwargs)
        receipt = super().store(*args, **kwargs)
        self._wait()
        return receipt

    def _wait(self) -> None:
        self.reached.set()
        assert self.gate.wait(60)


@pytest.mark.parametrize("before", [True, False])
def test_case_103_a_deadline_during_the_insert_and_another_try_store_once(
    store: Store, receive: Receive, before: bool
) -> None:
    held = Held(store, before=before)
    receiver = receive(held)
    content = body(3)
    pending = receiver.channel.unary_unary(EXPORT).future(content, timeout=3)
    assert held.reached.wait(60)
    assert pending.code() == grpc.StatusCode.DEADLINE_EXCEEDED
    held.gate.set()
    assert export(receiver.channel, content) == b""
    assert held.drain(60), "also the call that was given up comes to its end"
    assert stored(store) == 3


def test_case_104_partial_success_counts_as_over_http(store: Store, receive: Receive) -> None:
    spans = [span() for _ in range(9)]
    said = answer(receive().channel, request(*spans, span(trace_id=b"abc")).SerializeToString())
    assert said.partial_success.rejected_spans == 1
    assert "trace_id is not 16 bytes" in said.partial_success.error_message
    assert stored(store) == 9


def test_case_105_a_hundred_calls_at_once_use_a_bounded_number_of_threads(
    store: Store, receive: Receive
) -> None:
    receiver = receive()
    call = receiver.channel.unary_unary(EXPORT)
    pending = [call.future(body(2), timeout=120) for _ in range(100)]
    assert [one.result() for one in pending] == [b""] * 100
    assert stored(store) == 200
    serving = [thread for thread in threading.enumerate() if thread.name.startswith("otlp-grpc")]
    assert len(serving) <= THREADS + 1


def test_case_105_pings_of_an_idle_connection_are_borne(receive: Receive) -> None:
    """The library would end the connection at the third ping within five minutes."""
    assert ping_by_hand(receive().port, 20) == 20


def test_case_106_while_it_drains_it_does_not_serve_and_finishes_what_it_has(store: Store) -> None:
    held = Held(store, before=True)
    with ExitStack() as stack:
        serving = ExitStack()
        port = serving.enter_context(grpc_server(held, "127.0.0.1:0", grace_s=60))
        channel = stack.enter_context(channel_to(port))
        health = health_pb2_grpc.HealthStub(channel)
        service = "opentelemetry.proto.collector.trace.v1.TraceService"
        asked = health_pb2.HealthCheckRequest(service=service)
        assert health.Check(asked).status == health_pb2.HealthCheckResponse.SERVING
        watched = health.Watch(asked)
        assert next(watched).status == health_pb2.HealthCheckResponse.SERVING
        pending = channel.unary_unary(EXPORT).future(body(2), timeout=60)
        assert held.reached.wait(60)
        ending = threading.Thread(target=serving.close)
        ending.start()
        assert next(watched).status == health_pb2.HealthCheckResponse.NOT_SERVING
        watched.cancel()
        # A call that comes while the listener closes waits for longer than its sender does, and is stored; a later one finds nobody.
        late = [code_of_a_late_call(port)]
        while late[-1] != grpc.StatusCode.UNAVAILABLE and len(late) < 6:
            late.append(code_of_a_late_call(port))
        assert late[-1] == grpc.StatusCode.UNAVAILABLE
        held.gate.set()
        assert pending.result() == b""
        ending.join(60)
        assert not ending.is_alive()
    held.close()
    assert 2 <= stored(store) < 2 + len(late)


def code_of_a_late_call(port: int) -> grpc.StatusCode:
    with channel_to(port) as late:
        return refused(late, body(1), timeout=5).code()


def test_case_39_a_reception_that_drains_puts_calls_off(store: Store, receive: Receive) -> None:
    receiver = receive()
    assert receiver.reception.drain(0)
    error = refused(receiver.channel, body(1))
    assert (error.code(), retry_after_s(error)) == (grpc.StatusCode.UNAVAILABLE, 1)


def test_case_34_a_message_that_does_not_come_is_given_up(store: Store, receive: Receive) -> None:
    receiver = receive(limits=Limits(read_timeout_s=0.05))
    never = threading.Event()

    def slow() -> Iterator[bytes]:
        never.wait(60)
        yield b""

    calls = [receiver.channel.stream_unary(EXPORT).future(slow()) for _ in range(THREADS)]
    assert {call.code() for call in calls} == {grpc.StatusCode.CANCELLED}
    assert export(receiver.channel, body(1)) == b"", "the threads are free again"
    never.set()


def test_case_40_a_port_that_is_taken_is_said(store: Store, receive: Receive) -> None:
    port = receive().port
    other = Reception(store)
    taken = pytest.raises(CannotRunError, match=f"127.0.0.1:{port} cannot be used")
    with taken, grpc_server(other, f"127.0.0.1:{port}"):
        pass
    other.close()


def test_case_115_the_same_message_eight_times_at_once_is_stored_once(store: Store, receive: Receive) -> None:
    channel, content = receive().channel, body(5)
    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(lambda _: export(channel, content), range(8))) == [b""] * 8
    assert stored(store) == 5


@pytest.mark.parametrize("compression", [grpc.Compression.NoCompression, grpc.Compression.Gzip])
def test_case_120_spans_of_the_exporter_arrive_complete(
    store: Store, receive: Receive, compression: grpc.Compression
) -> None:
    provider = TracerProvider(resource=Resource({"service.name": "billing"}))
    endpoint = f"127.0.0.1:{receive().port}"
    exporter = OTLPSpanExporter(endpoint=endpoint, insecure=True, compression=compression)
    provider.add_span_processor(BatchSpanProcessor(exporter, max_export_batch_size=64))
    tracer = provider.get_tracer("program", "2.0")
    for number in range(150):
        with tracer.start_as_current_span("outer", kind=trace.SpanKind.SERVER, attributes={"n": number}):
            tracer.start_span("inner").end()
    provider.shutdown()
    assert stored(store) == 300
    row = store.one("SELECT * FROM otel_traces WHERE SpanAttributes['n'] = '7'")
    assert (row["ServiceName"], row["SpanKind"], row["ScopeName"]) == ("billing", "Server", "program")
    children = "SELECT count() FROM otel_traces WHERE ParentSpanId = {parent:String}"
    assert store.value(children, {"parent": row["SpanId"]}) == 1


def test_case_85_refusals_never_quote_what_was_sent(
    store: Store, receive: Receive, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    secret = "MRN-4711-Doe"
    wrong_type = body(1) + b"\x08\x01" + b"\x9a\x06" + bytes([len(secret)]) + secret.encode()
    channel = receive().channel
    for content in (secret.encode(), wrong_type, request(span(name=secret)).SerializeToString()[:-1]):
        error = refused(channel, content, metadata=[("x-note", secret), ("authorization", secret)])
        assert error.code() == grpc.StatusCode.INVALID_ARGUMENT
        assert secret not in str(error.details()) + str(status_of(error))
    assert secret not in caplog.text
    assert secret not in "".join(capfd.readouterr())
    assert secret not in str(store.rows("SELECT * FROM dead_letters"))


@pytest.mark.parametrize("reason", ["busy", "rate"])
def test_case_100_an_exporter_that_is_put_off_sends_again(
    store: Store, receive: Receive, clock: ManualClock, reason: str
) -> None:
    """UNAVAILABLE and RESOURCE_EXHAUSTED with RetryInfo: nothing is lost, without any setting of the sender."""
    token = Token("sender", SecretStr("t" * 16), rate=Rate(1, 1))
    receiver = receive(limits=Limits(requests=1), access=Access([token], clock))
    refusals = []
    answered = receiver.reception.metrics.answered

    def note(signal: str, transport: Transport, code: int, sent_bytes: int) -> None:
        answered(signal, transport, code, sent_bytes)
        refusals.append(code)
        busy.close()
        clock.move(timedelta(seconds=5))

    receiver.reception.metrics.answered = note  # type: ignore[method-assign]
    busy = ExitStack()
    if reason == "busy":
        busy.enter_context(receiver.reception.intake.capacity.lease())
    else:
        receiver.reception.access.admit(Caller("sender"), "traces")
    provider = TracerProvider()
    exporter = OTLPSpanExporter(
        endpoint=f"127.0.0.1:{receiver.port}", insecure=True, headers={"authorization": f"Bearer {'t' * 16}"}
    )
    provider.add_span_processor(BatchSpanProcessor(exporter))
    provider.get_tracer("program").start_span("once").end()
    assert provider.force_flush()
    provider.shutdown()
    first = code_pb2.UNAVAILABLE if reason == "busy" else code_pb2.RESOURCE_EXHAUSTED
    assert refusals == [first, code_pb2.OK]
    assert stored(store) == 1
