"""gRPC calls by hand: bytes in, bytes out, and what a refused call says."""

from __future__ import annotations

import socket
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import grpc
import h2.connection
import h2.events
from google.rpc.error_details_pb2 import RetryInfo
from google.rpc.status_pb2 import Status
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse

from collector.grpc_server import STATUS_DETAILS
from collector.reception import Reception

EXPORT = "/opentelemetry.proto.collector.trace.v1.TraceService/Export"
OPTIONS = [("grpc.max_send_message_length", -1), ("grpc.use_local_subchannel_pool", 1)]


@dataclass(frozen=True)
class Receiver:
    """A reception, the port it is served on, and a channel to it."""

    reception: Reception
    port: int
    channel: grpc.Channel


@contextmanager
def channel_to(port: int, **options: Any) -> Iterator[grpc.Channel]:
    """A connection of its own; names of options go without `grpc.`."""
    more = [(f"grpc.{name}", value) for name, value in options.items()]
    with grpc.insecure_channel(f"127.0.0.1:{port}", options=[*OPTIONS, *more]) as channel:
        yield channel


def export(channel: grpc.Channel, body: bytes, method: str = EXPORT, **call: Any) -> bytes:
    """Sends `body` as it is. Raises grpc.RpcError."""
    return bytes(channel.unary_unary(method)(body, **{"timeout": 60, **call}))


def answer(channel: grpc.Channel, body: bytes) -> ExportTraceServiceResponse:
    return ExportTraceServiceResponse.FromString(export(channel, body))


def refused(channel: grpc.Channel, body: bytes, method: str = EXPORT, **call: Any) -> grpc.RpcError:
    """The error of a call that must fail."""
    try:
        export(channel, body, method, **call)
    except grpc.RpcError as error:
        return error
    raise AssertionError("the call was answered")


def status_of(error: grpc.RpcError) -> Status:
    """The status that a refusal carries beside its code."""
    found = [value for key, value in error.trailing_metadata() if key == STATUS_DETAILS]
    assert len(found) == 1
    return Status.FromString(found[0])


def retry_after_s(error: grpc.RpcError) -> int | None:
    """Seconds of the RetryInfo, None without one."""
    info = RetryInfo()
    for detail in status_of(error).details:
        assert detail.Unpack(info)
        return int(info.retry_delay.seconds)
    return None


def call_by_hand(port: int, flag: bytes, body: bytes, encoding: str) -> dict[str, str]:
    """One call in plain HTTP/2 with the message encoding declared as `encoding`; gives headers and trailers."""
    seen: dict[str, str] = {}
    connection = h2.connection.H2Connection()
    with socket.create_connection(("127.0.0.1", port), timeout=30) as sock:
        connection.initiate_connection()
        connection.send_headers(
            1,
            [
                (":method", "POST"), (":scheme", "http"), (":path", EXPORT), (":authority", "t"),
                ("content-type", "application/grpc"), ("te", "trailers"), ("grpc-encoding", encoding),
            ],
        )  # fmt: skip
        connection.send_data(1, flag + struct.pack(">I", len(body)) + body, end_stream=True)
        sock.sendall(connection.data_to_send())
        while data := sock.recv(65536):
            for event in connection.receive_data(data):
                if isinstance(event, h2.events.ResponseReceived | h2.events.TrailersReceived):
                    seen |= {_text(name): _text(value) for name, value in event.headers or []}
                if isinstance(event, h2.events.StreamEnded | h2.events.StreamReset):
                    return seen
            sock.sendall(connection.data_to_send())
    return seen


def ping_by_hand(port: int, count: int) -> int:
    """Pings an idle connection again and again; gives the pings that were answered until it ended."""
    answered = 0
    connection = h2.connection.H2Connection()
    with socket.create_connection(("127.0.0.1", port), timeout=30) as sock:
        connection.initiate_connection()
        for number in range(count):
            connection.ping(struct.pack(">Q", number))
            sock.sendall(connection.data_to_send())
            while answered <= number:
                for event in connection.receive_data(sock.recv(65536)):
                    if isinstance(event, h2.events.ConnectionTerminated):
                        return answered
                    answered += isinstance(event, h2.events.PingAckReceived)
    return answered


def _text(value: bytes | str) -> str:
    return value.decode() if isinstance(value, bytes) else value
