"""OTLP over gRPC, on the same reception as HTTP. Bind it to 127.0.0.1:4317.

Export is unary on the wire. It is served as a stream of requests, of which one is read: so who calls and whether
there is room is asked before the message is taken off the wire. Bodies are decoded by the intake, never by the
library, which would answer INTERNAL and quote the error.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import grpc
from google.protobuf.any_pb2 import Any as AnyMessage
from google.protobuf.message import Message
from google.rpc import code_pb2
from google.rpc.error_details_pb2 import RetryInfo
from google.rpc.status_pb2 import Status
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_health.v1.health import HealthServicer

from collector.reception import Reception, answer, as_refusal
from collector.refusals import DisconnectedError, RefusedError, UndecodableError
from collector.signals import Signal
from core.errors import CannotRunError

PORT = 4317
# Calls that are served at once; more wait in their connections, where each has a small window and no message.
THREADS = 16
STREAMS_OF_A_CONNECTION = 1_000
WATCH_EVERY_S = 1.0
STATUS_DETAILS = "grpc-status-details-bin"
STATUS_CODES = {code.value[0]: code for code in grpc.StatusCode}

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class TlsFiles:
    """Contents of PEM files: the server's certificate and key, and the authority of clients when they need one."""

    certificate: bytes
    key: bytes
    client_authority: bytes | None = None

    def __repr__(self) -> str:
        return f"TlsFiles(mutual={self.client_authority is not None})"


@contextmanager
def grpc_server(
    reception: Reception, address: str, *, tls: TlsFiles | None = None, grace_s: float = 10.0
) -> Iterator[int]:
    """Serves `reception` at `address` while the block runs; gives the port.

    At the end the health service says NOT_SERVING, new calls are refused, and those begun have `grace_s` seconds.
    Raises CannotRunError when the address cannot be used.
    """
    # Calls need threads of their own beside the writers: they wait for messages and for the store.
    threads = ThreadPoolExecutor(THREADS, thread_name_prefix="otlp-grpc")
    server = grpc.server(threads, options=_options(reception.limits.body_bytes))
    health = HealthServicer()
    health_pb2_grpc.add_HealthServicer_to_server(health, server)
    reception.on_drain(health.enter_graceful_shutdown)
    watch = ReadingWatch(reception.limits.read_timeout_s)
    for signal in reception.signals:
        service = service_of(signal)
        export = grpc.stream_unary_rpc_method_handler(Export(signal, reception, watch))
        server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(service, {"Export": export}),))
        health.set(service, health_pb2.HealthCheckResponse.SERVING)
    port = _bind(server, address, tls)
    server.start()
    watch.start()
    try:
        yield port
    finally:
        health.enter_graceful_shutdown()
        server.stop(grace_s).wait()
        watch.stop()
        threads.shutdown(wait=True)


def service_of(signal: Signal) -> str:
    """Full name of the service whose Export takes requests of `signal`, as its descriptor says."""
    request = signal.request.DESCRIPTOR
    services = request.file.services_by_name.values()
    return next(
        str(service.full_name)
        for service in services
        if service.methods_by_name["Export"].input_type.full_name == request.full_name
    )


