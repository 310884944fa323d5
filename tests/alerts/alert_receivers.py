"""Receivers on loopback that behave well or badly, as asked."""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import uvicorn
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, AuthResult
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, RedirectResponse, Response

from tests.ports import free_port


@dataclass
class Desk:
    """A webhook receiver: what it was sent, and how it answers."""

    port: int = 0
    scheme: str = "http"
    status: int = 200
    behaviour: str = "answer"
    calls: list[dict[str, Any]] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)

    @property
    def url(self) -> str:
        return f"{self.scheme}://127.0.0.1:{self.port}/hook"

    def told(self) -> list[tuple[str, tuple[str, ...]]]:
        """Each call as its status and the alerts with theirs."""
        return [
            (call["status"], tuple(f"{a['labels']['alertname']}:{a['status']}" for a in call["alerts"]))
            for call in self.calls
        ]

    async def answer(self, request: Request) -> Response:
        self.calls.append(json.loads(await request.body()))
        self.headers.append(dict(request.headers))
        if self.behaviour == "hang":
            await asyncio.sleep(3)
        if self.behaviour == "redirect":
            return RedirectResponse("http://169.254.169.254/latest/meta-data", 301)
        return PlainTextResponse("thanks", self.status)


@contextlib.contextmanager
def serving(app: Starlette, **keys: Any) -> Iterator[int]:
    """Runs an application on a free port of this machine; gives the port."""
    server = uvicorn.Server(
        uvicorn.Config(app, host="127.0.0.1", port=0, log_level="critical", lifespan="off", **keys)
    )
    server.config.load()
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        time.sleep(0.005)
    try:
        yield server.servers[0].sockets[0].getsockname()[1]
    finally:
        server.should_exit = server.force_exit = True
        thread.join(5)


@dataclass
class Certificates:
    """An authority, and a certificate of it for this machine's loopback names."""

    ca_file: str
    cert_file: str


def treated(connection: socket.socket, treat: Callable[[socket.socket], None]) -> None:
    """Treats a connection as asked, and closes it."""
    with connection, contextlib.suppress(OSError):
        treat(connection)


@dataclass
class Postbox:
    """An SMTP server: the mails it took, and the answers it gives."""

    port: int = 0
    mails: list[bytes] = field(default_factory=list)
    recipients: list[list[str]] = field(default_factory=list)
    answer: str = "250 OK"
    refused: frozenset[str] = frozenset()

    async def handle_RCPT(self, server: Any, session: Any, envelope: Any, address: str, options: Any) -> str:  # noqa: N802
        if address in self.refused:
            return "550 no such mailbox"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:  # noqa: N802
        if self.answer.startswith("2"):
            self.mails.append(envelope.content)
            self.recipients.append(envelope.rcpt_tos)
        return self.answer


class _Controller(Controller):
    def __init__(self, handler: Postbox, **keys: Any) -> None:
        self._keys = keys
        super().__init__(
            handler, hostname="127.0.0.1", port=free_port(), ssl_context=keys.pop("implicit_tls", None)
        )

    def factory(self) -> SMTP:
        return SMTP(self.handler, **self._keys)


@contextlib.contextmanager
def posting(**keys: Any) -> Iterator[Postbox]:
    """Runs an SMTP server with these settings of aiosmtpd."""
    box = Postbox()
    controller = _Controller(box, **keys)
    controller.start()
    box.port = controller.port
    try:
        yield box
    finally:
        controller.stop()


def check_login(server: Any, session: Any, envelope: Any, mechanism: str, data: Any) -> AuthResult:
    # Not handled: the server itself writes the answer.
    return AuthResult(success=(data.login, data.password) == (b"tieout", b"s3cret"), handled=False)
