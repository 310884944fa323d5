"""HTTP connections with an end: a sender that does not come to the point is let go.

The server's own timeout begins after a first response. A connection that never completes its headers would be
kept for ever, and a few thousand of them keep everybody else out.
"""

from __future__ import annotations

import asyncio

import h11
from google.protobuf import json_format
from google.rpc import code_pb2
from google.rpc.status_pb2 import Status
from uvicorn.protocols.http.h11_impl import H11Protocol

_NOT_HTTP = json_format.MessageToJson(
    Status(code=code_pb2.INVALID_ARGUMENT, message="the request is not valid HTTP"), indent=None
).encode()


def protocol(headers_timeout_s: float) -> type[H11Protocol]:
    """The `http` option of the server: connections that wait so long for the headers of a request."""
    return type("Connection", (BoundedConnection,), {"headers_timeout_s": headers_timeout_s})


class BoundedConnection(H11Protocol):
    """Closes itself when no request begins in time, the bytes after a refused one included."""

    headers_timeout_s = 60.0
    _end: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._wait()

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        self._wait()

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop()
        super().connection_lost(exc)

    def send_400_response(self, msg: str) -> None:  # noqa: ARG002 - says the same of every mistake
        """Like all refusals, without the library's text."""
        headers = [
            (b"content-type", b"application/json"),
            (b"content-length", str(len(_NOT_HTTP)).encode()),
            (b"connection", b"close"),
        ]
        for event in (
            h11.Response(status_code=400, headers=headers, reason=b"Bad Request"),
            h11.Data(data=_NOT_HTTP),
            h11.EndOfMessage(),
        ):
            self.transport.write(self.conn.send(event) or b"")
        self.transport.close()

    def _wait(self) -> None:
        """One period from the first byte that belongs to no request, however slowly the others follow."""
        if self._serving():
            self._stop()
        elif self._end is None:
            self._end = self.loop.call_later(self.headers_timeout_s, self._too_late)

    def _serving(self) -> bool:
        return self.cycle is not None and not self.cycle.response_complete

    def _too_late(self) -> None:
        self._end = None
        if not self._serving() and not self.transport.is_closing():
            self.transport.close()

    def _stop(self) -> None:
        if self._end is not None:
            self._end.cancel()
            self._end = None