class Export:
    """The method Export of one signal."""

    def __init__(self, signal: Signal, reception: Reception, watch: ReadingWatch) -> None:
        self._signal = signal
        self._reception = reception
        self._watch = watch

    def __call__(self, messages: Iterator[bytes], context: grpc.ServicerContext) -> bytes:
        sent = [0]
        try:
            response = self._take(messages, context, sent).SerializeToString()
        except Exception as error:
            refused = as_refusal(error)
            self._answered(refused.rpc_code, sent[0])
            _abort(context, refused)
            raise AssertionError("a call that was aborted goes on") from None
        self._answered(int(code_pb2.OK), sent[0])
        return response

    def _take(self, messages: Iterator[bytes], context: grpc.ServicerContext, sent: list[int]) -> Message:
        reception = self._reception
        caller = reception.access.caller(_authorization(context))
        with reception.admit(self._signal, caller) as lease:
            body = self._read(messages, context)
            sent[0] = len(body)
            lease.grow(len(body))

            def store() -> Message:
                receipt = reception.store(
                    self._signal, body, "", "protobuf", lease=lease, caller=caller, transport="grpc"
                )
                return answer(self._signal, receipt)

            # Not ended by a deadline of the sender: what has begun is stored, and its room is kept until then.
            return reception.workers.submit(store).result()

    def _read(self, messages: Iterator[bytes], context: grpc.ServicerContext) -> bytes:
        """The one message. Raises DisconnectedError when none can be read: the library has answered by then."""
        try:
            with self._watch.reading(context):
                return next(messages)
        except StopIteration:
            if context.is_active():
                raise UndecodableError("the call holds no message") from None
            raise DisconnectedError("the sender went away") from None
        except grpc.RpcError:
            raise DisconnectedError("the sender went away") from None

    def _answered(self, code: int, sent_bytes: int) -> None:
        self._reception.metrics.answered(self._signal.name, "grpc", code, sent_bytes)


class ReadingWatch:
    """Ends calls whose message does not arrive in time, or they would keep their threads for ever."""

    def __init__(self, timeout_s: float) -> None:
        self._timeout_s = timeout_s
        self._reading: dict[grpc.ServicerContext, float] = {}
        self._lock = threading.Lock()
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._run, name="otlp-grpc-watch", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._end.set()
        self._thread.join()

    @contextmanager
    def reading(self, context: grpc.ServicerContext) -> Iterator[None]:
        """The time between entering and leaving is watched."""
        with self._lock:
            self._reading[context] = time.monotonic() + self._timeout_s
        try:
            yield
        finally:
            with self._lock:
                del self._reading[context]

    def _run(self) -> None:
        while not self._end.wait(min(WATCH_EVERY_S, self._timeout_s)):
            now = time.monotonic()
            with self._lock:
                late = [context for context, until in self._reading.items() if until < now]
            for context in late:
                context.cancel()  # type: ignore[no-untyped-call]


def _options(body_bytes: int) -> list[tuple[str, Any]]:
    return [
        ("grpc.max_receive_message_length", body_bytes),
        ("grpc.max_concurrent_streams", STREAMS_OF_A_CONNECTION),
        # A second receiver on the port is a mistake and must not start.
        ("grpc.so_reuseport", 0),
        # Exporters ping idle connections more often than the library thinks polite, and would lose them.
        ("grpc.http2.max_ping_strikes", 0),
    ]


def _bind(server: grpc.Server, address: str, tls: TlsFiles | None) -> int:
    try:
        if tls is None:
            port = server.add_insecure_port(address)
        else:
            pair = (tls.key, tls.certificate)
            credentials = grpc.ssl_server_credentials(
                [pair], tls.client_authority, require_client_auth=tls.client_authority is not None
            )
            port = server.add_secure_port(address, credentials)
    except RuntimeError:
        port = 0
    if not port:
        raise CannotRunError(
            f"{address} cannot be used for gRPC: stop what listens there, or take another port"
        )
    return int(port)


def _authorization(context: grpc.ServicerContext) -> str:
    """The metadata of this name; a second one is as good as none."""
    values = [value for key, value in context.invocation_metadata() if key == "authorization"]
    return values[0] if len(values) == 1 and isinstance(values[0], str) else ""


def _abort(context: grpc.ServicerContext, refused: RefusedError) -> None:
    """Ends the call with the refusal; with RetryInfo, without which senders give up RESOURCE_EXHAUSTED."""
    status = Status(code=refused.rpc_code, message=str(refused))
    if refused.retryable:
        detail = AnyMessage()
        info = RetryInfo()
        info.retry_delay.seconds = refused.retry_after_s
        detail.Pack(info)
        status.details.append(detail)
    context.set_trailing_metadata(((STATUS_DETAILS, status.SerializeToString()),))
    context.abort(STATUS_CODES[refused.rpc_code], str(refused))
