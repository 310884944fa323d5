"""An ASGI app under a real server on a free port, and how to reach it."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import httpx
import uvicorn
from starlette.applications import Starlette

READER, WRITER = "reader-" + "r" * 32, "writer-" + "w" * 32


@dataclass(frozen=True)
class Served:
    """An endpoint under a real server, and the tokens for it."""

    host: str
    port: int
    reader: str = READER
    writer: str = WRITER

    @property
    def url(self) -> str:
        return f"http://{self.host}:{self.port}"

    def client(self, token: str = READER, **options: object) -> httpx.Client:
        return httpx.Client(
            base_url=self.url, headers={"Authorization": f"Bearer {token}"}, timeout=60, **options
        )  # type: ignore[arg-type]


@contextmanager
def serving(app: Starlette) -> Iterator[Served]:
    """Serves `app` on a free port of 127.0.0.1 until the block ends."""
    server = uvicorn.Server(uvicorn.Config(app, port=0, log_level="warning", timeout_graceful_shutdown=1))
    ready = threading.Event()
    startup = server.startup

    async def started(*args: object, **kwargs: object) -> None:
        await startup(*args, **kwargs)  # type: ignore[arg-type]
        ready.set()

    server.startup = started  # type: ignore[method-assign]
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        assert ready.wait(20)
        host, port = server.servers[0].sockets[0].getsockname()[:2]
        yield Served(host, port)
    finally:
        server.should_exit = True
        thread.join(60)
    assert not thread.is_alive()
